"""Every error that leaves Treadle, and who must act on it.

TreadleError
├── UsageError            the caller: a wrong setting, argument or moment (also a ValueError)
│   ├── UnknownThread       there is no such thread in this store
│   ├── FlowChanged         the flow's code asks for other steps than its log has
│   └── TurnOpen            the thread has an unfinished turn; resume or cancel it first
├── IllegalEvent          nobody: a fact that can't follow those before it; the log is left as it was
├── ModelError            nobody: the provider said no, and would say no again
│   ├── ModelDenied         401, 403: the key, or what it may do
│   ├── ModelRejected       400, 404, 422: the request, or the model's name
│   ├── ContextOverflow     the prompt is larger than the model's context
│   └── ModelUnavailable    the same request, later: 408, 409, 429, 5xx, dropped or cut streams
├── TurnFailed            the caller: the turn ended with no answer for a reason of its own
├── StepFailed            the flow's code: a step had no result, in these words
├── ToolError             the model: raised by a tool, told to the model in these words
│   └── ToolRetry           the same call, later: raised by a tool that had no effect yet
└── StoreError            the operator: the database
    ├── SeqTaken            another writer was first; fold again
    ├── Fenced              another process drives this thread now
    └── StoreDamaged        torn, foreign, or written by a newer Treadle; left untouched
"""

from typing import TYPE_CHECKING, ClassVar, Literal

if TYPE_CHECKING:
    from .events import Usage
    from .result import Result


class TreadleError(Exception):
    """The root of the tree above."""


class UsageError(TreadleError, ValueError):
    """A wrong setting, argument or moment; the message says what to do instead."""


class UnknownThread(UsageError):
    """There is no such thread in this store."""


class FlowChanged(UsageError):
    """The flow's code asks for other steps than its log has. Nothing was written: the old code can go on."""


class TurnOpen(UsageError):
    """The thread has an unfinished turn."""


class IllegalEvent(TreadleError):
    """A fact that can't follow those before it. Nothing was written."""


class ModelError(TreadleError):
    """The provider said no, and would say no again."""

    kind: ClassVar[Literal["unavailable", "overflow", "denied", "rejected"]] = "rejected"
    """As the log has it."""
    usage: "Usage | None" = None
    """What the call had cost before it broke off, where that is known."""
    result: "Result | None" = None
    """The turn that ended with it; None where the error is a single call's."""


class ModelDenied(ModelError):
    """The key is missing or wrong, or may not do this."""

    kind = "denied"


class ModelRejected(ModelError):
    """The request or the model's name is not acceptable."""


class ContextOverflow(ModelError):
    """The prompt is larger than the model's context."""

    kind = "overflow"


class ModelUnavailable(ModelError):
    """The same request may succeed later."""

    kind = "unavailable"

    def __init__(self, message: str, *, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s
        """What the provider asked for, in seconds; None where it asked for nothing."""


class TurnFailed(TreadleError):
    """The turn ended with no answer, for a reason that is no other error's."""

    result: "Result | None" = None
    """That turn: its records, and what it has used."""


class StepFailed(TreadleError):
    """A step of a flow has no result. The same when the code runs again: it is read from the log."""

    def __init__(self, message: str, *, step: str = "", kind: str = "raised") -> None:
        super().__init__(message)
        self.step = step
        """Its id."""
        self.kind = kind
        """As in ToolFailed; `unknown` where nobody knows if it had its effect."""


class ToolError(TreadleError):
    """Raise it in a tool to tell the model what is wrong and what to do instead."""


class ToolRetry(ToolError):
    """Raise it in a tool that had no effect yet and may succeed if called again."""

    def __init__(self, message: str, *, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s
        """Seconds to wait before the next try; None leaves it to the back-off."""


class StoreError(TreadleError):
    """The database can't be used as asked."""


class SeqTaken(StoreError):
    """Another writer appended this seq first."""


class Fenced(StoreError):
    """Another process drives this thread now; this one stops."""


class StoreDamaged(StoreError):
    """The file is torn, foreign, or of a newer Treadle. It was left as it is."""
