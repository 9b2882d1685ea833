"""A graph that can't be right is refused when it is made, with the name of the place."""

from dataclasses import dataclass, field
from typing import Annotated, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fakes import found, live, world
from treadle import Agent, MemoryStore, UsageError
from treadle.core import events as e
from treadle.graphs import END, START, Choice, Each, Edge, Graph, Join, Node, append


@dataclass
class State:
    topic: str = ""
    many: list[str] = field(default_factory=list)
    notes: Annotated[list[str], append] = field(default_factory=list)
    draft: str = ""


def work(name: str, writes: Any = (), **reads: Any) -> Node:
    return Node(lambda topic: topic, writes, name=name)


A, B, C, D = (work(name) for name in "abcd")


def choose() -> str:
    return "x"


def loop(source: str, back: str, out: str = END) -> Choice:
    return Choice(source, choose, {"back": back, "out": out})


def refused(nodes, edges) -> str:
    with pytest.raises(UsageError) as error:
        Graph(State, nodes, edges)
    return str(error.value)


@pytest.mark.parametrize(
    ("nodes", "edges", "said"),
    [
        (
            [A],
            [Edge(START, "a"), Edge("a", "z")],
            "the edge a → z: there is no node 'z'; there are: a, end",
        ),
        ([A], [Edge(START, "a"), Edge("z", "a")], "the edge z → a: there is no node 'z'"),
        (
            [A],
            [Edge(START, "a"), loop("a", "z")],
            "the choice choose after a: there is no node 'z'",
        ),
        ([A, A], [Edge(START, "a"), Edge("a", END)], "two nodes have the name a"),
        ([A], [Edge("a", END)], "nothing begins"),
        ([A, B], [Edge(START, "a"), Edge("a", END), Edge("b", END)], "node b is unreachable"),
        ([A, B], [Edge(START, "a"), Edge("a", "b")], "node b leads nowhere"),
        (
            [A, B],
            [Edge(START, "a"), Edge("a", "b"), Edge("b", "a")],
            "the cycle a → b → a is endless",
        ),
        (
            [A, B],
            [Edge(START, "a"), Edge("a", "b"), Choice("b", choose, {"x": "a", "y": "b"})],
            "the choice choose after b: none of its ways ever comes to end",
        ),
        ([A], [Edge(START, "a"), loop("a", "a"), loop("a", "a")], "node a has 2 choices"),
        (
            [A, B, C],
            [Edge(START, "a"), Edge(START, "b"), Edge("a", "c"), Edge("b", "c"), Edge("c", END)],
            "a join is missing before node c: branches of start meet there",
        ),
        (
            [A, B, C, D],
            [
                *(
                    Edge(START, "a"),
                    Edge("a", "b"),
                    Edge("a", "c"),
                    Join(["b"], "d"),
                    Edge("c", "d"),
                ),
                Edge("d", END),
            ],
            "a join is missing before node d: branches of a meet there",
        ),
        (
            [A, B],
            [Edge(START, "a"), Each("a", "b", "many", "topic"), Edge("b", "a")],
            "a join is missing after node b, which runs side by side for each item",
        ),
        (
            [A, work("b", "draft"), work("c", "draft"), D],
            [
                Edge(START, "a"),
                Edge("a", "b"),
                Edge("a", "c"),
                Join(["b", "c"], "d"),
                Edge("d", END),
            ],
            "b and c may write 'draft' at the same moment, and it has no merge rule",
        ),
        (
            [A, work("b", "draft"), D],
            [Edge(START, "a"), Each("a", "b", "many", "topic"), Join("b", "d"), Edge("d", END)],
            "b (side by side) may write 'draft' at the same moment",
        ),
        (
            [A, B, C],
            [Edge(START, "a"), Edge(START, "b"), Join(["a", "b"], "c", 3), Edge("c", END)],
            "the join of a, b → c: it waits for 3 of 2",
        ),
        (
            [A, B, C, D],
            [
                *(Edge(START, "a"), Edge(START, "b"), Edge("a", "c"), Join(["c", "b"], "d", "any")),
                *(Edge("d", END), Edge("a", END)),
            ],
            "the join of c, b → d may stop node a, which leads elsewhere too",
        ),
        (
            [work("a", "nope")],
            [Edge(START, "a"), Edge("a", END)],
            "node a writes 'nope', which is no field",
        ),
        (
            [Node(lambda topik: 1, name="a")],
            [Edge(START, "a"), Edge("a", END)],
            "node a reads 'topik', which is no field of the state; there are: topic, many, notes,"
            " draft",
        ),
        (
            [A],
            [Edge(START, "a"), Choice("a", lambda x: "y", {"y": END})],
            "the choice <lambda> after a: it reads 'x', which is no field",
        ),
        (
            [A, B, C],
            [Edge(START, "a"), Each("a", "b", "nope", "topic"), Join("b", "c"), Edge("c", END)],
            "the fan-out a → b over nope: 'nope' is no field",
        ),
        (
            [A, B, C],
            [Edge(START, "a"), Each("a", "b", "many", "item"), Join("b", "c"), Edge("c", END)],
            "node b has no parameter 'item'",
        ),
        (
            [Node(Agent(name="a"), "draft")],
            [Edge(START, "a"), Edge("a", END)],
            "node a: what is said to the agent?",
        ),
    ],
)
def test_a_graph_that_cannot_run_is_refused_with_the_place(nodes, edges, said):
    assert said in refused(nodes, edges)


