"""However the bytes of a stream are cut, its events are the same."""

import itertools

from hypothesis import example, given
from hypothesis import strategies as st

from treadle.models.event_stream import Event, EventStream

LINES = (
    '{"a": 1}',
    "data: 1",
    "data:  {} ",
    "data:",
    "data",
    "event: end",
    "error: x",
    ": note",
    "id: 7",
    "",
)


def events_of(pieces: list[bytes]) -> list[Event]:
    stream = EventStream()
    return [event for piece in pieces for event in stream.feed(piece)] + stream.finish()


@given(
    st.lists(st.tuples(st.sampled_from(LINES), st.sampled_from(("\n", "\n\n", "\r\n", "\r")))),
    st.lists(st.integers(0, 60)),
)
@example([("event: end", "\n"), ("data: 1", "\n\n"), ("data: 2", "\n\n")], [])
@example([("data: 1", "\n\n"), ("event: end", "\n"), ("data: 2", "\n\n"), ("data: 3", "\n\n")], [9])
def test_cut_anywhere_it_has_the_same_events(lines: list[tuple[str, str]], cuts: list[int]) -> None:
    whole = "".join(line + end for line, end in lines).encode()
    places = sorted({0, len(whole), *(cut for cut in cuts if cut < len(whole))})
    pieces = [whole[one:other] for one, other in itertools.pairwise(places)]
    one_by_one = [whole[index : index + 1] for index in range(len(whole))]
    assert events_of(pieces) == events_of([whole]) == events_of(one_by_one)
