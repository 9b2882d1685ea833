"""`on_demand()`: tools that the model searches for, instead of being told of all of them.

1. The system prompt has an index: their names in groups, cut where they are too many. A search
   gives the definitions of a few as its result, so they stand at the prompt's end. All that came
   before keeps its bytes, and the provider's cache holds.
2. The model calls what it found by `call_tool`. In the log that is a call of the tool itself
   (core/tools_on_demand.py): the same rules, approvals and checks apply as to any tool.
3. What was found is in the results of the log, and nowhere else: a resume, a fork and a replay have
   the same. A tool may be called that no search has found; its arguments are checked all the same.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

from ..core.errors import ToolError
from ..core.function_tool import make_tool
from ..core.tool import Tool
from ..core.tool_source import ToolSource, list_tools
from ..core.tools_on_demand import CALL_TOOL

MAX_FOUND = 5
"""How many tools one search finds."""
MAX_DEFINITIONS_CHARS = 16_000
"""Of one search. A definition that doesn't fit beside better ones is left out."""
MAX_INDEX_CHARS = 5_500
"""About 1,600 tokens by our own estimate, and 1,200 by OpenAI's count."""

_HEAD = (
    "There are {count} more tools than those that you are shown. When one of them may help, find it"
    " with search_tools, and call it with call_tool. Their names:"
)
_NOTHING = "No tool has these words. Try others: what it does, and on what."
_FOUND = "Call these with call_tool:"


def on_demand(tools: Sequence[Tool[..., Any, Any] | Callable[..., Any] | ToolSource]) -> ToolSource:
    """Hundreds of tools for one agent: the model sees their names, searches, and is told of a few.

        Agent(tools=[calculator, on_demand([mcp("mcp.json"), *many])])

    An agent takes one of these; it may hold as many tools, functions and servers as you like.
    """
    return OnDemand(tools)


class OnDemand:
    """Gives an agent tools on demand, and the tool that searches them: see `on_demand`."""

    def __init__(self, given: Sequence[Any]) -> None:
        self._given = tuple(given)
        self._plain = list_tools(each for each in given if not isinstance(each, ToolSource))
        self._found: list[Sequence[Tool]] = []
        self._tools: tuple[Tool, ...] = ()

    def find_tools(self) -> Sequence[Tool]:
        """The tool that searches, and the tools that it finds. Raises UsageError."""
        found = [each.find_tools() for each in self._given if isinstance(each, ToolSource)]
        if not self._tools or any(
            new is not old for new, old in zip(found, self._found, strict=True)
        ):
            self._found = found
            self._tools = _make_tools([*self._plain, *(tool for tools in found for tool in tools)])
        return self._tools


def make_index(names: Sequence[str], max_chars: int = MAX_INDEX_CHARS) -> str:
    """The names in groups, one a line: `github__: create_issue, list_issues`.

    Groups share the room; each says how many names it leaves out.
    """
    groups: dict[str, list[str]] = {}
    for name in names:
        group, _, own = name.partition("__")
        groups.setdefault(group if own else "", []).append(own or name)
    room = max_chars // max(1, len(groups))
    return "\n".join(_make_line(group, own, room) for group, own in sorted(groups.items()))


def _make_line(group: str, names: Sequence[str], room: int) -> str:
    line = f"{group}__: " if group else ""
    shown = 0
    for name in names:
        if len(line) + len(name) > room - len(", and 1000 more"):
            break
        line += f", {name}" if shown else name
        shown += 1
    if shown < len(names):
        line += f"{', and ' if shown else ''}{len(names) - shown} more"
    return line


def _make_tools(inner: Sequence[Tool]) -> tuple[Tool, ...]:
    if not inner:
        return ()
    tools = tuple(replace(tool, on_demand=True) for tool in inner)

    def search_tools(query: str) -> str:
        """Find tools by words, with what each takes.

        Args:
            query: What the tool does and on what, in a few words, such as "create github issue".
        """
        from .tool_search import find_tools

        found = find_tools(tools, query, MAX_FOUND)
        return "\n".join([_FOUND, *_define(found)]) if found else _NOTHING

    names = [tool.name for tool in tools]
    prompt = f"{_HEAD.format(count=len(tools))}\n{make_index(names)}"
    search = make_tool(search_tools, read_only=True, prompt=prompt)
    return (search, make_tool(_refuse, name=CALL_TOOL, read_only=True), *tools)


def _define(found: Sequence[Tool]) -> Iterator[str]:
    """The definitions as JSON, one a line, as far as they fit. The first always does."""
    room = MAX_DEFINITIONS_CHARS
    for number, tool in enumerate(found):
        definition = tool.schema.said.decode()
        room -= len(definition)
        if room >= 0 or number == 0:
            yield definition


def _refuse(name: str, arguments: dict[str, Any]) -> str:
    """Call a tool that search_tools has found.

    Args:
        name: The tool's name.
        arguments: What it takes, as an object.
    """
    # A call that can be read never comes here: it is one of the tool that it names.
    raise ToolError(f"{name!r} can't be called so; give the name and arguments of another tool")
