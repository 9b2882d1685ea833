"""Where a thread stands, and what resuming it would do, before it does it. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import assert_never

from ..core import events as e
from ..core.call import CallState, find_pending_decisions
from ..core.decide import Append, CallModel, RunTools, Wait, decide
from ..core.result import Status, read_result
from ..core.state import State, apply, fold
from ..runtime.settings import NO_MODEL, RunSettings


@dataclass(frozen=True)
class Explanation:
    """Sentences for people, in the order to read them."""

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
    """How the agent differs from what it was at the last claim."""


Below = Mapping[str, Sequence[e.Record]]
"""By thread, the records of those that work for this one. Without them, what it was told of them last holds."""


def explain(
    records: Sequence[e.Record], job: RunSettings, agent: str, below: Below | None = None
) -> Explanation:
    """Where these records of one thread leave it, seen by an agent of that name and job. At least one record."""
    state = fold(records)
    was, now = read_result(records, state), job.in_charge(state)
    claimed = _claimed(records)
    return Explanation(
        status=was.status,
        done=tuple(_done(was.records)),
        unknown=tuple(_unknown(state, claimed)),
        waits_for=tuple(
            _waits(held, records[0].thread_id) for held in pending_decisions(records, job, below)
        ),
        next=_next_of_flow(claimed) if is_flow(records, job) else _next(claimed, now),
        changes=tuple(agent_changes(state.last_described, job.describe())),
    )


def pending_decisions(
    records: Sequence[e.Record], job: RunSettings, below: Below | None = None
) -> tuple[e.PendingDecision, ...]:
    """The calls that wait for a person, as a resume by this job would find them; also those of agents below."""
    turn, claimed = fold(records).turn, _claimed(records).turn
    if turn is None or turn.ended or claimed is None:
        return ()
    job = job.in_charge(fold(records))
    found: list[e.PendingDecision] = []
    for was, call in zip(turn.calls, claimed.calls, strict=True):
        if call.child and below and (under := below.get(call.child.thread_id)):
            tool = job.policy.tools.get(call.name)
            found += pending_decisions(
                under, tool.agent.run_settings if tool and tool.agent else job, below
            )
        elif was.status == "child":
            found += was.waiting
        else:
            found += [
                held
                for held in find_pending_decisions(call, records[0].thread_id)
                if _asks(held, job)
            ]
    return tuple(found)


def _asks(held: e.PendingDecision, job: RunSettings) -> bool:
    """Whether it is for a person to say: not where the call may run again, or the agent has a policy."""
    tool = job.policy.tools.get(held.name)
    sure = tool and tool.idempotent and not tool.child
    return held.status != "unknown" or (not sure and job.policy.unknown == "ask")


def _claimed(records: Sequence[e.Record]) -> State:
    """What a resume finds: it claims the thread first, and then nobody else runs its calls."""
    last = records[-1]
    return apply(
        fold(records), e.Record(last.thread_id, last.seq + 1, last.at, e.ThreadClaimed("explain"))
    )


def _unknown(state: State, claimed: State) -> list[str]:
    if state.turn and (ended := state.turn.ended):
        left = [call for call in state.turn.calls if call.status in ("started", "unknown")]
        how = f"started, and the turn was {ended.status}: may have had its effect"
        return [f"{_called(call)} {how}" for call in left]
    calls = claimed.turn.calls if claimed.turn else ()
    return [_called(call) for call in calls if call.status == "unknown"]


def agent_changes(was: e.AgentDescribed | None, now: e.AgentDescribed) -> list[str]:
    """How an agent differs from what it was, a sentence for each difference; none where nothing was recorded.

    A log of format 1 has the names of its tools and no more, so that only those are compared.
    """
    if was is None:
        return []
    found = []
    for name in ("agent", "model"):
        before, after = getattr(was, name), getattr(now, name)
        if before != after:
            found.append(f"the {name} was {before}, is now {after}")
    if was.instructions and was.instructions != now.instructions:
        found.append("the instructions have changed")
    if was.settings != now.settings:
        found.append("the settings of the model have changed")
    for name in sorted(was.tools.keys() | now.tools.keys()):
        if name not in now.tools:
            found.append(f"the tool {name} is gone")
        elif name not in was.tools:
            found.append(f"the tool {name} is new")
        elif was.tools[name].parameters and was.tools[name] != now.tools[name]:
            found.append(f"the tool {name} has another schema")
    return found


def _done(records: Sequence[e.Record]) -> list[str]:
    asked: dict[str, e.Call] = {}
    lines = []
    for record in records:
        match record.event:
            case e.ModelReplied(calls=calls):
                asked |= {call.id: call for call in calls}
            case e.StepAsked(call=call):
                asked[call.id] = call
            case e.ToolReturned(call_id=call_id, content=content):
                lines.append(f"{_call(asked[call_id])} returned {_short(content)}")
            case e.ToolFailed(call_id=call_id, message=message, retry_after_s=None):
                lines.append(f"{_call(asked[call_id])} failed: {_short(message)}")
            case e.OutcomeDecided(call_id=call_id, outcome="ran" | "tell" as outcome, by=by):
                lines.append(f"{_call(asked[call_id])} was decided by {by}: {outcome}")
    return lines


def _waits(held: e.PendingDecision, thread_id: str) -> str:
    what = _call(e.Call(held.id, held.name, held.final_arguments))
    what += f" in thread {held.thread_id}" if held.thread_id != thread_id else ""
    match held.status:
        case "waiting":
            return f"approve or deny {what}" + (f" ({held.reason})" if held.reason else "")
        case "question":
            return f"answer {held.id}: {held.reason}"
        case "unknown":
            return f"decide what became of {what}: it ran, it did not, or tell the model that nobody knows"
        case "imported":
            return f"adopt thread {held.thread_id}, which was imported"


def _next(state: State, job: RunSettings) -> str:
    match decide(state, job.policy):
        case CallModel(purpose, attempt):
            again = f", try {attempt}" if attempt > 1 else ""
            return f"ask {job.model.name} ({purpose}{again})"
        case RunTools(calls):
            return "; ".join(_run(call) for call in calls)
        case Append(events):
            return "; ".join(f"record {_fact(event)}" for event in events)
        case Wait():
            return (
                "nothing: the turn has ended"
                if state.phase == "idle"
                else "nothing, until somebody decides"
            )
        case never:
            assert_never(never)


def is_flow(records: Sequence[e.Record], job: RunSettings) -> bool:
    """Whether a flow's code drives this thread, and no model."""
    return job.model.name == NO_MODEL or any(
        isinstance(record.event, e.StepAsked) for record in records
    )


