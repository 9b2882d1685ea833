"""The fields of a graph's state, whatever a dataclass or a TypedDict may have besides."""

from dataclasses import InitVar, dataclass, field
from functools import partial
from typing import Annotated, ClassVar, NotRequired, TypedDict

from fakes import live
from treadle import MemoryStore
from treadle.graphs import END, START, Edge, Graph, Join, Node


def union(old, new, last=""):
    return {**(old or {}), **new, **({"last": last} if last else {})}


def one(x: int) -> dict[str, int]:
    return {"one": x}


def other(x: int) -> dict[str, int]:
    return {"other": x}


def ran(state, *works):
    edges = [Edge(START, work.__name__) for work in works]
    edges.append(Join([work.__name__ for work in works], END))
    nodes = [Node(work, "found") for work in works]
    return live(Graph(state, nodes, edges, store=MemoryStore()).run(x=1)).output


def test_what_a_dataclass_has_besides_is_no_field():
    @dataclass
    class Search:
        most: ClassVar[int] = 3
        x: int = 0
        seed: InitVar[int] = 0
        found: dict[str, int] = field(default_factory=dict)
        made: str = field(default="later", init=False)

    assert ran(Search, one) == Search(1, found={"one": 1})


def test_a_rule_may_stand_in_a_key_that_is_not_required():
    class Search(TypedDict):
        x: int
        found: NotRequired[Annotated[dict[str, int], union]]

    assert ran(Search, one, other) == {"x": 1, "found": {"one": 1, "other": 1}}


def test_a_rule_may_be_a_partial():
    @dataclass
    class Search:
        x: int = 0
        found: Annotated[dict[str, object] | None, partial(union, last="here")] = None

    assert ran(Search, one).found == {"one": 1}
    assert ran(Search, one, other).found == {"one": 1, "other": 1, "last": "here"}
