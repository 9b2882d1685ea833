"""What a flow's code awaits that is no work: people, events, time. A flow that waits for people needs no process."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ..core import events as e
from ..core.errors import UsageError
from ..core.tool import Tool
from ..runtime.serialize import recorded
from ..runtime.step_ids import Branch
from .steps import ANY, Asking, answered, branch_of, course_of, value_of


@dataclass(frozen=True)
class Approval:
    """What a person said; true where it was yes."""

    allowed: bool
    by: str
    reason: str = ""

    def __bool__(self) -> bool:
        return self.allowed


def ask(question: str, *, id: str | None = None) -> Asking[str]:
    """What a person answers to this question, in their words. The flow waits, and needs no process for it."""
    branch = branch_of("ask")
    return answered(branch, branch.id_of("ask", id), "ask", recorded({"question": question}))


def wait_for(event: str, *, id: str | None = None) -> Asking[str]:
    """What is said of this event by whoever posts it: a person, another program. Its id is the event's name."""
    branch = branch_of("wait_for")
    return answered(branch, branch.id_of(event, id), "wait_for", recorded({"question": event}))


def approve(what: str, *, id: str | None = None, **details: Any) -> Asking[Approval]:
    """Whether a person allows it; they are shown what, and the details."""
    branch = branch_of("approve")
    call = e.Call(branch.id_of("approve", id), "approve", recorded({"what": what, **details}))
    return _approved(branch, call)


def sleep(seconds: float, *, id: str | None = None) -> Asking[None]:
    """So long from when it was first asked for. After a crash only what is left of it is waited for."""
    branch = branch_of("sleep")
    return _slept(
        branch, e.Call(branch.id_of("sleep", id), "sleep", recorded({"seconds": seconds})), seconds
    )


def until(when: datetime | float, *, id: str | None = None) -> Asking[None]:
    """Until that moment: seconds since the epoch, or a datetime with its time zone."""
    branch = branch_of("until")
    if isinstance(when, datetime):
        if when.tzinfo is None:
            raise UsageError(f"until({when}): in which time zone? Give the datetime one")
        when = when.timestamp()
    return _slept(
        branch, e.Call(branch.id_of("until", id), "until", recorded({"until": when})), None, when
    )


async def _approved(branch: Branch, call: e.Call) -> Approval:
    async def allowed() -> str:
        return "true"

    # The tool is "this", so that what a person is told reads well: "this needs approval".
    tool = Tool("this", "", ANY, allowed, lambda given: {}, idempotent=True, needs_approval=True)
    step = await course_of(branch).ask(call, tool)
    by, reason = (step.given.by, step.given.reason) if step.given else ("", "")
    if isinstance(step.came, e.ToolFailed) and step.came.kind == "denied":
        return Approval(False, by, reason)
    value_of(step, Any)
    return Approval(True, by, reason)


async def _slept(branch: Branch, call: e.Call, seconds: float | None, when: float = 0.0) -> None:
    course = course_of(branch)

    async def wait() -> str:
        due = when if seconds is None else (course.history.steps[call.id].at or 0.0) + seconds
        await course.log.world.sleep(max(0.0, due - course.log.world.now()))
        return "null"

    tool = Tool(call.name, "", ANY, wait, lambda given: {}, idempotent=True, timeout_s=None)
    value_of(await course.ask(call, tool), Any)
