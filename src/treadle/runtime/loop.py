"""The loop: ask `decide` what to do, do it, append what came of it; again.

It does nothing else, and keeps no state: the log has all that a turn is. The work itself is done by
what it calls: call_model.py, run_tool.py, log.py.
"""

import asyncio
import contextlib
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from ..core import events as e
from ..core.call import CallState
from ..core.context import Arguments, Context
from ..core.decide import Append, CallModel, PollCalls, RunCheck, RunTools, Wait, decide
from ..core.describe import says_the_same
from ..core.errors import Fenced, IllegalEvent, ReplayEnds, SeqTaken, Stopped
from ..core.next_action import Next
from ..core.taint import label_step
from ..core.tool import Tool
from ..core.trace_context import SpanContext, format_traceparent
from ..core.turn import find_call
from ..core.waits import find_waits, is_at_work, waits_or_polls
from .account import payers_of_child
from .begin_call import begin_model_call
from .call_spans import find_call_span, within_call
from .check_call import is_unknown
from .children import append_started, own_child
from .drives import rest
from .end_turn import append_decided, end_child
from .in_background import BackgroundCalls, calls_in_background
from .instructions import with_instructions
from .late import Learn, append_or_tell, learn_of_model, learn_of_tool, run_to_its_end
from .log import Log
from .noting import CallNotes
from .parent_context import ParentContext
from .poll_tool import poll_call, poll_of
from .presence import while_it_runs
from .run_tool import ToolOutcome
from .settings import RunSettings
from .waiting_children import refresh_children


async def run_loop(log: Log, settings: RunSettings) -> None:
    """Run until the turn ends or somebody else must write to the log.

    Raises as `Log.append`; Stopped where it would begin something and this process is to stop.
    """
    known = _Known()
    if not waits_or_polls(log.state, log.thread_id, log.world.now()):
        await log.claim_now()
    async with calls_in_background(log) as background:
        while True:
            await background.settle()
            seq = log.state.seq
            in_charge = settings.in_charge(log.state)
            decided = decide(log.state, in_charge.policy, log.decides_at())
            try:
                if await _do(decided, log, in_charge, known, background):
                    continue
                if not await background.wait(seq):
                    return
            except SeqTaken:  # somebody wrote meanwhile: decide again
                continue


@dataclass
class _Known:
    """What needn't be found out again at each step."""

    instructions: dict[str, str] = field(default_factory=dict)
    """What the functions of instructions have given, by the agent's name."""
    same: tuple[e.AgentDescribed | None, e.AgentDescribed | None] = (None, None)
    """The description in the log, and that of the settings, if they are known to say the same."""
    polled: set[tuple[str, float | None]] = field(default_factory=set)
    """The calls whose tools were asked what became of them, with when that was due."""
    rested_after: e.ModelFailed | None = None
    """The failed model call after which the pause before the next attempt is over."""


async def _do(
    decided: Next, log: Log, settings: RunSettings, known: _Known, background: BackgroundCalls
) -> bool:
    """Do it; False where there is nothing to do. Raises SeqTaken if it is out of date."""
    seq = log.state.seq
    is_live = settings.run.hands.are_live
    polls_no_more = isinstance(decided, PollCalls) and (
        not is_live or known.polled.issuperset(map(poll_of, decided.calls))
    )
    if isinstance(decided, Wait) or polls_no_more:
        if is_live and await refresh_children(log, settings):
            return True
        if polls_no_more or not _seems_to_go_on(log):
            return False
    if isinstance(decided, CallModel | RunTools | RunCheck):
        log.refuse_if_stopping()
    settings = await with_instructions(log, settings, known.instructions)
    if isinstance(decided, CallModel):
        settings = settings.with_model(decided.model)
    if is_live and not _is_described(log, settings, known):
        # Before anything that this agent does, so that the log says by what it was decided.
        await log.append(settings.describe(), after=seq)
        return True
    match decided:
        case CallModel() as asked:
            await _call_model(log, settings, asked, seq, known)
        case RunTools():
            await _run_tools(log, settings, decided, seq, background)
        case PollCalls(calls):
            for call in calls:
                if poll_of(call) not in known.polled:
                    known.polled.add(poll_of(call))
                    await poll_call(log, settings, call)
        case RunCheck() as asked_check:
            await log.append(await settings.run.hands.run_check(log, settings, asked_check))
            _show_answer(log, asked_check)
        case Append(events):
            await append_decided(log, events, seq)
    return not isinstance(decided, Wait)


def _seems_to_go_on(log: Log) -> bool:
    """Whether the turn goes on by what the log says of the tools, which have changed since."""
    state = log.state
    return state.phase == "acting" and not (is_at_work(state) or find_waits(state, log.thread_id))


def _is_described(log: Log, settings: RunSettings, known: _Known) -> bool:
    """Whether the log says already what the agent is made of."""
    was, now = log.state.last_described, settings.describe()
    if was is not known.same[0] or now is not known.same[1]:
        if not says_the_same(was, now):
            return False
        known.same = was, now
    return True


