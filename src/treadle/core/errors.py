"""Every error that leaves Treadle, and who must act on it.

TreadleError
├── UsageError            the caller: a wrong setting, argument or moment (a ValueError too)
│   ├── UnknownThread       there is no such thread in this store
│   ├── NeedsDeps           a tool or a rule needs deps, and there are none; the turn stays open
│   ├── FlowChanged         the flow's code asks for other steps than its log has
│   │   └── FlowStuck           it awaits what is no step, such as asyncio.sleep
│   └── TurnOpen            the thread has an unfinished turn; resume or cancel it first
├── IllegalEvent          the caller: an event that can't follow those before it; nothing is written
├── ModelError            nobody: the provider said no, and would say no again
│   ├── ModelDenied         the caller: 401, 403: the key, or what it may do
│   ├── ModelRejected       400, 404, 422: the request, or the model's name
│   ├── ContextOverflow     the prompt is larger than the model's context
│   └── ModelUnavailable    the same request, later: 408, 409, 429, 5xx, dropped or cut streams
├── TurnFailed            the caller: the turn ended with no answer for a reason of its own
├── StepFailed            the flow's code: a step has no result
│   ├── NotAnswered         an agent's or a flow's run ended without an answer, as at a limit
│   └── StepTimedOut        its time was up (a TimeoutError too)
├── ToolError             the model: raised by a tool, told to the model in these words
│   └── ToolRetry           the same call, later: raised by a tool that had no effect yet
├── EngineError           the operator: the engine that brings threads to workers
└── StoreError            the operator: the database
    ├── SeqTaken            another writer was first; fold again
    ├── AccountFull         the same call, later: what is paid together has no room for it now
    ├── Fenced              another process drives this thread now
    │   ├── ThreadDeleted       it was deleted; whatever worked on it stops
    │   └── ReplayEnds          nobody: a replay stops here, as a driver would
    ├── Stopped             the same call, in another process: this one has been told to stop
    └── StoreDamaged        torn, foreign, or written by a newer Treadle; left untouched
"""

from typing import TYPE_CHECKING, ClassVar, Literal

if TYPE_CHECKING:
    from .account import Balance, Holder
    from .events import Usage
    from .result import Result


class TreadleError(Exception):
    """The root of the tree above."""


class UsageError(TreadleError, ValueError):
    """A wrong setting, argument or moment; the message says what to do instead."""


class NeedsDeps(UsageError):
    """Code of a tool or a rule needs deps, and the run was given none. Its turn stays open."""


class UnknownThread(UsageError):
    """There is no such thread in this store."""


class FlowChanged(UsageError):
    """The flow's code asks for other steps than its log has.

    Nothing was written, so the old code can go on.
    """


class FlowStuck(FlowChanged):
    """The flow's code awaits what is no step, such as asyncio.sleep, and so can't go on.

    The turn stays open, so mended code can go on.
    """


class TurnOpen(UsageError):
    """The thread has an unfinished turn."""

    def __init__(self, message: str, *, standing: str = "") -> None:
        super().__init__(message)
        self.standing = standing
        """Since when it is open, and who drives it or that it waits."""


class IllegalEvent(TreadleError):
    """An event that can't follow those before it. Nothing was written."""


class ModelError(TreadleError):
    """The provider said no, and would say no again."""

    kind: ClassVar[Literal["unavailable", "overflow", "denied", "rejected"]] = "rejected"
    """The kind in the log's ModelFailed."""
    usage: "Usage | None" = None
    """What the call had used before it broke off, if known."""
    result: "Result | None" = None
    """The turn that ended with this error; None for the error of a single call."""
    step: str = ""
    """In a flow's code, the id of the step whose turn it was."""
    status: int | None = None
    """Of the HTTP response; None where there was none."""
    body: str = ""
    """What the provider said in full, without secrets."""
    request_id: str = ""
    """The provider's own name of the request, for its support; "" if it gave none."""


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
        _check_wait("ModelUnavailable", retry_after_s)
        self.retry_after_s = retry_after_s
        """The wait that the provider asked for, in seconds; None if it asked for none."""


class TurnFailed(TreadleError):
    """The turn ended without an answer, for a reason that has no error class of its own."""

    result: "Result | None" = None
    """That turn's records and totals."""
    step: str = ""
    """In a flow's code, the id of the step whose turn it was."""


class StepFailed(TreadleError):
    """A step of a flow has no result; the same error comes each time the code runs again."""

    def __init__(self, message: str, *, step: str = "", kind: str = "raised") -> None:
        super().__init__(message)
        self.step = step
        """The step's id."""
        self.kind = kind
        """As in ToolFailed; `unknown` if nobody knows whether it had its effect; the status of a
        run that isn't answered."""


class NotAnswered(StepFailed):
    """A run has no answer: a flow's code has run it as a step, or `Result.output` was asked for.

    `result` has its status, the reason, and the best partial answer.
    """

    def __init__(self, name: str, result: "Result", *, step: str = "") -> None:
        reason = ", ".join(filter(None, (result.status, result.reason)))
        if result.status == "answered":
            reason = "it was asked for one of another type than the agent's output"
        super().__init__(f"{name} gave no answer: {reason}", step=step, kind=result.status)
        self.result = result


class StepTimedOut(StepFailed, TimeoutError):
    """A step wasn't done, or a person didn't answer, in the time that it was given."""


class ToolError(TreadleError):
    """Raise it in a tool to tell the model what is wrong and what to do instead."""


class ToolRetry(ToolError):
    """Raise it in a tool that had no effect yet and may succeed if called again."""

    def __init__(self, message: str, *, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        _check_wait("ToolRetry", retry_after_s)
        self.retry_after_s = retry_after_s
        """Seconds to wait before the next try; None leaves it to the back-off."""


class StoreError(TreadleError):
    """The database can't be used as asked."""


class SeqTaken(StoreError):
    """Another writer appended this seq first."""


class AccountFull(StoreError):
    """An account has no room now for a model call, or others wait for it in front."""

    def __init__(
        self,
        account: str,
        balance: "Balance",
        ahead: "tuple[Holder, ...]" = (),
        again_s: float | None = None,
        *,
        is_queued: bool = False,
    ) -> None:
        super().__init__(
            f"the account {account} has no room for this model call: {balance.tokens} tokens and"
            f" {balance.usd:.6g} US dollars are used or reserved; nothing was written"
        )
        self.account = account
        self.balance = balance
        self.ahead = ahead
        """The threads that wait in front."""
        self.again_s = again_s
        """Seconds until some of a minute's account is free; None: that isn't a matter of time."""
        self.is_queued = is_queued
        """Whether this driver waits in line already."""


class Fenced(StoreError):
    """Another process drives this thread now; this one stops."""


class ThreadDeleted(Fenced):
    """The thread was deleted while this log of it was open. Nothing more is written to it."""


class ReplayEnds(Fenced):
    """A replay stops here, as a driver does that has lost its thread. Users never see it."""


class Stopped(StoreError):
    """This process has been told to stop: nothing new begins here. Another one may do it."""


class EngineError(TreadleError):
    """What brings threads to workers can't be reached. What was said is in the log all the same."""


class StoreDamaged(StoreError):
    """The file is torn, foreign, or written by a newer Treadle. It was left untouched."""


def _check_wait(name: str, retry_after_s: float | None) -> None:
    """Refuse what is no number. A number that makes no sense is left to the usual back-off."""
    is_number = isinstance(retry_after_s, int | float) and not isinstance(retry_after_s, bool)
    if retry_after_s is not None and not is_number:
        raise UsageError(f"{name}(retry_after_s={retry_after_s!r}): it must be a number of seconds")
