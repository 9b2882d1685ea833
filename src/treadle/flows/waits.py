"""Waits for people, events and time in a flow. A flow that waits for people needs no process."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from ..core import events as e
from ..core.check_settings import check_number
from ..core.errors import UsageError
from ..core.strict_json import value_of
from ..core.tool import Tool
from ..runtime.drives import rest
from ..runtime.step_ids import StepScope, check_within
from .steps import (
    ANY_OBJECT,
    StepCoroutine,
    ask_person,
    flow_run_of,
    require_scope,
    show_json,
    step_value,
)


@dataclass(frozen=True)
class Approval:
    """A person's decision; true if it was yes."""

    allowed: bool
    by: str
    reason: str = ""
    details: Mapping[str, Any] = field(default_factory=dict)
    """What was allowed, as JSON values: the details that were asked for, or the person's edit."""
    edited: bool = False
    """The person has changed them."""

    def __bool__(self) -> bool:
        return self.allowed


def ask(question: str, *, id: str | None = None, within: float | None = None) -> StepCoroutine[str]:
    """Ask a person, and wait for the answer in their words. The flow needs no process meanwhile.

    Raises StepTimedOut where nobody has answered `within` so many seconds, whether or not a process
    was there all that time: whoever resumes the flow then finds that its time is up.
    """
    branch = require_scope("ask")
    call = e.Call(branch.step_id("ask", id), "ask", show_json(question=question))
    return ask_person(branch, call, within)


def wait_for(
    event: str, *, id: str | None = None, within: float | None = None
) -> StepCoroutine[str]:
    """Wait for an event that a person or a program posts, and get its text.

    Its id is the event's name. One that was posted before counts too. `within` as in `ask`.
    """
    branch = require_scope("wait_for")
    call = e.Call(branch.step_id(event, id), "wait_for", show_json(question=event))
    return ask_person(branch, call, within, early=True)


def approve(
    what: str, *, id: str | None = None, within: float | None = None, **details: Any
) -> StepCoroutine[Approval]:
    """Ask a person whether they allow this; they are shown `what` and the details.

    They may change the details: go by those of the Approval. `within` as in `ask`.
    """
    return approve_details(what, details, id=id, within=within)


def approve_details(
    what: str, details: Mapping[str, Any], *, id: str | None = None, within: float | None = None
) -> StepCoroutine[Approval]:
    """`approve`, with details of any names, also those of its own parameters."""
    branch = require_scope("approve")
    key = "what?" if "what" in details else "what"
    shown = show_json(**{key: what, **details})
    call = e.Call(branch.step_id("approve", id), "approve", shown)
    return _approve(branch, call, within, key)


def sleep(seconds: float, *, id: str | None = None) -> StepCoroutine[None]:
    """Wait so long from when it was first asked for. After a crash only the rest is waited for.

    Raises UsageError for what is no length of time, such as NaN, infinity or a negative number.
    """
    branch = require_scope("sleep")
    check_number("sleep(seconds", seconds)
    return _sleep(
        branch, e.Call(branch.step_id("sleep", id), "sleep", show_json(seconds=seconds)), seconds
    )


def until(when: datetime | float, *, id: str | None = None) -> StepCoroutine[None]:
    """Wait until this moment: seconds since the epoch, or a datetime with its time zone.

    Raises UsageError for what is no moment, such as NaN or infinity.
    """
    branch = require_scope("until")
    if isinstance(when, datetime):
        if when.tzinfo is None:
            raise UsageError(f"until({when}): in which time zone? Give the datetime one")
        when = when.timestamp()
    check_number("until(when", when, -math.inf)
    return _sleep(
        branch, e.Call(branch.step_id("until", id), "until", show_json(until=when)), None, when
    )


async def _approve(branch: StepScope, call: e.Call, within: float | None, key: str) -> Approval:
    """The decision; under `key` the details have what is to be approved."""
    check_within(within)

    async def allowed() -> str:
        return "true"

    # The tool is "this", so that what a person is told reads well: "this needs approval".
    tool = Tool(
        "this", "", ANY_OBJECT, allowed, lambda given: {}, idempotent=True, needs_approval=True
    )
    step = await flow_run_of(branch).ask(call, tool, within)
    denied = isinstance(step.came, e.ToolFailed) and step.came.kind == "denied"
    if not denied:
        step_value(step, Any)
    if step.given is None:
        return Approval(not denied, "")
    edit = step.given.arguments
    details = value_of(call.arguments if edit is None else edit)
    details.pop(key, None)
    return Approval(not denied, step.given.by, step.given.reason, details, edit is not None)


async def _sleep(branch: StepScope, call: e.Call, seconds: float | None, when: float = 0.0) -> None:
    flow_run = flow_run_of(branch)

    async def wait() -> str:
        now = flow_run.log.world.now()
        wait_s = when - now
        if seconds is not None:
            since_s = now - (flow_run.history.steps[call.id].at or 0.0)
            wait_s = seconds - max(0.0, since_s)  # the clock may have been set back
        await rest(flow_run.log, max(0.0, wait_s))
        return "null"

    tool = Tool(call.name, "", ANY_OBJECT, wait, lambda given: {}, idempotent=True, timeout_s=None)
    step_value(await flow_run.ask(call, tool), Any)
