"""drive(): decide, act, append; again. The only module that makes things happen.

What `decide` says is done here, and nothing else is. All that a turn is lies in the log.
"""

import asyncio
import contextlib
from collections.abc import Coroutine, Sequence
from typing import Any

from ..core import events as e
from ..core.call import CallState
from ..core.context import Context, ParentContext
from ..core.decide import Append, CallModel, RunTools, Wait, decide
from ..core.errors import (
    Fenced,
    FlowChanged,
    IllegalEvent,
    SeqTaken,
    StoreError,
    TreadleError,
    TurnOpen,
)
from ..core.model import Called
from ..core.turn import find_call
from .ending import append_decided, cancel_turn, end_turn, settle
from .job import RunSettings, prepare_call
from .log import Log

WATCH_S = 0.1
"""How often a drive looks whether another process has taken its thread, or ended its turn."""


async def append_opening(log: Log, opening: Sequence[e.Event]) -> None:
    """Append what a drive starts with. Cancelling waits for that, so that no turn is left open by accident."""
    writing = asyncio.ensure_future(log.append(*opening))
    try:
        await asyncio.shield(writing)
    except asyncio.CancelledError:
        await asyncio.wait({writing})
        if writing.exception() is None:
            await cancel_turn(log)
        raise
    except IllegalEvent:
        raise TurnOpen(
            f"another process has begun a turn in thread {log.thread_id} at the same moment"
        ) from None


async def drive(log: Log, job: RunSettings) -> None:
    """Go on until the turn has ended or somebody else must write to the log. Raises as `guarded` does."""

    async def steps() -> None:
        while True:
            with contextlib.suppress(
                SeqTaken
            ):  # somebody wrote since (an approval, say): decide again
                if not await _step(log, job):
                    return

    await run_guarded(log, steps())


async def run_guarded(log: Log, work: Coroutine[Any, Any, None]) -> None:
    """Await what drives the log's turn, for as long as the thread is this process's.

    Cancelling it ends the turn as cancelled. Raises Fenced, a StoreError, and what is a bug in the model or here;
    a bug ends the turn as failed.
    """
    me = asyncio.current_task()
    assert me is not None
    watch = asyncio.create_task(_watch(log, me))
    try:
        await work
    except asyncio.CancelledError:
        if log.lost:  # it was the watch that cancelled
            me.uncancel()
            raise Fenced(log.lost) from None
        await cancel_turn(log)
        raise
    except (Fenced, StoreError, FlowChanged):
        raise
    except Exception as error:
        with contextlib.suppress(TreadleError):
            await end_turn(log, e.TurnEnded("failed", f"a bug: {type(error).__name__}: {error}"))
        raise
    finally:
        watch.cancel()


async def _step(log: Log, job: RunSettings) -> bool:
    """Do the next thing; False where there is nothing to do. Raises SeqTaken if what was decided is out of date."""
    seq, job = log.state.seq, job.of(log.state)
    match decide(log.state, job.policy):
        case CallModel() as step:
            await _call_model(log, job, step)
        case RunTools(calls):
            await _run_tools(log, job, calls, seq)
        case Append(events):
            await append_decided(log, events, seq)
        case Wait():
            return False
    return True


async def _watch(log: Log, driver: "asyncio.Task[Any]") -> None:
    while not log.lost:
        await asyncio.sleep(WATCH_S)
        with contextlib.suppress(
            TreadleError
        ):  # the drive itself will meet whatever is wrong with the store
            await log.refresh()
    driver.cancel()


async def _call_model(log: Log, job: RunSettings, step: CallModel) -> None:
    if step.delay_s:
        await log.world.sleep(step.delay_s)
    match prepare_call(log.state, log.prompt, job, step):
        case Called() as called:
            await log.append(called.event)  # before it is sent: a crash in flight must leave a mark
            left_s, chance = job.left_s(log.state), log.world.chance()
            came = await job.ask(job.model, called, log.state.seq, left_s, chance, log.show)
            await log.append(came)
        case fact:  # a limit, or what the prompt leaves out from here on
            await log.append(fact)


async def _run_tools(log: Log, job: RunSettings, calls: tuple[CallState, ...], seq: int) -> None:
    wait_s = max(call.retry_after_s if call.status == "retrying" else 0.0 for call in calls)
    if wait_s:
        await log.world.sleep(wait_s)
    await log.append(*job.start_events(log.state, log.thread_id, calls), after=seq)
    try:
        async with asyncio.TaskGroup() as group:
            for call in calls[1:]:
                group.create_task(run_attempt(log, job, call))
            await run_attempt(log, job, calls[0])
    except BaseExceptionGroup as several:
        raise several.exceptions[0] from None


async def run_attempt(log: Log, job: RunSettings, call: CallState) -> None:
    """Run a call that the log says has started, once, and append what came of it."""
    tool, left_s = job.policy.find_tool(call), job.left_s(log.state)
    assert log.state.turn
    assert tool
    call = find_call(log.state.turn, call.id)
    above = (
        ParentContext(call.child, log.store, log.world, log.tell, log.state.depth, left_s)
        if call.child
        else None
    )
    context = Context(job.deps, log.thread_id, call.id, call.key, call.attempt, above)
    fact = await job.run_tool(tool, call.final_arguments, context, left_s, log.world.chance())
    if isinstance(fact, e.ToolFailed) and fact.retry_after_s is None:
        fact = await settle(
            log, call, fact
        )  # out of time, say: what works for the call is of no more use
    await log.append(fact)
