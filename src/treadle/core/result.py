"""What came of a turn: a reader of its records. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from . import events as e
from .call import find_pending_decisions
from .context import ChildResult
from .errors import (
    ContextOverflow,
    ModelDenied,
    ModelError,
    ModelRejected,
    ModelUnavailable,
    TurnFailed,
)
from .state import State
from .turn import Turn

Status = Literal["answered", "limit", "failed", "refused", "cancelled", "waiting", "unfinished"]
"""How the turn ended; `waiting` for a person; `unfinished` where the process that drove it is gone."""


@dataclass(frozen=True)
class Summary:
    """Totals of one turn."""

    model_calls: int
    model_retries: int
    tool_calls: int
    tool_successes: int
    tool_errors: int
    tool_retries: int
    tokens: int
    cost_usd: float | None
    """None where a model has no known price."""
    seconds: float
    """Of work; waiting for a person doesn't count."""


@dataclass(frozen=True)
class Result:
    """What `run` gives. All of it is read from `records`, the turn's own part of the log."""

    thread_id: str
    status: Status
    answer: str
    """The answer, or the best partial one; "" where the model said nothing. Of a flow: its value, as JSON."""
    reason: str
    """Why the turn ended as it did: the limit's name, the refusal, the failure."""
    usage: e.Usage
    steps: int
    seconds: float
    """Of work; waiting for a person doesn't count."""
    records: tuple[e.Record, ...]
    waiting: tuple[e.PendingDecision, ...] = ()
    """The calls that a person must decide on or answer, when the status is `waiting`: also those of agents below."""
    output: Any = None
    """The answer as the type that the agent was asked for, None without one. Of a flow: what it returned."""

    def summary(self) -> Summary:
        """Totals of calls, successes, errors, retries, tokens, cost and seconds."""
        return make_summary(self.records, self.seconds)


def read_result(records: Sequence[e.Record], state: State) -> Result:
    """What came of the last turn in these records of one thread. Its first record may be later than the thread's."""
    turn = state.turn or Turn(0)
    own = tuple(record for record in records if record.seq >= turn.opened_seq)
    status, reason = _status(turn)
    thread_id = records[0].thread_id
    waiting = tuple(held for call in turn.calls for held in find_pending_decisions(call, thread_id))
    return Result(
        thread_id,
        status,
        turn.answer or (turn.ended.value if turn.ended else ""),
        reason,
        turn.usage,
        turn.steps,
        turn.active_s,
        own,
        waiting if status == "waiting" else (),
    )


def make_summary(records: Iterable[e.Record], seconds: float) -> Summary:
    """Totals over these records, of one turn or of several."""
    records = list(records)
    events = [record.event for record in records]
    replies = [event for event in events if isinstance(event, e.ModelReplied)]
    priced = [event.cost_usd for event in events if isinstance(event, e.ModelReplied)]
    priced += [
        event.cost_usd
        for event in events
        if isinstance(event, e.ModelFailed) and event.usage.total_tokens
    ]
    failed = [event for event in events if isinstance(event, e.ToolFailed)]
    decided = [event.outcome for event in events if isinstance(event, e.OutcomeDecided)]
    returned = sum(isinstance(event, e.ToolReturned) for event in events) + decided.count("ran")
    gone = sum(event.retry_after_s is None for event in failed) + decided.count("tell")
    below = [event for event in events if isinstance(event, e.ToolReturned | e.ToolFailed)]
    priced += [event.cost_usd for event in below]
    used = [event.usage for event in events if isinstance(event, e.ModelReplied | e.ModelFailed)]
    used += [event.usage for event in below]
    return Summary(
        model_calls=len(replies),
        model_retries=sum(
            isinstance(event, e.ModelCalled) and event.attempt > 1 for event in events
        ),
        tool_calls=returned + gone,
        tool_successes=returned,
        tool_errors=gone,
        tool_retries=_retries(records),
        tokens=sum(usage.total_tokens for usage in used),
        cost_usd=None if None in priced else sum(cost for cost in priced if cost is not None),
        seconds=round(seconds, 3),
    )


def _retries(records: Iterable[e.Record]) -> int:
    """Calls that started once more; an agent that only went on, after a crash or a person's word, isn't one."""
    again, children = list[tuple[str, str]](), set[tuple[str, str]]()
    for record in records:
        match record.event:
            case e.ToolStarted(call_id=call_id, attempt=attempt) if attempt > 1:
                again.append((record.thread_id, call_id))
            case e.ChildStarted(call_id=call_id):
                children.add((record.thread_id, call_id))
    return sum(call not in children for call in again)


def make_child_result(name: str, done: Result) -> ChildResult:
    """What the thread above is told of a turn that worked for it."""
    mark, cost_usd = f"[the agent {name}]", done.summary().cost_usd
    if done.status == "answered":
        return ChildResult(f"{mark}\n{done.answer}", done.usage, cost_usd)
    why = f"{mark} gave no answer: {done.status}{f', {done.reason}' if done.reason else ''}"
    partial = f". It had got so far:\n{done.answer}" if done.answer else ""
    return ChildResult(
        f"{why}{partial}", done.usage, cost_usd, done.waiting, failed=not done.waiting
    )


def _status(turn: Turn) -> tuple[Status, str]:
    if turn.ended:
        return turn.ended.status, turn.ended.reason
    held = [held for call in turn.calls for held in find_pending_decisions(call, "")]
    if held and all(
        find_pending_decisions(call, "") or call.status == "done" for call in turn.calls
    ):
        return "waiting", ", ".join(f"{each.name}: {each.reason or each.status}" for each in held)
    return "unfinished", ""


def make_turn_error(done: Result, state: State) -> ModelError | TurnFailed:
    """The exception of a turn that failed: a ModelError of the class that the provider's answer has, or TurnFailed."""
    failed = state.turn.failed if state.turn else None
    kinds: dict[str, type[ModelError | TurnFailed]] = {
        kind.kind: kind for kind in (ModelUnavailable, ContextOverflow, ModelDenied, ModelRejected)
    }
    kind = kinds.get(failed.kind, TurnFailed) if failed else TurnFailed
    error = kind(done.reason)
    error.result = done
    error.add_note(f"in thread {done.thread_id}, which has it all")
    return error
