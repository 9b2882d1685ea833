"""What surrounds the work on a turn, of an agent's loop and of a flow's code alike.

It appends the opening events, calls the listeners, stops when another process takes the thread or
ends the turn, and records a cancellation or a bug as the turn's end.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from typing import Any, get_args

from ..core import events as e
from ..core.errors import (
    Fenced,
    FlowChanged,
    IllegalEvent,
    Stopped,
    StoreError,
    TreadleError,
    TurnOpen,
    UsageError,
)
from ..core.raised import describe_raised, in_words
from ..core.state import OPEN_PHASES
from ..core.trace_context import format_traceparent
from ..core.verify import VERIFY
from ..core.waits import after_claim, find_waits, is_held
from ..core.write_event import write_event
from ..models.known_secrets import redact_error, redact_known
from ..stores.store import Attended, Store
from .adopt import adopt
from .border import is_ctrl_c
from .call_spans import calls_entered_by, find_caller_span
from .check_approval import check_approval
from .children import require_trusted
from .conflicts import describe_standing, explaining_conflicts
from .drives import Drive, driving
from .end_turn import cancel_turn, end_abandoned_children, end_turn
from .listeners import BackgroundListener, Listener
from .log import Log
from .message_key import was_posted
from .post_outcome import post_outcome
from .said import as_answer, take_said
from .settings import RunSettings
from .steer import Steered, steer
from .watch import StoreWatch, start_watching, stop_watching
from .world import World

Work = Callable[[], Coroutine[Any, Any, None]]
Post = (
    e.ApprovalGiven | e.OutcomeDecided | e.UserSaid | e.TurnEnded | e.TrustChanged | e.LimitRaised
)


async def drive_turn(
    log: Log, listeners: Sequence[Listener], opening: Sequence[e.Event], work: Work
) -> bool:
    """Append the opening events, then do the work. The listeners are told of every record.

    A claim alone, which changes nothing by itself, is written with the first thing that the work
    appends. A thread that is parked or that nobody has adopted is left as it is.
    If somebody else ends the turn meanwhile, it returns as if the work had ended it. Returns
    whether this process was told to stop, and has let the thread go. Raises Fenced when another
    process has taken the thread, Stopped where it may not begin.
    """
    background = BackgroundListener(listeners)
    if listeners:
        log.listeners += (background.tell,)
    try:
        entered = calls_entered_by(listeners)
        with driving(log) as drive, attending(log.store, _claim_of(opening)), entered:
            await _drive(log, drive, opening, work)
            return drive.let_go
    except Fenced:
        if not (log.lost_reason and log.is_ours):
            raise
        with contextlib.suppress(TreadleError):  # one may have begun after the turn had ended
            await end_abandoned_children(log)
        return False
    finally:
        async with cancelling_turn(log):
            await background.drain()


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


async def _drive(log: Log, drive: Drive, opening: Sequence[e.Event], work: Work) -> None:
    try:
        if await _open(log, opening):
            await _work_on(log, work)
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


async def _work_on(log: Log, work: Work) -> None:
    """Do the work, and again where what it came to wait for was decided before it had stopped."""
    seq = 0
    while log.state.seq != seq:
        seq = log.state.seq
        await work()
        if log.state.phase not in OPEN_PHASES or find_waits(log.state, log.thread_id):
            return


def new_claim(world: World, reopens: bool = False) -> e.ThreadClaimed:
    """A claim by this process, for the caller whose span is the current one."""
    span = find_caller_span()
    trace = format_traceparent(span) if span else ""
    return e.ThreadClaimed(world.new_id(), world.driver(), reopens=reopens, trace=trace)


@contextmanager
def attending(store: Store, claim: str) -> Iterator[None]:
    """Let others see, until the block is left, that the claim's driver is alive."""
    if not isinstance(store, Attended):
        yield
        return
    with store.attend(claim):
        yield


def _claim_of(opening: Sequence[e.Event]) -> str:
    return next(event.claim for event in opening if isinstance(event, e.ThreadClaimed))


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


async def run_guarded(log: Log, work: Coroutine[Any, Any, None]) -> None:
    """Await the work on the log's turn, for as long as this process has the thread.

    Cancelling it ends the turn as cancelled; a bug, here or in the model, ends it as failed and is
    raised, without secrets in its words. Raises Fenced when the thread is lost, and StoreErrors.
    """
    task = asyncio.current_task()
    assert task is not None
    watch = asyncio.create_task(_watch(log, *start_watching(log), task))
    try:
        await work
    except asyncio.CancelledError:
        if log.lost_reason:  # it was the watch that cancelled
            task.uncancel()
            raise log.lost_error() from None
        await cancel_turn(log)
        raise
    except (Fenced, StoreError, FlowChanged):
        raise
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
        stop_watching(log)


async def _watch(
    log: Log, watch: StoreWatch, grown: asyncio.Event, driver: "asyncio.Task[Any]"
) -> None:
    """Cancel the driver once the log is lost to another process."""
    while not log.lost_reason:
        await grown.wait()
        grown.clear()
        try:
            await log.refresh()
        except TreadleError:  # the driver itself will meet whatever is wrong with the store
            watch.look_again()
    driver.cancel()


async def post(
    log: Log, event: Post, find_settings: Callable[[], Awaitable[RunSettings]]
) -> Steered | None:
    """Append what a person says to a turn that waits or runs. Of a message, where it has come.

    A TrustChanged goes to the children too. `find_settings` is asked for the tools where a person
    has edited arguments. An answer whose key is in the log already says nothing new. Raises
    IllegalEvent where nothing waits for this event, and for an approval of something else than what
    waits; UsageError for a key with other words, and in an imported thread, of which one must know
    that it is right before one decides anything in it.
    """
    if not isinstance(event, get_args(Post)):
        names = ", ".join(each.__name__ for each in get_args(Post))
        raise UsageError(f"a {type(event).__name__} can't be posted; what people say is: {names}")
    if isinstance(event, e.TurnEnded) and event.status != "cancelled":
        raise UsageError(
            f'a person can only cancel a turn: TurnEnded("cancelled"), not {event.status!r}'
        )
    if isinstance(event, e.OutcomeDecided) and (event.by == VERIFY or event.outcome == "unclear"):
        raise UsageError("only a tool's verify says that: say who you are, and what became of it")
    if isinstance(event, e.UserSaid):
        event = take_said(event)
        if not event.answers:
            return await steer(log, event)
        event = as_answer(log, event)
    write_event(event)  # refuses wrong values before anything goes by them
    if isinstance(event, e.TrustChanged):
        await adopt(log, event)
        return None
    if not isinstance(event, e.TurnEnded):
        require_trusted(log)
    if was_posted(log, event):
        return None
    if isinstance(event, e.ApprovalGiven):
        await check_approval(log, event, find_settings)
    with explaining_conflicts(log, event):
        if isinstance(event, e.TurnEnded):
            await end_turn(log, event)
            return None
        try:
            if isinstance(event, e.OutcomeDecided):
                await post_outcome(log, event)
            else:
                await log.append(event)
        except IllegalEvent:  # perhaps the same answer has come at the same moment
            if not was_posted(log, event):
                raise
    return None