def _next_of_flow(state: State) -> str:
    """Which steps come next is in the flow's code; what the log says is which of them are under way."""
    if state.phase == "idle":
        return "nothing: the turn has ended"
    calls = state.turn.calls if state.turn else ()
    ready = [_run(call) for call in calls if call.status in ("asked", "allowed", "retrying")]
    held = any(call.status in ("waiting", "question", "unknown") for call in calls)
    if held and not ready:
        return "nothing, until somebody decides; a step that is idempotent runs again by itself"
    return "; ".join(["run the flow's code from its start, with the results that are here", *ready])


def _run(call: CallState) -> str:
    if call.child:
        return f"go on with {_called(call)} in thread {call.child.thread_id}"
    if call.attempt == 0:
        return f"run {_called(call)}"
    return f"run {_called(call)} again, with the same idempotency key {call.key}"


def _fact(event: e.Event) -> str:
    match event:
        case e.ToolFailed(call_id=call_id, message=message):
            return f"that {call_id} can't run: {message}"
        case e.ApprovalAsked(call_id=call_id):
            return f"that {call_id} needs approval"
        case e.TurnEnded(status=status, reason=reason):
            return f"that the turn has ended: {status}" + (f", {reason}" if reason else "")
        case e.LimitReached(limit=limit):
            return f"that the limit of {limit} is reached"
        case _:
            return type(event).__name__


def _called(call: CallState) -> str:
    return _call(e.Call(call.id, call.name, call.final_arguments))


def _call(call: e.Call) -> str:
    return f"{call.id} {call.name}({_short(call.arguments)})"


def _short(text: str, most: int = 120) -> str:
    return text if len(text) <= most else f"{text[:most]}… ({len(text)} characters)"
