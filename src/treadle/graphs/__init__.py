"""Graphs: nodes, edges, choices, fan-out and joins, drawn before they run. On top of flows."""

from .graph import Graph
from .nodes import END, START, Choice, Each, Edge, Join, Node, append

__all__ = ["END", "START", "Choice", "Each", "Edge", "Graph", "Join", "Node", "append"]
