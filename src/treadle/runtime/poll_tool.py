"""Asks a tool what became of the work elsewhere that its call waits for, and writes that down.

1. "Still pending" changes nothing in the thread. So nothing is written: the store keeps beside its
   list of threads when somebody looks at this one next. Where it can't, in a child, and where
   several calls of a thread are asked about, that time is a fact in the log.
2. A question that fails says nothing about the work: it is asked again. Only ToolError says that
   the work has failed.
"""

import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from ..core import events as e
from ..core.call import CallState, records_about
from ..core.context import Context, refuse_code_without_deps
from ..core.due import next_due
from ..core.errors import Stopped, ToolError, ToolRetry, UsageError
from ..core.links import start_of_child
from ..core.pending import POLL_AFTER_S, Pending, due_at, next_poll, read_handle
from ..core.question import Question
from ..core.raised import describe_raised
from ..core.taint import change_result, label_step
from ..core.tool import Tool
from ..core.waits import is_at_work
from ..stores.store import Timed
from .call_function import wrap
from .judge_result import judge_result_of
from .late import append_or_tell, learn_of_tool
from .log import Log
from .noting import new_handle
from .run_tool import run_tool
from .serialize import to_json
from .settings import RunSettings

AGAIN = 1_000_000_000
"""How often a question that fails is asked again."""

_logger = logging.getLogger("treadle")


def poll_of(call: CallState) -> tuple[str, float | None]:
    """Names one question about a call: one driver asks it once."""
    return call.id, call.until


async def poll_call(log: Log, settings: RunSettings, call: CallState) -> None:
    """Ask the call's tool, and append what came of the call. Raises Stopped, as `Log.append`."""
    tool = settings.policy.find_tool(call)
    if tool is None:
        return
    log.refuse_if_stopping()
    if event := await poll_tool(log, tool, call, settings.run.deps):
        labelled = label_step(call, tool, event)
        await append_or_tell(log, labelled, learn_of_tool(log, tool, call))


async def poll_tool(log: Log, tool: Tool, call: CallState, deps: Any) -> e.Event | None:
    """The event of what became of the work; None where nothing is to be written.

    Raises StoreErrors; NeedsDeps where the tool needs deps and there are none.
    """
    if tool.poll is None:
        return None
    refuse_code_without_deps(f"the poll of the tool {tool.name}", deps, tool.poll, *tool.after)
    notes = _NextPoll(log, call)
    context = Context(deps, log.thread_id, call.id, call.key, call.attempt, notes=notes)
    asking = replace(
        tool,
        function=_question(tool, call, context),
        check=lambda given: given,
        context="",
        special=None,
        idempotent=True,
        retries=AGAIN,
        after=(),
    )
    outcome = await run_tool(asking, "{}", context, None, 0.0)
    if isinstance(outcome, e.ToolFailed) and (
        outcome.retry_after_s is not None or outcome.kind == "timeout"
    ):
        what = f"thread {log.thread_id}: what became of call {call.id}"
        _logger.warning("%s couldn't be asked, and is asked again: %s", what, outcome.message)
        outcome = notes.describe(Pending(read_handle(call.handle)))
    if isinstance(outcome, e.CallNoted) and await _postpone(log, call, outcome):
        return None
    return await judge_result_of(call, tool, context, outcome)


@dataclass(frozen=True)
class _NextPoll:
    """Says when the tool is asked next."""

    log: Log
    call: CallState

    def note(self, handle: object) -> Awaitable[None]:
        raise UsageError("a poll begins no work: it has nothing to note")

    def describe(self, pending: Pending) -> e.CallNoted:
        now = self.log.world.now()
        until = due_at(pending.due, now)
        if until is None:
            until = self._usual(now)
        return e.CallNoted(self.call.id, new_handle(self.call, pending), True, until, True)

    def _usual(self, now: float) -> float:
        """As long after now as the first time was after its note, and later the longer it takes."""
        first_s, since = POLL_AFTER_S, now
        for record in records_about(self.log.records, self.call.id):
            event = record.event
            if isinstance(event, e.ToolStarted):
                break
            if isinstance(event, e.CallNoted):
                since = record.at
                if event.until is not None:
                    first_s = max(1.0, event.until - record.at)
        return next_poll(first_s, max(0.0, now - since), now)


async def _postpone(log: Log, call: CallState, noted: e.CallNoted) -> bool:
    """Let the store look at the thread later; False where the log must say so."""
    others = [each for each in log.state.calls.values() if each.id != call.id]
    is_alone = not any(each.polls for each in others)
    says_more = call.status != "pending" or noted.handle
    goes_on = is_at_work(log.state)  # then nobody resumes it at that time: its driver looks
    if says_more or goes_on or not is_alone or start_of_child(log.records):
        return False
    if not isinstance(log.store, Timed) or noted.until is None:
        return False
    times = [each for each in (noted.until, next_due(log.state)) if each is not None]
    await log.store.postpone(log.thread_id, log.state.seq, min(times))
    return True


def _question(tool: Tool, call: CallState, context: Context) -> Callable[[], Any]:
    """The tool's `poll` as a function without parameters. What it raises is for `run_tool`."""
    poll, handle = tool.poll, read_handle(call.handle)
    assert poll

    def answer(value: Any) -> Any:
        if isinstance(value, Pending):
            raise value
        return change_result(value, to_json) if call.step else value

    def failed(error: BaseException) -> None:
        is_said = isinstance(error, Pending | Question | Stopped) or type(error) is ToolError
        if isinstance(error, Exception) and not is_said:
            raise ToolRetry(describe_raised(error)) from error

    return partial(wrap(poll, answer, failed), handle, context)
