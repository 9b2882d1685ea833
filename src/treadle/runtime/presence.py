"""Shows others that an attempt may still be under way: for tools whose `verify` says what it did.

1. An attempt is attended, as a claim is, until its function has come to its own end. Where that was
   cancelled it stays so for as long as the process lives: a thread or a task that it had begun may
   go on.
2. So an attempt is over once neither its claim nor itself is attended. Only a store that is Certain
   knows that.
"""

import asyncio
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from typing import Any

from ..core.call import CallState
from ..core.events import ToolFailed
from ..core.tool import Tool
from ..stores.store import Attended, Certain
from .call_function import wrap
from .log import Log
from .run_tool import ToolOutcome

_attended: set[ExitStack] = set()
"""Of attempts that may be under way. If nobody held them, they would end."""


def while_it_runs(
    tool: Tool, log: Log, call: CallState
) -> tuple[Tool, Callable[[ToolOutcome], None]]:
    """The tool, whose call is attended as this attempt of this log's driver; and what is to be told
    the outcome of the attempt, if it has one."""
    if tool.verify is None or tool.function is None or not isinstance(log.store, Attended):
        return tool, lambda _: None
    stack = ExitStack()
    stack.enter_context(log.store.attend(_attempt_name(log.own_claim, call.id)))
    _attended.add(stack)

    def end() -> None:
        _attended.discard(stack)
        stack.close()

    def returned(result: Any) -> Any:
        end()
        return result

    def raised(error: BaseException) -> None:
        if not isinstance(error, asyncio.CancelledError):
            end()

    def came(outcome: ToolOutcome) -> None:
        if not (isinstance(outcome, ToolFailed) and outcome.kind == "timeout"):
            end()  # it has come to its own end, or it never began

    return replace(tool, function=wrap(tool.function, returned, raised)), came


def is_over(log: Log, call: CallState) -> bool:
    """Whether it is known that nothing of the call's last attempt can be under way any more."""
    store = log.store
    if not call.claim or not isinstance(store, Certain):
        return False
    is_own = call.claim == log.own_claim  # its time was up, and the process lives
    return (is_own or store.is_gone(call.claim)) and store.is_gone(
        _attempt_name(call.claim, call.id)
    )


def _attempt_name(claim: str, call_id: str) -> str:
    """A claim leaves at most one attempt of a call without an outcome."""
    return f"{claim} {call_id}"
