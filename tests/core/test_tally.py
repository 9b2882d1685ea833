"""A tally counts as a Counter does, and what was counted before stays as it was."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from treadle.core.tally import Tally


@given(st.lists(st.dictionaries(st.text("abc", max_size=4), st.integers(1, 3))))
def test_it_counts_and_never_changes(added: list[dict[str, int]]) -> None:
    whole: Counter[str] = Counter()
    tally = Tally()
    for counts in added:
        before, was = tally, dict(tally)
        tally = tally.add(counts)
        whole.update(counts)
        assert before == was
        assert tally == whole
        assert [tally.count(text) for text in ("a", *whole)] == [whole[t] for t in ("a", *whole)]


def test_of_many_texts_few_are_copied_at_each_change() -> None:
    tally = Tally()
    for number in range(10_000):
        tally = tally.add({str(number): 1})
    assert len(tally) == 10_000
    assert len(tally._changes) <= 101
