"""What is true after a log, and all rules about which event may follow which. Pure.

1. `apply` is the only way from one state to the next; `fold` is `apply` over a whole log.
2. LEGAL_PHASES says in which phases an event may come, `call.LEGAL_STATUSES` which status its call
   must have. An event that they forbid raises IllegalEvent and changes nothing.
3. A new claim finds what a dead process left: its model call is lost, and what its started tools
   did is unknown.
"""

from collections.abc import Iterable
from typing import Any, Literal

import msgspec
from msgspec.structs import replace

from . import events as e
from .errors import IllegalEvent
from .limits import Spent
from .turn import Turn, apply_to_turn, find_call, turn_after_crash, turn_after_fork

Phase = Literal["empty", "idle", "ready", "calling", "acting"]
"""`empty`: no log yet. `idle`: no open turn. `ready`: nothing under way. `calling`: a model call in
flight. `acting`: tool calls without a result."""

OPEN_PHASES: frozenset[Phase] = frozenset(("ready", "calling", "acting"))
LEGAL_PHASES: dict[type, frozenset[Phase]] = {
    e.ThreadStarted: frozenset(("empty",)),
    e.ThreadClaimed: frozenset(("idle", *OPEN_PHASES)),
    e.ThreadForked: frozenset(("idle", *OPEN_PHASES)),
    e.UserSaid: frozenset(("idle", "acting")),
    e.NotesRecalled: frozenset(("idle",)),
    e.ContextCompacted: frozenset(("ready",)),  # never within a tool exchange
    e.ModelCalled: frozenset(("ready",)),
    e.ModelReplied: frozenset(("calling",)),
    e.ModelFailed: frozenset(("calling",)),
    e.StepAsked: frozenset(("ready", "acting")),
    e.ToolStarted: frozenset(("acting",)),
    e.ChildStarted: frozenset(("acting",)),
    e.ChildWaits: frozenset(("acting",)),
    e.HandedOff: frozenset(("acting",)),
    e.ToolReturned: frozenset(("acting",)),
    e.ToolFailed: frozenset(("acting",)),
    e.ApprovalAsked: frozenset(("acting",)),
    e.ApprovalGiven: frozenset(("acting",)),
    e.QuestionAsked: frozenset(("acting",)),
    e.OutcomeDecided: frozenset(("acting",)),
    e.AnswerRejected: frozenset(("ready",)),
    e.LimitReached: frozenset(("ready", "acting")),
    e.TurnEnded: OPEN_PHASES,
}


class TokenCalibration(msgspec.Struct, frozen=True):
    """How the model that was called last counts tokens, as its replies show."""

    model: str = ""
    ratio: float = 1.0
    """Its count of a prompt's tokens, divided by our estimate; at least 1."""
    refused_tokens: int = 0
    """The smallest prompt that it has refused as too large, by our estimate; 0: none yet."""

    def of(self, model: str) -> "TokenCalibration":
        """What is known of that model: nothing, if another was called last."""
        if self.model == model:
            return self
        return TokenCalibration(model)


class State(msgspec.Struct, frozen=True):
    """What `decide` goes by."""

    seq: int = 0
    at: float = 0.0
    agent: str = ""
    """The name of the agent in charge: the one that began the thread, or took it over."""
    depth: int = 0
    key: str = ""
    worker: str = ""
    """Who made the last claim."""
    identity: e.Identity | None = None
    """What the agent was at the last claim."""
    turns: int = 0
    always: frozenset[str] = frozenset()
    """Names of the tools that a person has allowed for the rest of the thread."""
    calibration: TokenCalibration = TokenCalibration()
    turn: Turn | None = None
    """The turn under way, or the last one."""

    @property
    def phase(self) -> Phase:
        if self.seq == 0:
            return "empty"
        if self.turn is None or self.turn.ended:
            return "idle"
        if self.turn.called:
            return "calling"
        if self.turn.calls:
            return "acting"
        return "ready"

    @property
    def spent(self) -> Spent:
        """What the turn has used, with the worst case of model calls and children at work."""
        turn = self.turn or Turn(0)
        tokens = turn.usage.total_tokens + turn.lost_tokens
        cost_usd = turn.cost_usd
        if turn.called:
            tokens += turn.called.prompt_tokens + turn.called.max_output_tokens
            cost_usd += turn.called.reserved_usd
        for call in turn.calls:
            if call.child and call.status != "done":
                tokens += call.child.tokens or 0
                cost_usd += call.child.cost_usd or 0.0
        return Spent(turn.steps, turn.tool_calls, tokens, cost_usd, turn.active_s)


