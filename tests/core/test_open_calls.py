import tracemalloc

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from msgspec.structs import replace

from treadle.core.call import CallState
from treadle.core.events import Call
from treadle.core.open_calls import OpenCalls

CHANGES = st.lists(st.tuples(st.booleans(), st.integers(0, 40)), max_size=80)


def made(number: int, attempt: int = 0) -> CallState:
    return CallState(Call(f"c{number}", "look", "{}"), "key", attempt=attempt)


@example(1, [(True, 5), (True, 6), (False, 5), (True, 5)])
@given(st.integers(0, 30), CHANGES)
def test_it_is_like_a_dict_that_is_copied_at_each_change(count, changes):
    mine = OpenCalls(map(made, range(count)))
    copied = {f"c{number}": made(number) for number in range(count)}
    for step, (keep, number) in enumerate(changes):
        before, was = mine, dict(copied)
        if keep:
            call = made(number, step)
            mine = mine.keep(call)
            copied[call.id] = call
        elif f"c{number}" in copied:
            mine = mine.remove(f"c{number}")
            del copied[f"c{number}"]
        assert list(mine.items()) == list(copied.items())
        assert (len(mine), bool(mine), mine == copied) == (len(copied), bool(copied), True)
        assert before == was


def test_a_change_of_every_call_keeps_their_order():
    calls = OpenCalls(map(made, range(5))).remove("c2").keep(made(9))
    again = calls.change(lambda call: replace(call, attempt=3))
    assert [(call.id, call.attempt) for call in again.values()] == [
        *(("c0", 3), ("c1", 3), ("c3", 3), ("c4", 3), ("c9", 3))
    ]


def test_what_is_not_there_is_not_found():
    calls = OpenCalls([made(1), made(2)]).remove("c2")
    for id in ("c2", "c3"):
        assert id not in calls
        with pytest.raises(KeyError):
            calls[id]
    assert "c1" in repr(calls)
    assert "c2" not in repr(calls)


def memory_of_all_states(count: int) -> int:
    """Bytes for every mapping on the way from so many open calls to none, all kept."""
    calls = OpenCalls(map(made, range(count)))
    kept = [calls]
    tracemalloc.start()
    for id in list(calls):
        kept.append(kept[-1].remove(id))
    used, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert not kept[-1]
    return used


def test_a_change_copies_little_however_many_calls_there_are():
    assert memory_of_all_states(2000) < 10 * memory_of_all_states(500)  # 16 times, if all is copied
