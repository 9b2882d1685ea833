"""Tools that a client brings with its request: the client runs them, and the turn waits meanwhile.

Such a call is pending: its handle names it, the client is told of it, and the result that the next
request brings settles it. A process that dies loses nothing by that.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from ..core import events as e
from ..core.context import Context
from ..core.pending import Pending, read_handle
from ..core.tool import Tool
from .routes import BadRequest

_FIELD = "client_call"


def make_client_tools(given: Sequence[Any], known: Iterable[str]) -> list[Tool]:
    """The tools of a request, as chat completions or Responses write them.

    Raises BadRequest for what is no function with a schema, and for a name that the agent has.
    """
    taken = set(known)
    tools: list[Tool] = []
    for number, raw in enumerate(given, 1):
        function = raw
        if isinstance(raw, Mapping) and isinstance(raw.get("function"), Mapping):
            function = raw["function"]
        is_function = isinstance(raw, Mapping) and raw.get("type") == "function"
        name = function.get("name") if isinstance(function, Mapping) else None
        if not is_function or not isinstance(name, str) or not name:
            raise BadRequest(f"tool {number} is no function with a name; only those are called")
        if name in taken:
            raise BadRequest(f"the agent has a tool {name!r} of its own; give yours another name")
        if not isinstance(function.get("parameters") or {}, Mapping):
            raise BadRequest(f"tool {number}: its `parameters` must be a JSON Schema, an object")
        taken.add(name)
        tools.append(_make_tool(name, function))
    return tools


def _make_tool(name: str, function: Mapping[str, Any]) -> Tool:
    async def wait_for_client(context: Context, **arguments: Any) -> None:
        raise Pending({_FIELD: client_id(context.thread_id, context.call_id)})

    return Tool(
        name=name,
        description=str(function.get("description") or ""),
        parameters=function.get("parameters") or {"type": "object", "properties": {}},
        function=wait_for_client,
        context="context",
        parallel=True,  # the client decides in which order it runs them
        labels=("untrusted", "private"),  # as results in a history that it sends
    )


def client_id(thread_id: str, call_id: str) -> str:
    """The id by which the client knows a call: it is of one thread alone."""
    return f"{call_id}.{thread_id}"


def make_handle(client_call: str) -> dict[str, str]:
    """The handle of a call that the client knows by this id."""
    return {_FIELD: client_call}


def thread_of_client_id(client_call: str) -> str:
    """The thread of the call, as its id says it; "" for an id that is none of ours."""
    return client_call.partition(".")[2]


def find_client_calls(
    waiting: Iterable[e.PendingDecision],
) -> tuple[list[tuple[str, e.PendingDecision]], list[e.PendingDecision]]:
    """The calls that the client is to run, each with the id that it knows it by; and the rest."""
    calls: list[tuple[str, e.PendingDecision]] = []
    rest: list[e.PendingDecision] = []
    for each in waiting:
        id = _read_client_id(each)
        if id:
            calls.append((id, each))
        else:
            rest.append(each)
    return calls, rest


def _read_client_id(waiting: e.PendingDecision) -> str:
    if waiting.status != "pending" or not waiting.handle:
        return ""
    try:
        handle = read_handle(waiting.handle)
    except msgspec.DecodeError:
        return ""
    if isinstance(handle, dict) and isinstance(handle.get(_FIELD), str):
        id: str = handle[_FIELD]
        return id
    return ""
