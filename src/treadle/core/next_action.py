"""What `decide` may say is to be done next."""

from typing import Literal

import msgspec

from . import events as e
from .call import CallState


class CallModel(msgspec.Struct, frozen=True):
    """Call the model, `delay_s` seconds from now."""

    purpose: e.Purpose = "step"
    attempt: int = 1
    delay_s: float = 0.0
    model: str = ""
    """The name of the model that goes on instead of the last one; "" if that is asked again."""


class RunTools(msgspec.Struct, frozen=True):
    """Run these calls at the same time."""

    calls: tuple[CallState, ...]
    checks: tuple[CallState, ...] = ()
    """Calls of unknown outcome, whose tools' `verify` is asked meanwhile what became of them."""


class PollCalls(msgspec.Struct, frozen=True):
    """Ask the tools of these calls what became of their work elsewhere. It may still go on."""

    calls: tuple[CallState, ...]


class RunCheck(msgspec.Struct, frozen=True):
    """Ask the agent's checks about the message with this seq, about this call, or the answer."""

    what: Literal["message", "call", "answer"]
    seq: int = 0
    call: CallState | None = None


class Append(msgspec.Struct, frozen=True):
    """Append these events, which follow from the state: refusals, questions, limits, the end."""

    events: tuple[e.Event, ...]


class Wait(msgspec.Struct, frozen=True):
    """Do nothing before somebody else writes to this log."""


Next = CallModel | RunTools | PollCalls | RunCheck | Append | Wait
