"""Trees that are paid from one account are killed at each of their appends, and driven by two at once."""

import asyncio
import contextlib
import itertools

import pytest

from accounts.ledger import Life
from accounts.trees import Node, Tree
from fakes import Died, JumpingLoop, run_in
from treadle import TreadleError

HELPERS = tuple(Node(delay_s=delay_s, wants=400) for delay_s in (0.5, 0.0, 1.0))
TEAM = Node("agent", (HELPERS, HELPERS[:1]), tokens=3000, wants=100)
ROOTS = {
    "team": TEAM,
    "flow": Node("flow", ((HELPERS[0], Node("agent", (HELPERS[:2],), tokens=2000)),), tokens=900),
    "graph": Node("graph", (HELPERS,), tokens=700),
}


@pytest.mark.slow
@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("name", ROOTS)
def test_one_that_is_killed_at_any_append_comes_to_its_end(name, after):
    """Tree.live checks each account at each append, and all logs and replays at the end."""
    whole = Tree(ROOTS[name])
    assert whole.live().status == "answered"
    for number in itertools.count():
        tree = Tree(ROOTS[name], ((number, after),))
        assert tree.live().status in ("answered", "limit")
        if not tree.died:
            break
    assert number > 20


@pytest.mark.parametrize("name", ROOTS)
@pytest.mark.parametrize("sleeps", range(0, 60, 12))
def test_two_drivers_of_one_tree_spend_no_more_than_one(name, sleeps):
    """The first is taken for dead and goes on as a zombie: its calls end, and some are told late."""
    tree = Tree(ROOTS[name])

    async def both() -> None:
        first, second = Life(tree.store), Life(tree.store)
        top = tree.make(first)["n"]
        told = () if tree.root.kind != "agent" else ("go",)
        zombie = asyncio.ensure_future(run_in("t", top, *told))
        for _ in range(sleeps):
            await asyncio.sleep(0)
        other = tree.make(second)["n"]
        results = [asyncio.ensure_future(other.resume("t", take=True)), zombie]
        for each in results:
            with contextlib.suppress(TreadleError, Died):
                await each
        result = await other.resume("t")
        while result.status == "waiting":
            await other.raise_limit("t", "ann", tokens=5000)
            result = await other.resume("t")
        assert result.status in ("answered", "limit")
        await tree._check_the_end()

    with asyncio.Runner(loop_factory=JumpingLoop) as runner:
        runner.run(both())