async def _call_model(
    log: Log, settings: RunSettings, asked: CallModel, seq: int, known: _Known
) -> None:
    failed = log.state.turn.failed if log.state.turn else None
    if asked.delay_s and failed is not known.rested_after:
        await rest(log, asked.delay_s)
        known.rested_after = failed
    if log.state.seq != seq:  # a message, say, which is checked before the model sees it
        raise SeqTaken(f"somebody wrote to thread {log.thread_id} before its model call began")
    prepared = await begin_model_call(log, settings, asked)
    if prepared is None:
        return
    left_s = settings.left_s(log.state)
    chance = log.world.chance()
    is_hidden = settings.policy.check_output or prepared.event.purpose == "compact"
    show = _keep_back if is_hidden else log.show
    outcome = await settings.run.hands.call_model(
        settings.model, prepared, log.state.seq, left_s, chance, show
    )
    await append_or_tell(log, outcome, learn_of_model(log))


def _keep_back(_: str | e.Thinking) -> None:
    """Show no summary, and nothing that no check has seen: `_show_answer` does once one has."""


def _show_answer(log: Log, asked: RunCheck) -> None:
    checked = log.state.turn and log.state.turn.checked
    if asked.what == "answer" and checked and checked.verdict != "deny":
        log.show(log.state.turn.answer if log.state.turn else "")


async def _run_tools(
    log: Log, settings: RunSettings, decided: RunTools, seq: int, background: BackgroundCalls
) -> None:
    calls = await background.rest(decided.calls)
    if calls:
        await append_started(log, settings, calls, seq)
    works: list[Callable[[], Coroutine[Any, Any, None]]] = []
    for call in calls:
        work = partial(run_attempt, log, settings, call)
        if settings.policy.runs_in_background(call):
            background.start(call.id, work)
        else:
            works.append(work)
    works += [partial(check_outcome, log, settings, call) for call in decided.checks]
    if not works:
        return
    if len(works) == 1:
        await works[0]()
        return
    try:
        async with asyncio.TaskGroup() as group:
            others = [group.create_task(_beside(work)) for work in works[1:]]
            stopped = [await _beside(works[0])]
    except BaseExceptionGroup as several:
        raise several.exceptions[0] from None
    stopped += [task.result() for task in others]
    for error in filter(None, stopped):
        raise error


async def _beside(work: Callable[[], Coroutine[Any, Any, None]]) -> Stopped | None:
    """Do the work; where it was told to stop, that error, as the works beside it go on."""
    try:
        await work()
    except Stopped as error:
        return error
    return None


async def run_attempt(log: Log, settings: RunSettings, call: CallState) -> None:
    """Run one attempt of a call, whose ToolStarted is in the log, and append what came of it."""
    if log.lost_reason:
        raise log.lost_error()
    tool = settings.policy.find_tool(call)
    assert log.state.turn
    assert tool
    call = find_call(log.state.turn, call.id)
    learn = learn_of_tool(log, tool, call)
    while True:
        try:
            event = await _attempt(log, settings, call, tool, learn)
            break
        except ReplayEnds:
            raise
        except (Fenced, SeqTaken):
            # Somebody drives the child beside us: the one whose thread this was, and who has yet to
            # notice, or a person who has decided there. Whoever drives this thread takes it back.
            await log.refresh()
            if log.lost_reason:
                raise log.lost_error() from None
    if (
        isinstance(event, e.ToolFailed)
        and (event.unknown or event.retry_after_s is None)
        and settings.run.hands.are_live
    ):
        # Its time may be up while a child still works for it: that child must end too.
        event = await end_child(log, call, event)
    await append_or_tell(log, event, learn)


async def _attempt(
    log: Log, settings: RunSettings, call: CallState, tool: Tool, learn: Learn
) -> ToolOutcome:
    """The event that one attempt ends in. Raises StoreErrors of the call's child."""
    left_s = settings.left_s(log.state)
    parent = None
    if call.child:
        child = await own_child(log, call)
        parent = ParentContext(child, log, left_s, payers_of_child(log, settings, child))
    span = find_call_span(log, call)
    notes = CallNotes(log, call.id, tool.poll is not None, learn, asyncio.get_running_loop())
    context = _make_context(log, settings, call, span, parent, notes)
    attended, came = while_it_runs(tool, log, call)
    chance = log.world.chance()
    with within_call(span):
        run_tool = settings.run.hands.run_tool
        attempt = run_tool(attended, call.final_arguments, context, left_s, chance, learn)
        with log.idle.running():
            outcome = await run_to_its_end(log, tool, attempt, learn)
    came(outcome)
    return label_step(call, tool, outcome)


def _make_context(
    log: Log,
    settings: RunSettings,
    call: CallState,
    span: SpanContext,
    parent: ParentContext | None = None,
    notes: CallNotes | None = None,
) -> Context:
    trace = format_traceparent(SpanContext(span.trace_id, span.span_id, sampled=True))
    where = (log.thread_id, call.id, call.key, call.attempt)
    told = (parent, notes, call.answers, call.failures)

    def may_run(arguments: Arguments) -> bool:
        return settings.policy.runs_unasked(call, arguments, log.state)

    return Context(settings.run.deps, *where, trace, *told, may_run)


async def check_outcome(log: Log, settings: RunSettings, call: CallState) -> None:
    """Ask the tool's `verify` what became of a call, and append what it says."""
    tool = settings.policy.find_tool(call)
    assert tool
    await log.claim_now()  # it asks another's service: one driver does
    span = find_call_span(log, call)
    context = _make_context(log, settings, call, span)
    with within_call(span):
        event = await settings.run.hands.check_call(log, tool, call, context)
    if event and is_unknown(log, call.id):
        with contextlib.suppress(IllegalEvent):  # its own driver or a person said so just now
            await log.append(event)
