"""Ends calls that wait for work elsewhere with its result, as somebody posts it. Drives nothing.

1. The first result of a call is its result, whoever brings it: a post, the tool or its `poll`.
2. The same post again changes nothing, and says so. Another result is refused, in words that say
   who was first.
3. A post may be faster than the tool: from its note on, the call can have its result.
"""

import sys
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

from msgspec.structs import replace as with_fields

from ..core import events as e
from ..core.approvals import Rule
from ..core.call import CallState, records_about
from ..core.context import Context, refuse_code_without_deps
from ..core.describe import policy_from
from ..core.errors import IllegalEvent, ToolError, UsageError
from ..core.pending import write_handle
from ..core.taint import unlabel
from ..core.tool import Tool
from ..models.known_secrets import redact_known
from ..stores.archive import ALL_THREADS
from ..stores.store import Store, Timed
from .children import require_trusted
from .conflicts import describe_decision, explaining_conflicts
from .due import DAMAGED
from .judge_result import judge_result_of, with_after_rules
from .log import Log, open_log
from .require_log import require_log
from .serialize import NotSerializable, to_json
from .settings import RunSettings
from .tool_result import clean, cut_text, is_cut_from, render_result
from .world import World

POSTED = "a post"
MAX_CHARS = 20_000
"""Of a posted result: a longer one is cut, as that of a tool by default."""

Outcome = e.ToolReturned | e.ToolFailed


@dataclass(frozen=True)
class Settled:
    """A call that has its result now."""

    thread_id: str
    call_id: str
    root_id: str
    """The thread to resume: this one, or the one above all that it works for."""
    again: bool = False
    """It had the same result already: nothing was written."""


@dataclass(frozen=True)
class Posted:
    """What somebody says of work elsewhere."""

    handle: Any
    result: Any
    thread: str | None
    by: str
    deps: Any = None
    """What the after rules need."""


SettingsFinder = Callable[[Log], Awaitable[RunSettings]]
"""Gives the settings that a thread goes by."""


async def settle(
    store: Store, world: World, find_settings: SettingsFinder, posted: Posted
) -> list[Settled]:
    """Give every call that has noted this handle its result; which they are.

    The result is shown to the model as a tool's is, after rules have judged it; a ToolError says
    that the work has failed. With a `thread`, only calls of that one, and `handle` may be the id of
    an open call. `by` says who posts it. Nothing goes on by this: resume the `root_id`, or let
    `due` find it. Raises UsageError where no call has noted the handle, IllegalEvent where each has
    another result already.
    """
    handle, thread = posted.handle, posted.thread
    text = write_handle(handle)
    if thread is not None:
        logs = [await require_log(thread, store, world)]
    elif isinstance(store, Timed):
        names = await store.find_handle(text)
        logs = [await open_log(name, store, world) for name in names]
    else:
        logs = await _open_all(store, world)
    found: list[Settled] = []
    refused: IllegalEvent | None = None
    for log in logs:
        for call_id in _calls_of(log, text, handle if thread is not None else None):
            try:
                found.append(await _settle_call(log, call_id, find_settings, posted))
            except IllegalEvent as error:
                refused = refused or error
    if refused and not any(not each.again for each in found):
        raise refused
    if not found:
        where = "" if thread is None else f" in thread {thread}"
        raise UsageError(
            f"no call waits for {text}, or has waited for it{where}. A tool's note of it"
            " may be yet to come: a name that the tool chooses can be noted before the work begins"
        )
    return found


async def _open_all(store: Store, world: World) -> list[Log]:
    """The logs of all threads; none of those that can't be read."""
    logs: list[Log] = []
    for info in await store.threads(ALL_THREADS):
        with suppress(*DAMAGED):
            logs.append(await open_log(info.thread_id, store, world))
    return logs


def _calls_of(log: Log, text: str, call_id: Any) -> Iterable[str]:
    """The calls that have noted this handle, and the open one of this id; none that was copied.

    What a fork or an import has brought along is the other thread's.
    """
    found: dict[str, None] = {}
    for record in log.records:
        match record.event:
            case e.ThreadForked() | e.TrustChanged(trusted=False):
                found.clear()
            case e.CallNoted(call_id=noted, handle=handle) if handle == text:
                found[noted] = None
            case e.CallNoted(call_id=noted, handle=other) if other:
                found.pop(noted, None)
    calls = log.state.turn.calls if log.state.turn else {}
    if isinstance(call_id, str) and call_id in calls:
        found[call_id] = None
    return found


