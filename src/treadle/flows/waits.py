"""What a flow's code awaits that is no work: people, events, time. A flow that waits for people needs no process."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ..core import events as e
from ..core.errors import UsageError
from ..core.tool import Tool
from ..runtime.serialize import to_json
from ..runtime.step_ids import StepScope
from .steps import ANY_OBJECT, StepCoroutine, ask_person, flow_run_of, require_scope, step_value


@dataclass(frozen=True)
class Approval:
    """What a person said; true where it was yes."""

    allowed: bool
    by: str
    reason: str = ""

    def __bool__(self) -> bool:
        return self.allowed


def ask(question: str, *, id: str | None = None) -> StepCoroutine[str]:
    """What a person answers to this question, in their words. The flow waits, and needs no process for it."""
    branch = require_scope("ask")
    return ask_person(branch, branch.step_id("ask", id), "ask", to_json({"question": question}))


def wait_for(event: str, *, id: str | None = None) -> StepCoroutine[str]:
    """What is said of this event by whoever posts it: a person, another program. Its id is the event's name."""
    branch = require_scope("wait_for")
    return ask_person(branch, branch.step_id(event, id), "wait_for", to_json({"question": event}))


def approve(what: str, *, id: str | None = None, **details: Any) -> StepCoroutine[Approval]:
    """Whether a person allows it; they are shown what, and the details."""
    branch = require_scope("approve")
    call = e.Call(branch.step_id("approve", id), "approve", to_json({"what": what, **details}))
    return _approved(branch, call)


def sleep(seconds: float, *, id: str | None = None) -> StepCoroutine[None]:
    """So long from when it was first asked for. After a crash only what is left of it is waited for."""
    branch = require_scope("sleep")
    return _slept(
        branch, e.Call(branch.step_id("sleep", id), "sleep", to_json({"seconds": seconds})), seconds
    )


def until(when: datetime | float, *, id: str | None = None) -> StepCoroutine[None]:
    """Until that moment: seconds since the epoch, or a datetime with its time zone."""
    branch = require_scope("until")
    if isinstance(when, datetime):
        if when.tzinfo is None:
            raise UsageError(f"until({when}): in which time zone? Give the datetime one")
        when = when.timestamp()
    return _slept(
        branch, e.Call(branch.step_id("until", id), "until", to_json({"until": when})), None, when
    )


async def _approved(branch: StepScope, call: e.Call) -> Approval:
    async def allowed() -> str:
        return "true"

    # The tool is "this", so that what a person is told reads well: "this needs approval".
    tool = Tool(
        "this", "", ANY_OBJECT, allowed, lambda given: {}, idempotent=True, needs_approval=True
    )
    step = await flow_run_of(branch).ask(call, tool)
    by, reason = (step.given.by, step.given.reason) if step.given else ("", "")
    if isinstance(step.came, e.ToolFailed) and step.came.kind == "denied":
        return Approval(False, by, reason)
    step_value(step, Any)
    return Approval(True, by, reason)


async def _slept(branch: StepScope, call: e.Call, seconds: float | None, when: float = 0.0) -> None:
    course = flow_run_of(branch)

    async def wait() -> str:
        due = when if seconds is None else (course.history.steps[call.id].at or 0.0) + seconds
        await course.log.world.sleep(max(0.0, due - course.log.world.now()))
        return "null"

    tool = Tool(call.name, "", ANY_OBJECT, wait, lambda given: {}, idempotent=True, timeout_s=None)
    step_value(await course.ask(call, tool), Any)