@pytest.mark.parametrize("name", ["end", "start", "a-b", "", "a b"])
def test_a_node_s_name_is_a_word(name):
    with pytest.raises(UsageError, match="a node's name"):
        Node(lambda: 1, name=name)


def test_a_state_has_fields():
    with pytest.raises(UsageError, match="has no fields"):
        Graph(int, [A], [])


@pytest.mark.parametrize(
    "edges",
    [
        [Edge(START, "a"), loop("a", "a", "b"), Edge("b", "c"), Edge("c", "d"), Edge("d", END)],
        [Edge(START, "a"), Edge("a", "b"), Edge("a", "c"), Join(["b", "c"], "d"), loop("d", "a")],
        [
            Edge(START, "a"),
            Choice("a", choose, {"x": "b", "y": "c"}),
            Edge("b", "d"),
            Edge("c", "d"),
            Edge("d", END),
        ],
        [
            Edge(START, "a"),
            Each("a", "b", "many", "topic"),
            Join("b", "c", "any"),
            Edge("c", "d"),
            loop("d", "a"),
        ],
        [
            Edge(START, "a"),
            Edge(START, "b"),
            Join("a", "c"),
            Join("b", "d"),
            Edge("c", END),
            Edge("d", END),
        ],
    ],
)
def test_loops_choices_and_joins_that_can_run_are_taken(edges):
    Graph(State, [A, B, C, D], edges)


@st.composite
def drawings(draw):
    """Edges and joins among five nodes, each from earlier ones."""
    edges: list[Any] = [Edge(START, "n0")]
    for number in range(1, 5):
        before = draw(st.lists(st.sampled_from(range(number)), min_size=1, max_size=3, unique=True))
        names = [f"n{each}" for each in before]
        join = draw(st.booleans())
        need = draw(st.sampled_from(["all", "all", "any", 2]))
        edges += (
            [Join(names, f"n{number}", min(need, len(names)) if need == 2 else need)]
            if join
            else [Edge(name, f"n{number}") for name in names]
        )
    left = {
        name
        for edge in edges
        for name in (edge.sources if isinstance(edge, Join) else (edge.source,))
    }
    return edges + [Edge(f"n{number}", END) for number in range(5) if f"n{number}" not in left]


@pytest.mark.slow
@given(drawings())
@settings(max_examples=150)
def test_in_a_graph_without_choices_that_is_taken_every_node_runs_once_or_is_stopped(edges):
    nodes = [Node(lambda: None, name=f"n{number}") for number in range(5)]
    try:
        graph = Graph(State, nodes, edges, store=MemoryStore(), world=world())
    except UsageError:
        return
    result = live(graph.run())
    assert result.status == "answered"
    ran = sorted(event.call.id for event in found(result, e.StepAsked))
    names = [node.name for node in nodes]
    assert (
        ran == names
        if all(getattr(edge, "need", "all") == "all" for edge in edges)
        else {*ran} <= {*names}
    )
    assert len(ran) == len({*ran})
