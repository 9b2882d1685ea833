"""Wrong settings of @tool, and calls of its function."""

from treadle import tool


@tool(idempotant=True)  # error
def first(a: int) -> int:
    """First."""
    return a


@tool(timeout_s="5")  # error
def second(a: int) -> int:
    """Second."""
    return a


@tool
def third(a: int, *, b: str = "") -> int:
    """Third."""
    return a


third.function("1")  # error
third.function(1, c="2")  # error
text: str = third.function(1, b="2")  # error
third(1)  # error
