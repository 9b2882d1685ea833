"""What came of a turn, read from its records. Pure."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Generic, Literal

from msgspec import structs

from . import events as e
from .call import asked_calls
from .check_due import checks_output
from .context import ChildResult
from .count_calls import CallCount
from .errors import (
    ContextOverflow,
    ModelDenied,
    ModelError,
    ModelRejected,
    ModelUnavailable,
    NotAnswered,
    TurnFailed,
)
from .limits import format_amount, name_unit
from .notebook import Row, describe_usd, show_in_notebook
from .state import State
from .taint import labels_of
from .turn import Turn
from .type_variables import Output
from .waits import find_waits

Status = Literal["answered", "limit", "failed", "refused", "cancelled", "waiting", "unfinished"]
"""How the turn ended. `waiting`: for a person, or work elsewhere. `unfinished`: the process that
drove it is gone."""


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
    """Of work, without waiting for people."""


@dataclass(frozen=True)
class Result(Generic[Output]):
    """What `run` returns. All of it is read from `records`, the turn's part of the log."""

    thread_id: str
    status: Status
    answer: str
    """The answer, or the best partial one; "" if the model said nothing. Of a flow: its value, as
    JSON. `output` is the same as a value."""
    reason: str
    """Why the turn ended as it did: the limit's name, the refusal, the failure."""
    usage: e.Usage
    steps: int
    seconds: float
    """Of work, without waiting for people."""
    records: tuple[e.Record, ...] = field(repr=False)
    waiting: tuple[e.PendingDecision, ...] = ()
    """With status `waiting`: the calls that a person must decide on or answer, and those whose work
    goes on elsewhere; also of children."""
    outputs: tuple[Output, ...] = ()
    """`output`, or nothing where there is none."""
    labels: tuple[e.Label, ...] = ()
    """What its thread holds of strangers' text and private data. Where the answer becomes a message
    to another agent, it goes along: `UserSaid(result.answer, labels=result.labels)`."""

    @property
    def output(self) -> Output:
        """The answer as the agent's output type, by default its text. Of a flow: what it returned.

        Raises NotAnswered where there is none: see `status`, or use `find_output`.
        """
        if not self.outputs:
            raise NotAnswered(f"thread {self.thread_id}", self)
        return self.outputs[0]

    def find_output(self) -> Output | None:
        """`output`, or None where there is none."""
        return next(iter(self.outputs), None)

    def summary(self) -> Summary:
        """Totals of calls, successes, errors, retries, tokens, cost and seconds."""
        return make_summary(self.records, self.seconds)

    def _repr_mimebundle_(self, **_: object) -> dict[str, str]:
        summary = self.summary()
        waits = ", ".join(_describe_wait(each) for each in self.waiting)
        rows: list[Row] = [
            ("thread", self.thread_id),
            ("reason", "" if self.waiting else self.reason),
            ("waits for", waits),
            ("steps", self.steps),
            ("tool calls", summary.tool_calls),
            ("tokens", f"{summary.tokens:,}"),
            ("cost", describe_usd(summary.cost_usd)),
            ("seconds of work", f"{self.seconds:.3g}"),
        ]
        return show_in_notebook(self.status, rows, self.answer)


def read_result(records: Sequence[e.Record], state: State) -> Result:
    """The result of the last turn in these records, which need not begin with the thread."""
    turn = state.turn or Turn(0)
    thread_id = records[0].thread_id
    waiting = find_waits(state, thread_id)
    status, reason = _status(turn, waiting)
    if _is_withheld(turn, state):
        turn = structs.replace(turn, answer="")
    records_of_turn = tuple(record for record in records if record.seq >= turn.opened_seq)
    return Result(
        thread_id=thread_id,
        status=status,
        answer=_answer(turn, records_of_turn),
        reason=reason,
        usage=turn.usage,
        steps=turn.steps,
        seconds=turn.active_s,
        records=records_of_turn,
        waiting=waiting,
        labels=labels_of(state.held),
    )


def _is_withheld(turn: Turn, state: State) -> bool:
    """Whether a check has refused the last text, or is yet to see it: nobody gets that."""
    if turn.checked:
        return turn.checked.verdict == "deny"
    return checks_output(state.described.get(state.agent))


def _answer(turn: Turn, records: Sequence[e.Record]) -> str:
    """The last text of the model, or what a flow returned.

    Where a limit left no time or tokens for one, a line says so, and names what was done by then.
    """
    if turn.ended is None:
        return turn.answer
    if turn.ended.status != "limit" or turn.said_last_word:
        return turn.answer or turn.ended.value
    reached = turn.ended.reason
    if turn.limit:
        reached = f"{format_amount(turn.limit.allowed)} {name_unit(reached)}"
    line = f"[Stopped at the limit: {reached}."
    if not turn.answer:
        line = f"[Stopped before an answer, at the limit: {reached}. {_describe_done(records)}"
    return "\n\n".join(filter(None, (turn.answer, f"{line}]")))


