"""A graph's run gives its state."""

from dataclasses import dataclass

from treadle.graphs import END, START, Edge, Graph, Node


@dataclass
class Article:
    topic: str
    draft: str = ""


def write(topic: str) -> str:
    return f"About {topic}"


graph = Graph(
    Article,
    nodes=[Node(write, "draft")],
    edges=[Edge(START, "write"), Edge("write", END)],
)
draft: str = graph.run_sync(topic="lamps").output.draft
other: str = graph.options(thread="g").run_sync(topic="lamps").output.draft
