"""What a call brings to its tool: checked arguments, and what the tool may know of its surroundings."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from .events import ChildStarted, PendingDecision, Usage

Arguments = Mapping[str, Any]
Check = Callable[[dict[str, Any]], Arguments]
"""The JSON object that the model sent to the arguments that the function gets. Raises ToolError in words for it."""


@dataclass(frozen=True)
class ParentContext:
    """What a thread shares with one that works for it, and what it lends."""

    child: ChildStarted
    """The thread that works for it, with the tokens and the money that it may use."""
    store: Any
    world: Any
    tell: Callable[[Any], None]
    """Its listeners."""
    depth: int
    seconds: float | None
    """What its turn has left; None for no limit."""


@dataclass(frozen=True)
class ChildResult:
    """What came of a thread that worked for another."""

    answer: str
    usage: Usage
    cost_usd: float | None
    waiting: tuple[PendingDecision, ...] = ()
    """What people must decide before it can go on; then there is no answer yet."""
    failed: bool = False
    """The answer says why there is none."""


@dataclass(frozen=True)
class Context:
    """What a tool may know of its call. A parameter annotated `Context` gets it; the model never sees that one."""

    deps: Any
    """What the caller gave `run(deps=...)`: clients, settings, the user's id."""
    thread_id: str
    call_id: str
    idempotency_key: str
    """The same across retries, time-outs and crashes of this call: hand it to services that honour one."""
    attempt: int
    parent: ParentContext | None = None
    """For a tool that drives a thread of its own."""
