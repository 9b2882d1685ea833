"""Graphs: nodes, edges, choices, fan-out and joins, drawn before they run. On top of flows."""
