"""Explains where a thread stands, and what resuming it would do. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import assert_never

from ..core import events as e
from ..core.call import CallState, find_pending_decisions
from ..core.decide import Append, CallModel, PollCalls, RunCheck, RunTools, Wait, decide
from ..core.links import is_child_in
from ..core.result import Status, read_result
from ..core.state import State
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
from .deed_text import (
    call_state_text,
    describe_asking,
    describe_check,
    describe_done,
    describe_event,
    describe_run,
    describe_unknown,
    short,
)
from .folded import Folded, fold_thread
from .permissions import describe_permissions
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
    return explain_folded(fold_thread(records), settings, _fold_all(children), driven)


def explain_folded(
    thread: Folded, settings: RunSettings, children: Mapping[str, Folded], driven: bool
) -> Explanation:
    """As `explain`, of threads that were folded already."""
    records, state = thread.records, thread.state
    driven = driven and state.is_open
    claimed = state
    if not driven:
        claimed = after_claim(state, reopens=goes_on_when_resumed(state.turn))
    last_turn = read_result(records, state)
    thread_id = records[0].thread_id
    below = {name: child.state for name, child in children.items()}
    going_on = _children_that_go_on(claimed, below)
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
        waiting = _find_pending(thread, settings, children, driven)
    running: list[str] = []
    if driven and state.turn:
        calls = state.turn.calls.values()
        running = [call_state_text(call) for call in calls if call.status == "started"]
    return Explanation(
        status=last_turn.status,
        done=tuple(describe_done(last_turn.records)),
        unknown=tuple(describe_unknown(state, claimed)),
        running=tuple(running),
        waits_for=tuple(describe_wait(each, thread_id) for each in waiting),
        next=next_action,
        changes=tuple(changes_since_last_call(state, settings)),
        allowed=tuple(describe_permissions(thread_id, {thread_id: state, **below})),
        outward=tuple(thread.outward.values()),
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
    return _find_pending(fold_thread(records), settings, _fold_all(children), driven)


def _find_pending(
    thread: Folded, settings: RunSettings, children: Mapping[str, Folded], driven: bool
) -> tuple[e.PendingDecision, ...]:
    records, state = thread.records, thread.state
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
        child = children.get(call.child.thread_id) if call.child else None
        if call.child and child and is_child_in(records, call.child, child.records):
            tool = settings.policy.tools.get(call.name)
            own = settings
            if tool and tool.child and tool.child.agent:
                own = tool.child.agent.run_settings
            below = _find_pending(child, own, children, driven)
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


def _fold_all(children: ChildRecords | None) -> dict[str, Folded]:
    given = children or {}
    return {thread_id: fold_thread(records) for thread_id, records in given.items() if records}


def _children_that_go_on(state: State, states: Mapping[str, State]) -> list[str]:
    """The calls whose children wait for nothing any more, though their parent's log says so."""
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
