"""What is true after a log, and every rule about what may follow what. Pure.

1. `apply` is the only way from one state to the next; `fold` is `apply` over a whole log.
2. LEGAL says in which phases an event may come, `turn.BEFORE` what a call must be before an event may speak of it.
   Whatever they refuse raises IllegalEvent and changes nothing.
3. A new claim finds what the dead left: a model call in flight is lost, a tool that started has an unknown outcome.
"""

from collections.abc import Iterable
from typing import Literal

import msgspec
from msgspec.structs import replace

from . import events as e
from .approvals import Permission
from .errors import IllegalEvent
from .limits import Spent
from .turn import (
    Turn,
    apply_to_turn,
    find_call,
    turn_after_crash,
    turn_after_fork,
    turn_after_import,
)

Phase = Literal["empty", "idle", "ready", "calling", "acting"]
"""No log yet; no open turn; nothing under way; a model call in flight; tool calls without a result."""

OPEN_PHASES: frozenset[Phase] = frozenset(("ready", "calling", "acting"))
LEGAL_PHASES: dict[type, frozenset[Phase]] = {
    e.ThreadStarted: frozenset(("empty",)),
    e.ThreadClaimed: frozenset(("idle", *OPEN_PHASES)),
    e.ThreadForked: frozenset(("idle", *OPEN_PHASES)),
    e.TrustChanged: frozenset(("idle", *OPEN_PHASES)),
    e.AgentDescribed: frozenset(("ready",)),
    e.UserSaid: frozenset(("idle", "acting")),
    e.NotesRecalled: frozenset(("idle",)),
    e.ContextCompacted: frozenset(("ready",)),  # never in the midst of a tool exchange
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
    """What the answers of the model that was asked last tell of how it counts tokens."""

    model: str = ""
    ratio: float = 1.0
    """How many times our estimate of a prompt's tokens it really counted; at least 1."""
    refused_tokens: int = 0
    """The smallest prompt, as we counted, that it refused as too large; 0: none yet."""

    def of(self, model: str) -> "TokenCalibration":
        """What is known of that model: nothing, where another was asked last."""
        return self if self.model == model else TokenCalibration(model)


class State(msgspec.Struct, frozen=True):
    """All that `decide` goes by."""

    seq: int = 0
    at: float = 0.0
    agent: str = ""
    """The name of the agent that began it, or that it was handed to since."""
    depth: int = 0
    key: str = ""
    claim: str = ""
    """The last claim: whoever made it drives the thread."""
    driver: str = ""
    trusted: bool = True
    """False for an imported thread that nobody has adopted."""
    described: dict[str, e.AgentDescribed] = {}
    """By name, what each agent of the thread was made of when it last asked its model."""
    asking: str = ""
    """The name of the agent that asked its model last."""
    turns: int = 0
    permissions: tuple[Permission, ...] = ()
    """What people have allowed beforehand."""
    calibration: TokenCalibration = TokenCalibration()
    turn: Turn | None = None
    """The turn under way, or the last one."""

    @property
    def last_described(self) -> e.AgentDescribed | None:
        """What the agent was made of that asked its model last."""
        return self.described.get(self.asking)

    @property
    def phase(self) -> Phase:
        if self.seq == 0:
            return "empty"
        if self.turn is None or self.turn.ended:
            return "idle"
        if self.turn.called:
            return "calling"
        return "acting" if self.turn.calls else "ready"

    @property
    def spent(self) -> Spent:
        turn = self.turn or Turn(0)
        flying = turn.called
        lent = [call.child for call in turn.calls if call.child and call.status != "done"]
        tokens = (
            turn.usage.total_tokens + turn.lost_tokens + sum(child.tokens or 0 for child in lent)
        )
        return Spent(
            turn.steps,
            turn.tool_calls,
            tokens + (flying.prompt_tokens + flying.max_output_tokens if flying else 0),
            turn.cost_usd
            + (flying.reserved_usd if flying else 0.0)
            + sum(child.cost_usd or 0.0 for child in lent),
            turn.active_s,
        )


def fold(records: Iterable[e.Record]) -> State:
    """What is true after these records, oldest first. Raises IllegalEvent."""
    state = State()
    for record in records:
        state = apply(state, record)
    return state


def apply(state: State, record: e.Record) -> State:
    """The state after one more record. Raises IllegalEvent; the state given is never changed."""
    event = record.event
    if record.seq != state.seq + 1:
        raise IllegalEvent(
            f"record {record.seq} of {record.thread_id} can't follow record {state.seq}"
        )
    if state.phase not in LEGAL_PHASES[type(event)] and not _revokes(state, event):
        raise IllegalEvent(
            f"{type(event).__name__} can't come in phase {state.phase!r}, at seq {record.seq}"
        )
    if isinstance(event, e.UserSaid) and bool(event.answers) == (state.phase == "idle"):
        raise IllegalEvent(
            "a message opens a turn; while tools run it must answer a question, and only then"
        )
    changes: dict[str, object] = {"seq": record.seq, "at": record.at}
    turn = state.turn
    if turn and not turn.ended:
        turn = replace(turn, active_s=turn.active_s + _active_s(state, record))
        changes["turn"] = turn
    match event:
        case e.ThreadStarted():
            changes |= {"agent": event.agent, "key": event.key, "depth": event.depth}
        case e.UserSaid() if not event.answers:
            changes |= {"turn": Turn(record.seq), "turns": state.turns + 1}
        case e.ThreadClaimed():
            changes |= {"claim": event.claim, "driver": event.driver}
            changes["turn"] = turn and turn_after_crash(turn)
            if event.identity:
                was = _from_format_1(event.identity)
                changes |= {"described": state.described | {was.agent: was}, "asking": was.agent}
        case e.ThreadForked():
            changes |= {
                "key": event.key,
                "claim": "",
                "driver": "",
                "depth": 0,
                "turn": turn and turn_after_fork(turn),
            }
        case e.NotesRecalled():
            pass
        case e.AgentDescribed():
            changes |= {"described": state.described | {event.agent: event}, "asking": event.agent}
        case e.TrustChanged():
            changes["trusted"] = event.trusted
            if not event.trusted:  # whoever wrote it may have allowed anything
                changes |= {
                    "permissions": (),
                    "turn": turn and turn_after_import(turn, state.key),
                }
        case e.ApprovalGiven() if _revokes(state, event):
            kept = (each for each in state.permissions if each.call_id != event.call_id)
            changes["permissions"] = tuple(kept)
        case _:
            assert turn is not None
            changes["turn"] = apply_to_turn(turn, event, state.key)
            if isinstance(event, e.ApprovalGiven) and event.always and event.allowed:
                name = find_call(turn, event.call_id).name
                changes["permissions"] = (
                    *state.permissions,
                    Permission(event.call_id, name, event.always, event.by),
                )
            if isinstance(event, e.TurnEnded):
                changes["permissions"] = tuple(
                    each for each in state.permissions if each.always.lasts == "thread"
                )
            if isinstance(event, e.HandedOff):
                changes["agent"] = event.agent
            if turn.called:
                changes["calibration"] = _learnt(
                    state.calibration.of(turn.called.model), turn.called, event
                )
    return replace(state, **changes)


def _revokes(state: State, event: e.Event) -> bool:
    """Whether a person takes back what they had allowed beforehand; that may come at any time."""
    if not isinstance(event, e.ApprovalGiven) or event.allowed:
        return False
    return any(each.call_id == event.call_id for each in state.permissions)


def _learnt(before: TokenCalibration, called: e.ModelCalled, event: e.Event) -> TokenCalibration:
    if isinstance(event, e.ModelReplied) and not event.usage.estimated:
        counted = event.usage.input_tokens / max(1, called.prompt_tokens)
        return replace(before, ratio=min(8.0, max(1.0, before.ratio * counted)))
    if isinstance(event, e.ModelFailed) and event.kind == "overflow":
        refused = before.refused_tokens or called.prompt_tokens
        return replace(before, refused_tokens=min(refused, called.prompt_tokens))
    return before


def waits_for_people(state: State) -> bool:
    """Whether nothing of the turn goes on before somebody decides or answers."""
    waiting = ("waiting", "question", "child", "unknown", "done")
    calls = state.turn.calls if state.turn else ()
    return bool(calls) and all(call.status in waiting for call in calls)


def _from_format_1(was: e.Identity) -> e.AgentDescribed:
    """What a log of format 1 says of an agent: the names of its tools, and only hashes of the rest."""
    tools = {name: e.ToolDescription("", {}) for name in was.tools}
    return e.AgentDescribed(was.agent, was.model, "", tools)


def _active_s(state: State, record: e.Record) -> float:
    """Seconds of work since the record before.

    Format 1 didn't record them. There they are the time since the record before, but none while a person was waited for.
    """
    if record.worked_s is not None:
        return record.worked_s
    if isinstance(record.event, e.ThreadClaimed | e.ThreadForked):
        return 0.0
    waits: tuple[str, ...] = ("waiting", "question", "child", "unknown", "done")
    if isinstance(record.event, e.ApprovalGiven | e.OutcomeDecided | e.UserSaid):
        waits += (
            "allowed",
            "denied",
        )  # one person's decisions come one after the other, perhaps days apart
    if state.turn and state.turn.calls and all(one.status in waits for one in state.turn.calls):
        return 0.0
    return max(0.0, record.at - state.at)
