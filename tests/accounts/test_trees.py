"""Whatever a tree does, and whenever its drivers die: no account is overshot, and nobody starves."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from accounts.trees import Node, Tree
from treadle.core.events import ModelCalled

LEAVES = st.builds(
    Node,
    tokens=st.sampled_from((None, None, 400, 2000)),
    usd=st.sampled_from((None, None, 0.01, 1.0)),
    last_word=st.booleans(),
    output=st.sampled_from((1, 20, 300)),
    wants=st.sampled_from((20, 200, 1000)),
    delay_s=st.sampled_from((0.0, 0.1, 1.0, 20.0)),
    asks=st.sampled_from((False, False, True)),
    fails=st.sampled_from(("", "", "", "once", "ever")),
)


def above(children):
    """An agent or a flow with some of these below it."""
    rounds = st.lists(st.lists(children, min_size=1, max_size=3).map(tuple), min_size=1, max_size=2)
    return st.builds(
        Node,
        kind=st.sampled_from(("flow", "agent")),
        rounds=rounds.map(tuple),
        tokens=st.sampled_from((None, 300, 1000, 3000, 20_000)),
        usd=st.sampled_from((None, None, 0.02, 0.1, 1.0)),
        last_word=st.booleans(),
        output=st.sampled_from((1, 20)),
        wants=st.sampled_from((20, 200)),
        delay_s=st.sampled_from((0.0, 0.1, 1.0)),
        asks=st.sampled_from((False, False, True)),
    )


TREES = above(LEAVES | above(LEAVES | above(LEAVES)))
KILLS = st.lists(st.tuples(st.integers(0, 40), st.booleans()), max_size=3).map(tuple)


@pytest.mark.slow
@settings(max_examples=25)
@given(root=TREES, allows=st.booleans())
def test_a_tree_that_nothing_disturbs(root, allows):
    Tree(root, allows=allows).live()


@pytest.mark.slow
@settings(max_examples=25)
@given(root=TREES, kills=KILLS)
def test_a_tree_whose_drivers_die(root, kills):
    Tree(root, kills).live()


@settings(max_examples=25)
@given(root=TREES, at_s=st.sampled_from((0.0, 0.05, 0.5, 5.0, 30.0)))
def test_a_tree_that_is_cancelled(root, at_s):
    Tree(root, cancels_at_s=at_s).live()


@pytest.mark.slow
@pytest.mark.parametrize("gap_s", [0.0, 0.1, 1.0])
@pytest.mark.parametrize("kind", ["flow", "agent"])
def test_twenty_staggered_children_on_three_times_what_they_use(kind, gap_s):
    children = tuple(Node(delay_s=gap_s * number, wants=1000) for number in range(20))
    whole = Tree(Node(kind, (children,), wants=200))
    assert whole.live().status == "answered"
    used = sum(tokens for _, tokens, _ in whole.billed)
    assert whole.most_running > 1
    tight = Tree(Node(kind, (children,), tokens=3 * used, wants=200))
    assert tight.live().status == "answered"
    assert tight.store.limits == 0
    assert sum(tokens for _, tokens, _ in tight.billed) == used
    calls = [
        record.event
        for records in tight.store.ledger.logs.values()
        for record in records
        if isinstance(record.event, ModelCalled) and record.thread_id != "t"
    ]
    assert [each.max_output_tokens for each in calls] == [1000] * 20
