"""Writes what a driver learns of its calls after it has lost the thread. core/late.py says more.

1. A tool that changes something isn't cancelled where another process takes the thread: it may be
   in the middle of its effect. What came of it is written once it has ended.
2. Writing it claims nothing. Where it no longer counts, nothing is written, and a warning of the
   logger `treadle` says why.
"""

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from ..core import events as e
from ..core.call import CallState
from ..core.errors import IllegalEvent, StoreError, TreadleError
from ..core.late import LateOutcome, is_late, make_late
from ..core.tool import Tool
from .bounded import begin_apart
from .conflicts import explaining_conflicts
from .log import Log, open_log

E = TypeVar("E", bound=e.Event)
Learn = Callable[[e.Event], "asyncio.Task[None] | None"]
"""Begins to write this outcome of a call, in a task; None where there is nothing to write."""

_CAME = {
    e.ToolReturned: "has returned",
    e.ToolFailed: "has failed",
    e.CallNoted: "has noted its work elsewhere",
}
_logger = logging.getLogger("treadle")
_writing: set["asyncio.Task[None]"] = set()
"""Keeps the tasks alive: the event loop alone would let them go."""


def learn_of_tool(log: Log, tool: Tool, call: CallState) -> Learn:
    """For an attempt of this call, which this log's driver has started."""

    def learn(outcome: e.Event) -> "asyncio.Task[None] | None":
        if call.child or not isinstance(outcome, e.ToolReturned | e.ToolFailed | e.CallNoted):
            return None  # a child's own log says what it has done
        if isinstance(outcome, e.ToolFailed) and (outcome.unknown or outcome.kind == "timeout"):
            return None  # nobody knows more than before
        came = _CAME[type(outcome)]
        what = "" if tool.idempotent else f"{tool.name}, call {call.id}, {came}"
        return _begin(_write(log, make_late(outcome, log.own_claim), what))

    return learn


def learn_of_model(log: Log) -> Learn:
    """For a model call that this log's driver has made."""

    def learn(outcome: e.Event) -> "asyncio.Task[None] | None":
        if not isinstance(outcome, e.ModelReplied | e.ModelFailed):
            return None
        return _begin(_write(log, make_late(outcome, log.own_claim), ""))

    return learn


async def run_to_its_end(log: Log, tool: Tool, attempt: Coroutine[Any, Any, E], learn: Learn) -> E:
    """Await the attempt. If it is cancelled, so is the attempt, unless another process has the
    thread and the tool may be in the middle of its effect."""
    task, over = begin_apart(attempt)
    try:
        await over
    except asyncio.CancelledError:
        if log.is_taken and not tool.idempotent and not tool.child:
            task.add_done_callback(lambda ended: _learn_of_task(ended, learn))
        else:
            task.cancel()
            await asyncio.wait({task})
            if not task.cancelled():
                task.exception()  # asyncio would warn of one that nobody has read
        raise
    return task.result()


async def append_or_tell(log: Log, outcome: e.Event, learn: Learn) -> None:
    """Append what came of a call; where that fails, write at least what of it still counts.

    A tool may come to its end just as its time is up: where `learn` has written that by now, it
    holds. Raises as `Log.append`.
    """
    try:
        await log.append(outcome)
    except IllegalEvent:
        if not _has_learned(log, outcome):
            raise
    except StoreError:  # as Fenced is; where the disk was full, say, it may have room by now
        writing = learn(outcome)
        if writing:
            await asyncio.shield(writing)
        raise
    except asyncio.CancelledError:
        if log.lost_reason:
            learn(outcome)
        raise


def _has_learned(log: Log, outcome: e.Event) -> bool:
    """Whether it is known what came of the call: its own driver learned it late, or somebody said
    it, or another driver, which had asked its tool too, wrote it before this one's claim.

    The first result of a call is its result, and what a person decides of a call that is polled
    holds.
    """
    call_id = _call_id(outcome)
    if call_id is None:
        return False
    last = next(each.event for each in reversed(log.records) if _call_id(each.event) == call_id)
    if isinstance(last, e.OutcomeDecided):
        return True
    if isinstance(last, e.ToolReturned | e.ToolFailed) and last.by:
        if isinstance(outcome, e.ToolReturned | e.ToolFailed):
            what = f"call {call_id} of thread {log.thread_id}"
            _logger.warning("%s has a result that %s had posted: it stays", what, last.by)
        return True
    is_over = call_id not in log.state.calls
    return is_over or (is_late(last) and last.claim == log.own_claim)


def _call_id(event: e.Event) -> str | None:
    return getattr(event, "call_id", None)


def _learn_of_task(over: "asyncio.Task[Any]", learn: Learn) -> None:
    if not over.cancelled() and over.exception() is None:
        learn(over.result())


def _begin(writing: Coroutine[Any, Any, None]) -> "asyncio.Task[None]":
    task = asyncio.ensure_future(writing)
    _writing.add(task)
    task.add_done_callback(_writing.discard)
    return task


async def _write(log: Log, event: LateOutcome, what: str) -> None:
    """Append the event, as whoever posts. `what` says in a warning what is not written."""
    try:
        posting = await open_log(log.thread_id, log.store, log.world)
        with explaining_conflicts(posting, event):
            await posting.append(event)
    except IllegalEvent as error:
        if what:
            _logger.warning("%s, which came too late to be written: %s", what, error)
    except TreadleError as error:
        _logger.warning(
            "%s, which could not be written: %s", what or "a lost call has ended", error
        )
