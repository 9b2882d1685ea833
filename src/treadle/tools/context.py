"""What a call brings to its tool: checked arguments, and what the tool may know of its surroundings."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

Arguments = Mapping[str, Any]
Check = Callable[[str], Arguments]
"""JSON text to arguments. Raises ToolError in words for the model."""


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
