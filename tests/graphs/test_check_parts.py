from typing import Any, TypedDict

import pytest

from treadle import UsageError
from treadle.graphs.graph import Graph
from treadle.graphs.nodes import END, START, Choice, Edge, Join, Node


class Counted(TypedDict):
    count: int


def one(count: int) -> int:
    return count + 1


NODE = Node(one, "count")
EDGES = [Edge(START, "one"), Edge("one", END)]


@pytest.mark.parametrize(
    ("nodes", "edges", "words"),
    [
        ([one], EDGES, "the function one is no node; give Node(...)"),
        (NODE, EDGES, "Graph(nodes=) is the Node 'one'; give a list, such as"),
        ([NODE], EDGES[0], "Graph(edges=) is an Edge; give a list"),
        ([NODE], [("start", "one")], "a tuple is no edge; give one of: Edge, Choice, Each, Join"),
        ([NODE], [Edge(START, NODE)], "the Node 'one' is an end of the Edge; give the name of a"),
        ([NODE], [Join([one], END)], "the function one is an end of the Join; give the name"),
        ([NODE], [Choice(START, one, "one")], "the ways of a Choice are the text 'one'; give a"),
    ],
)
def test_what_is_no_part_of_a_graph_is_refused_in_words(nodes: Any, edges: Any, words: str):
    with pytest.raises(UsageError) as refused:
        Graph(Counted, nodes, edges)
    assert words in str(refused.value)
    assert len(str(refused.value)) < 250, "no wall of repr"
