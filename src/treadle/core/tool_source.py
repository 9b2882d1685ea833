"""Tools that stand elsewhere, such as those of a server, and are found when an agent runs. Pure."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Protocol, runtime_checkable

from .function_tool import make_tool
from .tool import Tool


@runtime_checkable
class ToolSource(Protocol):
    """Gives the tools that there are by now. It stands in `Agent(tools=[...])` beside tools."""

    def find_tools(self) -> Sequence[Tool]:
        """The tools, in an order that doesn't change: the same object while they are the same.

        It may wait for a server the first time. Raises UsageError where that can't be reached.
        """
        ...


def list_tools(given: Iterable[Tool | Callable[..., Any] | ToolSource]) -> list[Tool]:
    """What an agent was given, as tools. Raises UsageError."""
    tools: list[Tool] = []
    for each in given:
        if isinstance(each, ToolSource):
            tools += each.find_tools()
        else:
            tools.append(each if isinstance(each, Tool) else make_tool(each))
    return tools
