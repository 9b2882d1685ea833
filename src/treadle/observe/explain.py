"""Explains where a thread stands, and what resuming it would do. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import assert_never

from ..core import events as e
from ..core.call import CallState, asked_calls, find_pending_decisions
from ..core.decide import Append, CallModel, PollCalls, RunCheck, RunTools, Wait, decide
from ..core.links import is_child_in
from ..core.result import Status, read_result
from ..core.state import State, fold
from ..core.turn_after import goes_on_when_resumed, may_reopen
from ..core.waits import (
    after_claim,
    find_tree_waits,
    find_waits,
    imported_decision,
    is_held,
    name_each_limit_once,
)
from ..flows.step_results import find_failed_steps
from ..runtime.settings import NO_MODEL, RunSettings
from .agent_changes import changes_since_last_call
from .checked_text import describe_checked, original_text
from .deed_text import (
    call_state_text,
    call_text,
    describe_asking,
    describe_check,
    describe_event,
    describe_run,
    short,
)
from .outward import list_outward_calls
from .permissions import describe_permissions
from .short_text import late_text, posted_text
from .wait_text import describe_wait


@dataclass(frozen=True)
class Explanation:
    """Sentences for people, in the order in which to read them."""

    status: Status
    done: tuple[str, ...]
    """The last turn's calls that have a result; they never run again."""
    unknown: tuple[str, ...]
    """Calls that started and have no result: they may have had their effect."""
    waits_for: tuple[str, ...]
    """What people must do before the turn can go on."""
    next: str
    """What resuming would do first."""
    changes: tuple[str, ...]
    """What has changed in the agent since its model was last called."""
    allowed: tuple[str, ...] = ()
    """What people have allowed beforehand, here and in the children, and how to take it back."""
    running: tuple[str, ...] = ()
    """Calls that a living process runs now: it will write what came of them."""
    paid_from: tuple[str, ...] = ()
    """What its model calls are paid from, what that has come to, and who else waits for it."""
    outward: tuple[str, ...] = ()
    """The calls that acted outward beside untrusted text and private data, and who let them."""


WITHOUT_OUTCOME = ("started", "unknown")

ChildRecords = Mapping[str, Sequence[e.Record]]
"""The records of child threads, by thread id.

Without them, what the parent's log last says of its children holds.
"""


def explain(
    records: Sequence[e.Record],
    settings: RunSettings,
    children: ChildRecords | None = None,
    driven: bool = False,
) -> Explanation:
    """Where a thread stands, for an agent with these settings.

    Needs at least one record of the thread. `driven`: somebody alive drives it.
    """
    state = fold(records)
    driven = driven and state.is_open
    claimed = state
    if not driven:
        claimed = after_claim(state, reopens=goes_on_when_resumed(state.turn))
    last_turn = read_result(records, state)
    thread_id = records[0].thread_id
    going_on = _children_that_go_on(claimed, children or {})
    if not state.trusted:
        next_action = "nothing, until somebody adopts the thread: it was imported"
    elif is_held(state):
        next_action = "nothing, until somebody lets the thread go on"
    elif driven:
        next_action = "wait for the living process that drives it, and give its result"
    elif going_on:
        next_action = "; ".join(going_on)
    elif is_flow(records, settings):
        next_action = _next_of_flow(claimed, records)
    else:
        next_action = _next_of_agent(claimed, settings.in_charge(claimed))
    waiting: tuple[e.PendingDecision, ...] = ()
    if state.is_open:
        waiting = pending_decisions(records, settings, children, driven)
    running: list[str] = []
    if driven and state.turn:
        calls = state.turn.calls.values()
        running = [call_state_text(call) for call in calls if call.status == "started"]
    return Explanation(
        status=last_turn.status,
        done=tuple(_describe_done(last_turn.records)),
        unknown=tuple(_describe_unknown(state, claimed)),
        running=tuple(running),
        waits_for=tuple(describe_wait(each, thread_id) for each in waiting),
        next=next_action,
        changes=tuple(changes_since_last_call(state, settings)),
        allowed=tuple(describe_permissions(thread_id, {thread_id: records} | dict(children or {}))),
        outward=tuple(list_outward_calls(records)),
    )


def pending_decisions(
    records: Sequence[e.Record],
    settings: RunSettings,
    children: ChildRecords | None = None,
    driven: bool = False,
) -> tuple[e.PendingDecision, ...]:
    """The calls that would wait for a person after a resume; also those of child threads.

    `driven`: those that wait now, while somebody alive drives the thread.
    """
    state = fold(records)
    if not state.trusted:
        return (imported_decision(records[0].thread_id, state),)
    turn = state.turn
    claimed = turn if driven else after_claim(state).turn
    if turn is None or turn.ended or claimed is None:
        return ()
    settings = settings.in_charge(state)
    found: list[e.PendingDecision] = []
    if is_held(state) or turn.held:
        return find_waits(state, records[0].thread_id)
    for id, call in claimed.calls.items():
        child: Sequence[e.Record] = ()
        if call.child and children:
            child = children.get(call.child.thread_id, ())
        if call.child and child and is_child_in(records, call.child, child):
            tool = settings.policy.tools.get(call.name)
            own = settings
            if tool and tool.child and tool.child.agent:
                own = tool.child.agent.run_settings
            below = pending_decisions(child, own, children, driven)
            # Of a call that may run again, since a limit was raised, nothing waits for that.
            found += [each for each in below if each.status != "limit" or call.status == "child"]
        elif turn.calls[id].status == "child":
            found += turn.calls[id].waiting
        else:
            waiting = find_pending_decisions(call, records[0].thread_id)
            found += [each for each in waiting if turn.imported or _asks_person(call, settings)]
    return name_each_limit_once(found)


