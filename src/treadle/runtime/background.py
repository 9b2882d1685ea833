"""Work that goes on after the call that began it has returned."""

import asyncio
import logging
import traceback
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field, replace
from typing import Any

from ..core.errors import Fenced, ModelError, Stopped, TurnFailed, UsageError
from ..core.events import Record, UserSaid
from ..models.known_secrets import redact_known
from .drives import keep_task
from .listeners import Delta
from .log import Log
from .step_ids import refuse_in_flow

_logger = logging.getLogger("treadle")
_TOLD_ELSEWHERE = (Fenced, Stopped, ModelError, TurnFailed)
"""The errors of a turn that goes on, or whose log says how it has ended."""


@dataclass(frozen=True)
class Begun:
    """A turn that has begun: its message is in the log."""

    thread_id: str
    opened_seq: int
    """The message that opened it."""
    task: "asyncio.Task[Any] | None" = field(default=None, compare=False)
    """What brings it to its end in this process, where it goes on in the background."""

    @property
    def is_at_work(self) -> bool:
        """Whether its task still brings it to its end."""
        return self.task is not None and not self.task.done()

    @property
    def error(self) -> BaseException | None:
        """What ended its task, where the log may not say it: a StoreError, a bug.

        None also where another process has the turn, which goes on there, or has been told to stop.
        """
        if self.task is None or not self.task.done() or self.task.cancelled():
            return None
        error = self.task.exception()
        return None if isinstance(error, _TOLD_ELSEWHERE) else error


OnBegun = Callable[[Begun], None]


async def begin(work: Callable[[OnBegun], Coroutine[Any, Any, Any]]) -> Begun:
    """Do the work in a task of its own, and return as soon as it says that its turn has begun.

    The task goes on, whatever becomes of the caller. What it raises before that is raised here;
    what it raises later is logged, unless it is in the thread: that a turn has failed.
    """
    begun: asyncio.Future[Begun] = asyncio.get_running_loop().create_future()

    def on_begun(turn: Begun) -> None:
        if not begun.done():
            begun.set_result(turn)

    task = asyncio.create_task(work(on_begun))
    keep_task(task)
    task.add_done_callback(lambda done: _log_later(done, begun))
    await asyncio.wait({task, begun}, return_when=asyncio.FIRST_COMPLETED)
    if not begun.done():
        begun.cancel()
        task.result()
    return replace(begun.result(), task=task)


def go_on_alone(thread_id: str, work: Coroutine[Any, Any, Any]) -> "asyncio.Task[Any]":
    """Do the work on this thread in a task of its own, which nobody needs to hold or to await.

    What it raises is logged, unless it is in the thread: that a turn has failed. Raises UsageError
    in a flow's code.
    """
    try:
        refuse_in_flow(f"work on thread {thread_id} in the background")
    except UsageError:
        work.close()
        raise
    task = asyncio.create_task(work)
    keep_task(task)
    task.add_done_callback(lambda done: _log_error(done, thread_id))
    return task


def tell_opening(log: Log, on_begun: OnBegun) -> Callable[[Record | Delta], None]:
    """A listener of the log that says that the turn has begun which its driver has opened.

    Another caller may be faster with a message of their own: that one isn't meant.
    """

    def hear(what: Record | Delta) -> None:
        if not (isinstance(what, Record) and log.has_claimed):
            return
        if isinstance(what.event, UserSaid) and what.event.opens_turn:
            on_begun(Begun(what.thread_id, what.seq))

    return hear


def _log_later(task: "asyncio.Task[Any]", begun: "asyncio.Future[Begun]") -> None:
    """Log what the task raised after its turn had begun; before that, it was raised."""
    if begun.done() and not begun.cancelled():
        _log_error(task, begun.result().thread_id)


def _log_error(task: "asyncio.Task[Any]", thread_id: str) -> None:
    error = None if task.cancelled() else task.exception()
    if error is None:
        return
    if isinstance(error, Fenced):
        _logger.info("thread %s is driven by another process now", thread_id)
    elif not isinstance(error, ModelError | TurnFailed | Stopped):
        told = redact_known("".join(traceback.format_exception(error)).rstrip())
        _logger.error("thread %s is driven no longer; resume it\n%s", thread_id, told)