async def _settle_call(
    log: Log, call_id: str, find_settings: SettingsFinder, posted: Posted
) -> Settled:
    """Raises IllegalEvent where the call has another result, or can have none."""
    require_trusted(log)
    settled = Settled(log.thread_id, call_id, log.state.root_id)
    before = _find_outcome(log, call_id)
    call = log.state.calls.get(call_id)
    whole = _make_outcome(log, call_id, posted)
    outcome = whole
    if call:
        outcome = await _show(log, call, await find_settings(log), whole, posted.deps)
    if before is None or call is not None:
        try:
            _refuse_unnoted(log, call_id, call)
            with explaining_conflicts(log, outcome):
                await log.append(outcome)
            return settled
        except IllegalEvent:
            before = _find_outcome(log, call_id)
            if before is None or before is outcome:
                raise
    if _says_the_same(before, whole):
        return replace(settled, again=True)
    decided = describe_decision(log.records, call_id)
    raise IllegalEvent(f"call {call_id} of thread {log.thread_id} {decided}; it is another one")


def _refuse_unnoted(log: Log, call_id: str, call: CallState | None) -> None:
    if call is not None and call.status == "started" and not call.handle:
        raise IllegalEvent(
            f"call {call_id} of thread {log.thread_id} is running, and has noted no work elsewhere"
        )


def _find_outcome(log: Log, call_id: str) -> e.Event | None:
    """The last result of a call of this id, or what a person has decided instead."""
    for record in records_about(log.records, call_id):
        match record.event:
            case e.ToolReturned() | e.ToolFailed(retry_after_s=None):
                return record.event
            case e.OutcomeDecided(outcome="ran" | "tell"):
                return record.event
    return None


def _make_outcome(log: Log, call_id: str, posted: Posted) -> Outcome:
    by = posted.by or POSTED
    result, labels = unlabel(posted.result)
    took_s = _seconds_since_start(log, call_id)
    if isinstance(result, BaseException):
        if not isinstance(result, ToolError):
            name = type(result).__name__
            raise UsageError(f"the result is a {name}; a failure is a ToolError")
        message = redact_known(clean(str(result)))
        failed = e.ToolFailed(call_id, "raised", message[:MAX_CHARS], took_s, by=by)
        return with_fields(failed, labels=labels)
    if _is_step(log, call_id):
        try:
            return e.ToolReturned(call_id, to_json(result), took_s, by=by, labels=labels)
        except NotSerializable as error:
            raise UsageError(f"the result of a step is kept as JSON: {error}") from None
    shown = render_result(result, sys.maxsize)
    return e.ToolReturned(call_id, shown.text, took_s, by=by, labels=labels, parts=shown.parts)


async def _show(
    log: Log, call: CallState, settings: RunSettings, outcome: Outcome, deps: Any
) -> Outcome:
    """What came of the call as the model is to see it: cut, and as the after rules of the agent
    that called let it through."""
    if call.step:
        return outcome
    tool = settings.policy.find_tool(call)
    if isinstance(outcome, e.ToolReturned):
        content, cut_chars = cut_text(outcome.content, tool.max_chars if tool else MAX_CHARS)
        outcome = with_fields(outcome, content=content, cut_chars=cut_chars)
    if tool is None:
        tool = _find_described(log, call, settings.policy.rules)
    if tool is None:
        return outcome
    refuse_code_without_deps(f"an after rule of the tool {tool.name}", deps, *tool.after)
    context = Context(deps, log.thread_id, call.id, call.key, call.attempt)
    return await judge_result_of(call, tool, context, outcome)


def _find_described(log: Log, call: CallState, rules: Iterable[Rule]) -> Tool | None:
    """The call's tool as the log describes it, where the agent here lacks it, as it lacks those
    that a client brings: its rules judge all the same."""
    described = log.state.last_described
    tool = policy_from(described).tools.get(call.name) if described else None
    return with_after_rules(tool, rules) if tool else None


def _is_step(log: Log, call_id: str) -> bool:
    steps = (record.event for record in log.records if isinstance(record.event, e.StepAsked))
    return any(event.call.id == call_id for event in steps)


def _seconds_since_start(log: Log, call_id: str) -> float:
    for record in records_about(log.records, call_id):
        if isinstance(record.event, e.ToolStarted):
            return round(max(0.0, log.world.now() - record.at), 6)
    return 0.0


def _says_the_same(before: e.Event | None, whole: Outcome) -> bool:
    """Whether both bring the same result, whoever said it and when, and however it was shown."""
    match before, whole:
        case ((e.OutcomeDecided(outcome="ran") | e.ToolReturned()), e.ToolReturned()):
            told = before.original or before
            is_same = told.content == whole.content or is_cut_from(told.content, whole.content)
            return is_same and told.parts == whole.parts
        case e.ToolFailed(), e.ToolFailed():
            told_message = before.original.content if before.original else before.message
            return (before.kind, told_message) == (whole.kind, whole.message)
    return False
