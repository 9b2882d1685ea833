from itertools import combinations, pairwise, permutations

from hypothesis import given
from hypothesis import strategies as st

from treadle.evals.matching import match_in_any_order, match_in_order

TABLES = st.integers(0, 5).flatmap(
    lambda columns: st.lists(
        st.lists(st.booleans(), min_size=columns, max_size=columns), max_size=5
    )
)


def most(table: list[list[bool]], in_order: bool) -> int:
    """By trying all: the size of the largest pairing."""
    rows, columns = len(table), len(table[0]) if table else 0
    choose = combinations if in_order else permutations
    return max(
        size
        for size in range(min(rows, columns) + 1)
        for left in combinations(range(rows), size)
        for right in choose(range(columns), size)
        if all(table[i][j] for i, j in zip(left, right, strict=True))
    )


@given(TABLES)
def test_no_pairing_in_order_is_larger(table):
    pairs = match_in_order(table)
    assert len(pairs) == most(table, in_order=True)
    assert all(table[i][j] for i, j in pairs)
    assert all(a < c and b < d for (a, b), (c, d) in pairwise(pairs))


@given(TABLES)
def test_no_pairing_in_any_order_is_larger(table):
    pairs = match_in_any_order(table)
    assert len(pairs) == most(table, in_order=False)
    assert all(table[i][j] for i, j in pairs)
    assert len({i for i, _ in pairs}) == len({j for _, j in pairs}) == len(pairs)


def test_a_long_chain_of_moves_is_found():
    # Each fits its own partner and the next; the last fits only the first, so all have to move.
    size = 400
    table = [[j in (i, i + 1) for j in range(size)] for i in range(size - 1)] + [
        [j == 0 for j in range(size)]
    ]
    assert len(match_in_any_order(table)) == size
