"""The status that a list shows is the one that results and waits say: one rule, asked cheaply."""

from hypothesis import given
from hypothesis import strategies as st

from fakes import legal_log
from treadle.core import events as e
from treadle.core.result import read_result
from treadle.core.state import State, fold
from treadle.core.status import MAX_CALLS, find_line, find_status, line_at_append
from treadle.core.waits import find_waits, is_held


def expected(records: list[e.Record], state: State) -> str:
    """As it was said before there was a list: by the whole result."""
    if not state.trusted:
        return "imported"
    return "parked" if is_held(state) else read_result(records, state).status


@given(st.lists(st.integers(0, 10_000), min_size=1, max_size=60))
def test_after_each_record_it_is_what_the_result_says(choices: list[int]) -> None:
    records = legal_log(choices)
    for count in range(1, len(records) + 1):
        state = fold(records[:count])
        assert find_status(state) == expected(records[:count], state)


@given(st.lists(st.integers(0, 10_000), min_size=1, max_size=60))
def test_nobody_who_looks_when_the_list_says_so_misses_a_thread_that_can_go_on(
    choices: list[int],
) -> None:
    """What waits now and can go on at a later time is looked at by then, at the latest."""
    records = legal_log(choices)
    for count in range(1, len(records) + 1):
        state = fold(records[:count])
        status, due = find_line(state)
        if status != "waiting":
            assert due is None
            continue
        for now in (state.at + 1, state.at + 10, state.at + 1000):
            if not find_waits(state, "t", now=now):
                assert due is not None
                assert due <= now


def round_of(count: int) -> list[e.Event]:
    calls = tuple(e.Call(f"c{number}", "pay", "{}") for number in range(count))
    asked = [e.ApprovalAsked(call.id) for call in calls]
    begin = (e.ThreadStarted("a", "k"), e.ThreadClaimed("c"), e.UserSaid("pay all"))
    return [
        *begin,
        e.ModelCalled("m", "h", 1, 1),
        e.ModelReplied(calls, e.Usage(1, 1), 0.1),
        *asked,
    ]


def test_a_round_of_very_many_calls_is_left_to_whoever_lists_the_thread() -> None:
    for count, said in ((MAX_CALLS, "waiting"), (MAX_CALLS + 1, "")):
        events = round_of(count)
        state = fold(e.Record("t", seq, 1.0, each, 0.0) for seq, each in enumerate(events, 1))
        assert find_status(state) == "waiting"
        assert line_at_append(state) == (said, None if said else 0.0)
