"""Random graphs with joins, choices, fan-outs and failures come to an end, also after a crash."""

import asyncio
import operator
from collections import Counter
from dataclasses import dataclass, field
from typing import Annotated, Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from fakes import live, world
from graphs.test_net import edges_of_graphs, run_all_orders
from treadle import MemoryStore, Result, TurnFailed, UsageError, tool
from treadle.core import events as e
from treadle.graphs import END, START, Choice, Each, Edge, Graph, Join, Node
from treadle.graphs.nodes import sources, targets
from treadle.runtime.log import open_log


@dataclass
class Trail:
    ran: Annotated[list[str], operator.add] = field(default_factory=list)
    many: list[int] = field(default_factory=lambda: [1, 2, 3])


def make_node(name: str, seconds: int, is_broken: bool) -> Node:
    async def work(item: int = 0) -> list[str]:
        await asyncio.sleep(seconds)
        if is_broken:
            raise ValueError(f"no {name}")
        return [f"{name}{item or ''}"]

    return Node(tool(work, name=name, idempotent=True), "ran")


def by_runs(choice: Choice, seed: int) -> Choice:
    """The choice, made by how often its node has run: back at most twice."""

    def choose(ran: list[str]) -> str:
        runs = ran.count(choice.source)
        return "x" if runs > 2 or (runs + seed) % 2 else "y"

    return Choice(choice.source, choose, choice.to)


def make_graph(edges: list[Any], seconds: list[int], broken: str, seed: int, store: Any) -> Graph:
    made = [by_runs(edge, seed) if isinstance(edge, Choice) else edge for edge in edges]
    names = {name for edge in edges for name in (*sources(edge), *targets(edge))} - {START, END}
    nodes = [make_node(name, seconds[int(name[1])], name == broken) for name in sorted(names)]
    return Graph(Trail, nodes, made, store=store, world=world())


@st.composite
def graphs_with_copies(draw: Any) -> list[Any]:
    """As in test_net; some nodes before a join run for each item."""
    edges = draw(edges_of_graphs())
    for number, edge in enumerate(edges):
        after = [one for one in edges if edge != one and targets(edge)[0] in sources(one)]
        fits = isinstance(edge, Edge) and after and all(isinstance(one, Join) for one in after)
        into = [one for one in edges if targets(edge)[0] in targets(one)]
        if fits and len(into) == 1 and draw(st.booleans()):
            at_once = draw(st.integers(1, 3))
            edges[number] = Each(edge.source, edge.target, "many", "item", at_once)
    return edges


def finish(graph: Graph) -> Result:
    """The end of the run in its store, also of one that failed."""
    try:
        return live(graph.resume("t"))
    except TurnFailed:
        return live(graph.resume("t"))


def counted(result: Result) -> Counter[str]:
    assert result.status == "answered"
    return Counter(result.output.ran)


@pytest.mark.slow
@given(
    graphs_with_copies(),
    st.lists(st.integers(0, 3), min_size=6, max_size=6),
    st.sampled_from(["", "", "n1", "n2", "n3"]),
    st.integers(0, 1),
    st.integers(0, 2),
)
@settings(max_examples=30)
def test_what_is_taken_comes_to_an_end_and_to_the_same_one_after_a_crash(
    edges, seconds, broken, seed, first_cut
):
    store = MemoryStore()
    try:
        graph = make_graph(edges, seconds, broken, seed, store)
    except UsageError:
        assume(False)
    try:
        result = live(graph.options(thread="t").run())
    except TurnFailed:
        result = finish(graph)
    assert live(graph.replay("t")) is None
    stops = any(isinstance(edge, Join) and edge.need != "all" for edge in edges)
    fails = any(
        isinstance(record.event, e.ToolFailed) and record.event.kind != "cancelled"
        for record in result.records
    )
    assert result.status == ("failed" if fails and not stops else result.status)
    if not fails:
        ran = {name[:2] for name in counted(result)}
        plain = [Edge(x.source, x.target) if isinstance(x, Each) else x for x in edges]
        assert ran <= run_all_orders(plain)
        assert stops or max(counted(result).values()) <= 3
    rows = live(store.read("t"))
    for end in range(4 + first_cut, len(rows), 3):
        cut = MemoryStore()
        live(cut.append("t", rows[:end]))
        again = make_graph(edges, seconds, broken, seed, cut)
        after = finish(again)
        assert after.status in ("answered", "failed")
        if not stops and not fails:
            assert counted(after) == counted(result)
        if not stops:
            assert after.status == result.status
        asked = Counter(
            record.event.call.id
            for record in live(open_log("t", cut, world())).records
            if isinstance(record.event, e.StepAsked)
        )
        assert set(asked.values()) == {1}
