"""What surrounds the work on a turn, of an agent's loop and of a flow's code alike.

It appends the opening events, calls the listeners, stops when another process takes the thread or
ends the turn, and records a cancellation or a bug as the turn's end.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager, nullcontext
from typing import Any

from ..core import events as e
from ..core.errors import (
    Fenced,
    FlowChanged,
    IllegalEvent,
    NeedsDeps,
    Stopped,
    StoreError,
    TreadleError,
    TurnOpen,
)
from ..core.raised import describe_raised, in_words
from ..core.trace_context import format_traceparent
from ..core.waits import after_claim, find_waits, is_held
from ..models.known_secrets import redact_error, redact_known
from ..stores.store import Attended
from .border import is_ctrl_c
from .call_spans import calls_entered_by, find_caller_span
from .conflicts import describe_standing
from .drives import Drive, driving, is_kept
from .end_turn import cancel_turn, end_turn
from .listeners import BackgroundListener, Listener
from .log import Log
from .watch import start_watching, watching
from .world import World

Work = Callable[[], Coroutine[Any, Any, BaseException | None]]
"""Gives the error that the code of a flow has raised, if it has."""


async def drive_turn(
    log: Log, listeners: Sequence[Listener], opening: Sequence[e.Event], work: Work
) -> Drive:
    """Append the opening events, then do the work: again where what it came to wait for was decided
    before it had stopped. The listeners are told of every record.

    A claim alone, which changes nothing by itself, is written with the first thing that the work
    appends. A thread that is parked or that nobody has adopted is left as it is.
    If somebody else ends the turn meanwhile, it returns as if the work had ended it. Raises Fenced
    when another process has taken the thread, Stopped where it may not begin, and as `guarded`.
    """
    drive = Drive(log)
    log.lets_go = is_kept(drive.task)
    background = BackgroundListener(listeners)
    if listeners:
        log.listeners += (background.tell,)
    try:
        async with _at_the_wheel(drive, listeners, opening):
            if await _open(log, opening):
                async with guarded(log):
                    seq = 0
                    while log.state.seq != seq and _goes_on(log, seq):
                        seq = log.state.seq
                        drive.cause = await work()
    except Fenced:
        if not (log.lost_reason and log.is_ours):
            raise
    finally:
        async with cancelling_turn(log):
            await background.drain()
    return drive


@asynccontextmanager
async def cancelling_turn(log: Log) -> AsyncIterator[None]:
    """Whoever cancels the block cancels a turn too that its driver has left waiting.

    Its caller hasn't got the result yet, and believes the turn to be over.
    """
    try:
        yield
    except asyncio.CancelledError:
        if log.is_ours and not log.lets_go:
            await cancel_turn(log)
        raise


@asynccontextmanager
async def _at_the_wheel(
    drive: Drive, listeners: Sequence[Listener], opening: Sequence[e.Event]
) -> AsyncIterator[None]:
    """Let others see that this process drives the log, and let go of it when that is to stop."""
    log = drive.log
    claim = next(event.claim for event in opening if isinstance(event, e.ThreadClaimed))
    attending = log.store.attend(claim) if isinstance(log.store, Attended) else nullcontext()
    with driving(drive), attending, calls_entered_by(listeners):
        try:
            yield
        except Stopped:
            if log.lost_reason:  # a tool was kept from its work, as another process has the thread
                raise log.lost_error() from None
            drive.let_go = True
            with contextlib.suppress(TreadleError):  # else it is as after a kill
                await log.release()
            if log.is_child:
                raise
        except asyncio.CancelledError:
            drive.let_go = log.lets_go or log.stop_asked.is_set()
            if not drive.was_cancelled or log.is_child or drive.task is None:
                raise
            drive.task.uncancel()  # it was `stop` that cancelled
        except Fenced:
            raise
        except BaseException as error:
            if log.has_claimed:
                drive.error = error
            raise


def _goes_on(log: Log, seq: int) -> bool:
    """Whether there is work: at first (0), and where what it waits for was decided meanwhile."""
    is_open = log.state.is_open
    return not seq or (is_open and not find_waits(log.state, log.thread_id))


async def _open(log: Log, opening: Sequence[e.Event]) -> bool:
    """Append the opening events, or leave the claim to the next append; False: nothing to do."""
    match opening:
        case [e.ThreadClaimed()] if is_held(log.state):
            return False
        case [e.ThreadClaimed(reopens=False) as claim] if (
            after_claim(log.state).turn == log.state.turn
        ):
            log.claim_with_next_append(claim)
        case [e.ThreadClaimed()]:
            await append_opening(log, opening, after=log.state.seq)
        case [*_, e.UserSaid(key=key)] if key:  # the same message may come at the same moment
            await append_opening(log, opening, after=log.state.seq)
        case _:
            await append_opening(log, opening)
    return True


def new_claim(world: World, reopens: bool = False) -> e.ThreadClaimed:
    """A claim by this process, for the caller whose span is the current one."""
    span = find_caller_span()
    trace = format_traceparent(span) if span else ""
    return e.ThreadClaimed(world.new_id(), world.driver(), reopens=reopens, trace=trace)


async def append_opening(log: Log, opening: Sequence[e.Event], after: int | None = None) -> None:
    """Append what a driver writes first. A cancellation waits for that: no turn stays open."""
    writing = asyncio.ensure_future(log.append(*opening, after=after))
    try:
        await asyncio.shield(writing)
    except asyncio.CancelledError:
        await asyncio.wait({writing})
        if writing.exception() is None:
            await cancel_turn(log)
        raise
    except IllegalEvent:
        standing = describe_standing(log)
        raise TurnOpen(
            f"another caller was first in thread {log.thread_id}, at the same moment; its turn was"
            f" {standing}",
            standing=standing,
        ) from None


@asynccontextmanager
async def guarded(log: Log) -> AsyncIterator[None]:
    """For the work on the log's turn, for as long as this process has the thread.

    Cancelling it ends the turn as cancelled; a bug, here or in the model, ends it as failed and is
    raised, without secrets in its words. Raises Fenced when the thread is lost, and StoreErrors.
    """
    task = asyncio.current_task()
    assert task is not None
    watch = asyncio.create_task(_watch(log, task))
    try:
        yield
    except asyncio.CancelledError:
        if log.lost_reason:  # it was the watch that cancelled
            task.uncancel()
            raise log.lost_error() from None
        await cancel_turn(log)
        raise
    except (Fenced, StoreError, FlowChanged, NeedsDeps):
        raise  # the turn stays open for whoever can go on with it
    except (Exception, SystemExit, KeyboardInterrupt) as error:
        if is_ctrl_c(error):
            raise
        watch.cancel()  # what it might find would hide the error
        with contextlib.suppress(TreadleError):
            reason = redact_known(f"a bug: {describe_raised(error)}")
            await end_turn(log, e.TurnEnded("failed", reason))
        shown = redact_error(error)
        if shown is error and isinstance(error, Exception):
            raise
        if isinstance(shown, Exception):
            raise shown from None
        raise in_words(shown, "code of this run") from shown
    finally:
        watch.cancel()


async def _watch(log: Log, driver: "asyncio.Task[Any]") -> None:
    """Cancel the driver once the log is lost to another process."""
    with watching(log) as grown:
        while not log.lost_reason:
            await grown.wait()
            grown.clear()
            try:
                await log.refresh()
            except TreadleError:  # the driver itself will meet whatever is wrong with the store
                start_watching(log, grown)
    driver.cancel()
