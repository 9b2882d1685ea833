"""Checks: functions of the user's that judge what is said, a call, a result or an answer.

1. A check takes what it judges and the Context. It returns None for "nothing against it", or one of
   the verdicts here. It may be async.
2. Nothing is run here: runtime/run_check.py asks the functions, and the log has what they said.
3. A check that fails, or gives what is no verdict, is no consent: a person is asked about a call,
   and all else is denied.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from .context import Arguments, Context
from .events import Attachment, UserSaid


@dataclass(frozen=True)
class Allow:
    """The call may run: no later rule is asked, nor the tool's `needs_approval`."""


@dataclass(frozen=True)
class Ask:
    """A person decides on the call. They are told the reason."""

    reason: str = ""


@dataclass(frozen=True)
class Deny:
    """It isn't let through. The reason is told to the model; of a message, to the person."""

    reason: str = ""


@dataclass(frozen=True)
class Change:
    """It is let through as this instead. The log keeps both."""

    to: Any
    """Of a message or a result: a text. Of a call: all its arguments, by name. Of an answer: a
    text, or a value of the agent's `output` type."""
    reason: str = ""


Verdict = Allow | Ask | Deny | Change


@dataclass(frozen=True)
class ToolCall:
    """A call that is about to run, as a before rule sees it."""

    tool: str
    arguments: Arguments
    """Checked, and as the rules before this one have changed them."""


@dataclass(frozen=True)
class ToolResult:
    """What a tool has given or raised, as an after rule sees it."""

    tool: str
    arguments: Arguments
    content: str
    """As the model would see it."""
    parts: tuple[Attachment, ...] = ()
    """Pictures, files and sounds."""
    failed: bool = False
    """`content` says why there is no result."""


Said = Verdict | None
BeforeRule = Callable[[ToolCall, Context], Said | Awaitable[Said]]
AfterRule = Callable[[ToolResult, Context], Said | Awaitable[Said]]
InputCheck = Callable[[UserSaid, Context], Said | Awaitable[Said]]
OutputCheck = Callable[[Any, Context], Said | Awaitable[Said]]
