import tracemalloc
from collections.abc import Mapping

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from treadle.core.call import CallState
from treadle.core.events import Call
from treadle.core.open_calls import keep_call, open_calls
from treadle.core.shared_map import keep, remove

CHANGES = st.lists(st.tuples(st.booleans(), st.integers(0, 40)), max_size=80)


def made(number: int, attempt: int = 0) -> CallState:
    return CallState(Call(f"c{number}", "look", "{}"), "key", attempt=attempt)


@example(1, [(True, 5), (True, 6), (False, 5), (True, 5)])
@given(st.integers(0, 30), CHANGES)
def test_it_is_like_a_dict_that_is_copied_at_each_change(count, changes):
    mine = open_calls(map(made, range(count)))
    copied = {f"c{number}": made(number) for number in range(count)}
    for step, (keeps, number) in enumerate(changes):
        before, was = mine, dict(copied)
        if keeps:
            call = made(number, step)
            mine = keep_call(mine, call)
            copied[call.id] = call
        elif f"c{number}" in copied:
            mine = remove(mine, f"c{number}")
            del copied[f"c{number}"]
        assert list(mine.items()) == list(copied.items())
        assert (len(mine), bool(mine), mine == copied) == (len(copied), bool(copied), True)
        assert before == was


@pytest.mark.parametrize("count", [2, 40])
def test_what_is_not_there_is_not_found(count):
    calls = remove(open_calls(map(made, range(count + 1))), "c2")
    for id in ("c2", "c99"):
        assert id not in calls
        with pytest.raises(KeyError):
            calls[id]
    assert "'c1'" in repr(calls)
    assert "'c2'" not in repr(calls)


def memory_of_all_states(count: int) -> int:
    """Bytes for every mapping on the way from so many open calls to none, all kept."""
    calls = open_calls(map(made, range(count)))
    kept = [calls]
    tracemalloc.start()
    for id in list(calls):
        kept.append(remove(kept[-1], id))
    used, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert not kept[-1]
    return used


def test_of_many_values_few_are_copied_at_each_change():
    counts: Mapping[str, int] = {}
    for number in range(10_000):
        counts = keep(counts, str(number), 1)
    assert len(counts) == 10_000
    assert len(counts._changes) <= 101


@pytest.mark.slow
def test_a_change_copies_little_however_many_calls_there_are():
    assert memory_of_all_states(2000) < 10 * memory_of_all_states(500)  # 16 times, if all is copied