def fold(records: Iterable[e.Record]) -> State:
    """The state after these records, oldest first. Raises IllegalEvent."""
    state = State()
    for record in records:
        state = apply(state, record)
    return state


def apply(state: State, record: e.Record) -> State:
    """The state after one more record. Raises IllegalEvent; never changes the state given."""
    _refuse_illegal(state, record)
    event = record.event
    changes: dict[str, Any] = {"seq": record.seq, "at": record.at}
    match event:
        case e.ThreadStarted():
            changes |= {"agent": event.agent, "key": event.key, "depth": event.depth}
        case e.UserSaid(answers=""):
            changes |= {"turn": Turn(record.seq), "turns": state.turns + 1}
        case e.ThreadClaimed():
            changes["worker"] = event.worker
            changes["identity"] = event.identity or state.identity
            changes["turn"] = state.turn and turn_after_crash(state.turn)
        case e.ThreadForked():
            changes |= {"key": event.key, "worker": "", "depth": 0}
            changes["turn"] = state.turn and turn_after_fork(state.turn)
        case e.NotesRecalled():
            pass
        case _:
            changes |= _changes_in_turn(state, record)
    return replace(state, **changes)


def _refuse_illegal(state: State, record: e.Record) -> None:
    event = record.event
    if record.seq != state.seq + 1:
        raise IllegalEvent(
            f"record {record.seq} of {record.thread_id} can't follow record {state.seq}"
        )
    if state.phase not in LEGAL_PHASES[type(event)]:
        raise IllegalEvent(
            f"{type(event).__name__} can't come in phase {state.phase!r}, at seq {record.seq}"
        )
    if isinstance(event, e.UserSaid) and bool(event.answers) == (state.phase == "idle"):
        raise IllegalEvent(
            "a message opens a turn; while tools run it must answer a question, and only then"
        )


def _changes_in_turn(state: State, record: e.Record) -> dict[str, Any]:
    event = record.event
    assert state.turn is not None
    turn = replace(state.turn, active_s=state.turn.active_s + _active_s(state, record))
    changes: dict[str, Any] = {"turn": apply_to_turn(turn, event, state.key)}
    if isinstance(event, e.ApprovalGiven) and event.always and event.allowed:
        changes["always"] = state.always | {find_call(turn, event.call_id).name}
    if isinstance(event, e.HandedOff):
        changes["agent"] = event.agent
    if turn.called:
        changes["calibration"] = _calibrate(state.calibration, turn.called, event)
    return changes


def _calibrate(
    calibration: TokenCalibration, called: e.ModelCalled, event: e.Event
) -> TokenCalibration:
    """What the event that ends a model call shows of the model's tokens."""
    before = calibration.of(called.model)
    if isinstance(event, e.ModelReplied) and not event.usage.estimated:
        counted = event.usage.input_tokens / max(1, called.prompt_tokens)
        return replace(before, ratio=min(8.0, max(1.0, before.ratio * counted)))
    if isinstance(event, e.ModelFailed) and event.kind == "overflow":
        refused = before.refused_tokens or called.prompt_tokens
        return replace(before, refused_tokens=min(refused, called.prompt_tokens))
    return before


def _active_s(state: State, record: e.Record) -> float:
    """Seconds of work since the last record: 0 while a person is waited for."""
    waits: tuple[str, ...] = ("waiting", "question", "child", "unknown", "done")
    if isinstance(record.event, e.ApprovalGiven | e.OutcomeDecided | e.UserSaid):
        # A person's decisions come one after the other, perhaps days apart.
        waits += ("allowed", "denied")
    if state.turn and state.turn.calls and all(call.status in waits for call in state.turn.calls):
        return 0.0
    return max(0.0, record.at - state.at)