def _asks_person(call: CallState, settings: RunSettings) -> bool:
    """Whether a person decides, and not the tool, which may simply run again, nor the policy."""
    if call.status != "unknown":
        return True
    tool = settings.policy.tools.get(call.name)
    if call.handle and tool and tool.poll:
        return False
    if settings.policy.must_check(call) or _is_step_to_check(call):
        return False
    runs_again = tool and tool.idempotent and not tool.child
    return not runs_again and settings.policy.unknown == "ask"


def _is_step_to_check(call: CallState) -> bool:
    return call.status == "unknown" and call.verifies and not call.is_unclear


def _describe_unknown(state: State, claimed: State) -> list[str]:
    if state.turn and state.turn.ended:
        how = f"started, and the turn was {state.turn.ended.status}: may have had its effect"
        calls = [call for call in state.turn.calls.values() if call.status in WITHOUT_OUTCOME]
        return [f"{call_state_text(call)} {how}" for call in calls]
    if not claimed.turn:
        return []
    calls = [call for call in claimed.turn.calls.values() if call.status == "unknown"]
    return [call_state_text(call) for call in calls]


def _describe_done(records: Sequence[e.Record]) -> list[str]:
    asked: dict[str, e.Call] = {}
    lines = []
    for record in records:
        asked |= {call.id: call for call in asked_calls(record.event)}
        match record.event:
            case e.UserSaid(text=text, steers=True):
                lines.append(f"a person said meanwhile: {short(text)}")
            case e.Checked() as checked:
                lines.append(describe_checked(checked))
            case e.ToolDeferred(call_id=call_id):
                lines.append(f"the model went on without {call_text(asked[call_id])}")
            case e.ToolReturned(call_id=call_id, content=content) as event:
                what = f"{call_text(asked[call_id])} returned {short(content)}"
                what += late_text(event.claim) + posted_text(event.by)
                lines.append(what + original_text(event.original))
            case e.ToolFailed(call_id=call_id, message=message, retry_after_s=None) as event:
                what = f"{call_text(asked[call_id])} failed: {short(message)}"
                lines.append(what + late_text(event.claim) + posted_text(event.by))
            case e.OutcomeDecided(call_id=call_id, outcome="ran" | "tell" as outcome, by=by):
                lines.append(f"{call_text(asked[call_id])} was decided by {by}: {outcome}")
    return lines


def _children_that_go_on(state: State, children: ChildRecords) -> list[str]:
    """The calls whose children wait for nothing any more, though their parent's log says so."""
    states = {id: fold(records) for id, records in children.items() if records}
    calls = state.calls.values()
    return [
        describe_run(call)
        for call in calls
        if call.status == "child"
        and call.child
        and call.child.thread_id in states
        and not find_tree_waits(call.child.thread_id, states)
    ]


def _next_of_agent(state: State, settings: RunSettings) -> str:
    match decide(state, settings.policy):
        case CallModel(purpose, attempt, model=other):
            name = other or settings.model.name
            tried = f", try {attempt}" if attempt > 1 else ""
            return f"ask {name} ({purpose}{tried}){_describe_news(state)}"
        case RunTools(calls, checks):
            return "; ".join([*map(describe_check, checks), *map(describe_run, calls)])
        case PollCalls(calls):
            what = [f"{call_state_text(call)}, {short(call.handle)}" for call in calls]
            return f"ask the poll what became of {'; '.join(what)}"
        case RunCheck() as asked:
            return describe_asking(asked)
        case Append(events):
            return "; ".join(f"record {describe_event(event)}" for event in events)
        case Wait():
            if state.phase == "idle":
                return "nothing: the turn has ended"
            return _until_moved(state)
        case never:
            assert_never(never)


def _describe_news(state: State) -> str:
    """What the next model call shows that was said or came since the last one."""
    news = []
    if state.turn and state.turn.unseen:
        news.append("what a person has said meanwhile")
    if state.turn and state.turn.came_late:
        news.append("the result of a call that it had gone on without")
    if not news:
        return ""
    return f", and show it {' and '.join(news)}"


def is_flow(records: Sequence[e.Record], settings: RunSettings) -> bool:
    """Whether the code of a flow drives this thread, and not a model."""
    if settings.model.name == NO_MODEL:
        return True
    return any(isinstance(record.event, e.StepAsked) for record in records)


def _next_of_flow(state: State, records: Sequence[e.Record]) -> str:
    """What the log knows: which steps are open. The steps after them are in the flow's code."""
    if state.phase == "idle" and may_reopen(state.turn):
        again = ", ".join(find_failed_steps(records)) or "its code"
        return f"nothing: the turn has ended; with --retry-failed, run {again} again"
    if state.phase == "idle":
        return "nothing: the turn has ended"
    calls = state.turn.calls.values() if state.turn else ()
    ready = [call for call in calls if call.status in ("asked", "allowed", "retrying")]
    checks = [call for call in calls if _is_step_to_check(call)]
    waits = ("waiting", "question", "pending", "unknown")
    waiting = [call for call in calls if call.status in waits or call.waiting]
    if waiting and not ready and not checks:
        return _until_moved(state, "; a step that is idempotent runs again by itself")
    code = "run the flow's code from its start, with the results that are here"
    return "; ".join([code, *map(describe_check, checks), *map(describe_run, ready)])


def _until_moved(state: State, else_too: str = "") -> str:
    """Why resuming does nothing, where all calls wait."""
    calls = state.turn.calls.values() if state.turn else ()
    if calls and all(call.status == "pending" for call in calls):
        return "nothing, until the work elsewhere has ended, or its time has come"
    return f"nothing, until somebody decides{else_too}"