def _describe_done(records: Sequence[e.Record]) -> str:
    names = {call.id: call.name for record in records for call in asked_calls(record.event)}
    done: Counter[str] = Counter()
    for record in records:
        match record.event:
            case e.ToolReturned(call_id=gave) | e.OutcomeDecided(call_id=gave, outcome="ran"):
                done[names.get(gave, gave)] += 1
    if not done:
        return "No tool had given a result."
    counted = [f"{name} ({count})" for name, count in done.items()]
    return f"Results by then: {', '.join(counted)}."


def make_summary(records: Iterable[e.Record], seconds: float) -> Summary:
    """Totals over these records, of one turn or of several."""
    model_calls = model_retries = tokens = 0
    costs_usd: list[float | None] = []
    calls = CallCount()
    for record in records:
        calls.add(record)
        event = record.event
        if isinstance(event, e.ModelReplied | e.ModelFailed | e.ToolReturned | e.ToolFailed):
            tokens += event.usage.total_tokens
            if event.usage.total_tokens or not isinstance(event, e.ModelFailed):
                costs_usd.append(event.cost_usd)
        model_calls += isinstance(event, e.ModelReplied)
        model_retries += isinstance(event, e.ModelCalled) and event.attempt > 1
    known_usd = [cost for cost in costs_usd if cost is not None]
    cost_usd = None
    if len(known_usd) == len(costs_usd):
        cost_usd = sum(known_usd)
    tools = calls.read().values()
    return Summary(
        model_calls=model_calls,
        model_retries=model_retries,
        tool_calls=sum(each.calls for each in tools),
        tool_successes=sum(each.successes for each in tools),
        tool_errors=sum(each.errors for each in tools),
        tool_retries=sum(each.retries for each in tools),
        tokens=tokens,
        cost_usd=cost_usd,
        seconds=round(seconds, 3),
    )


def make_child_result(name: str, result: Result) -> ChildResult:
    """What the parent is told of a child's turn, so far or in the end, with its labels."""
    result = since_reopening(result)
    answer, failed = f"[the agent {name}]\n{result.answer}", False
    if result.status != "answered":
        answer, failed = f"[the agent {name}] gave no answer: {result.status}", not result.waiting
        if result.reason:
            answer += f", {result.reason}"
        if result.answer:
            answer += f". It had got so far:\n{result.answer}"
    cost_usd = result.summary().cost_usd
    return ChildResult(answer, result.usage, cost_usd, result.waiting, failed, result.labels)


def since_reopening(result: Result) -> Result:
    """The result, with the records and the usage since the turn was last reopened.

    What a child had used before, its parent has counted already.
    """
    starts = [
        index
        for index, record in enumerate(result.records)
        if isinstance(record.event, e.ThreadClaimed) and record.event.reopens
    ]
    if not starts:
        return result
    records = result.records[starts[-1] :]
    used = [getattr(record.event, "usage", e.Usage()) for record in records]
    return replace(result, records=records, usage=sum(used, e.Usage()))


def _status(turn: Turn, waiting: Sequence[e.PendingDecision]) -> tuple[Status, str]:
    if turn.ended:
        return turn.ended.status, turn.ended.reason
    if not waiting:
        return "unfinished", ""
    return "waiting", ", ".join(_describe_wait(each) for each in waiting)


def _describe_wait(pending: e.PendingDecision) -> str:
    if pending.status == "limit":
        return pending.reason
    why = pending.reason or pending.status
    if pending.status == "pending":
        why = f"waits for {pending.handle}"
    return f"{pending.name or pending.status}: {why}"


def make_turn_error(result: Result, state: State) -> ModelError | TurnFailed:
    """The exception of a failed turn: a ModelError by the provider's answer, or TurnFailed."""
    failed = state.turn.failed if state.turn else None
    error_class: type[ModelError | TurnFailed] = TurnFailed
    for each in (ModelUnavailable, ContextOverflow, ModelDenied, ModelRejected):
        if failed and failed.kind == each.kind:
            error_class = each
    error = error_class(result.reason)
    if failed and isinstance(error, ModelError):
        error.status, error.request_id = failed.status, failed.request_id
        error.body = failed.body
    error.result = result
    error.add_note(f"in thread {result.thread_id}, which has it all")
    return error
