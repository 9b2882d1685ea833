"""What is true after a log, and all rules about which event may follow which. Pure.

1. `apply` is the only way from one state to the next; `fold` is `apply` over a whole log.
2. phases.LEGAL_PHASES says in which phases an event may come, `call.LEGAL_STATUSES` which status
   its call must have. An event that they forbid raises IllegalEvent and changes nothing.
3. A new claim finds what a dead process left: its model call is lost, and what its started tools
   did is unknown.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec
from msgspec.structs import replace

from . import events as e
from .agent_events import describe_format_1
from .approvals import Permission
from .calibration import TokenCalibration, calibrate
from .call import CallState
from .check_due import await_check, hand_over
from .errors import IllegalEvent
from .feedback import refuse_feedback
from .late import is_late, lose_model_call, refuse_late, settle_model_call, settles_lost
from .limits import Spent
from .phases import LEGAL_PHASES as LEGAL_PHASES
from .phases import OPEN_PHASES as OPEN_PHASES
from .phases import Phase as Phase
from .phases import refuse_said
from .taint import Held, held_after
from .turn import Turn, apply_to_turn, find_call
from .turn_after import (
    may_raise,
    refuse_reopening,
    turn_after_claim,
    turn_after_fork,
    turn_after_import,
    turn_after_permission,
    turn_after_raise,
    turn_after_unknown,
)
from .worked import active_s, shows_progress

MAX_CLAIMS = 8
"""How many drivers in a row may take a thread and leave no progress in it. Then it is parked."""
MAX_CLAIMS_WITH_CHILD = 64
"""As above while a child is at work: what that has got done is in its own log."""
_OF_WORK = frozenset((e.ModelCalled, e.ModelReplied, e.ToolStarted, e.ToolReturned))
"""Nearly all events of a long log. They change the turn alone, and their phase alone decides."""


class State(msgspec.Struct, frozen=True, gc=False):
    """What `decide` goes by."""

    seq: int = 0
    at: float = 0.0
    agent: str = ""
    """The name of the agent in charge: the one that began the thread, or took it over."""
    depth: int = 0
    is_flow: bool = False
    """The code of a flow drives it. Older logs don't say so: there, steps show it."""
    key: str = ""
    root_id: str = ""
    """The thread above all that this one works for; else its own id."""
    family_id: str = ""
    """`root_id`; of a fork, that of the thread it left. Prompts of one family begin alike."""
    claim: str = ""
    """The last claim: whoever made it drives the thread."""
    driver: str = ""
    trace: str = ""
    """The span that the last claim's work is a part of."""
    claims: int = 0
    """How many claims in a row have left no progress."""
    trusted: bool = True
    """False for an imported thread that nobody has adopted."""
    described: dict[str, e.AgentDescribed] = {}
    """By name, what each agent of the thread was made of when its model was last called."""
    last_caller: str = ""
    """The name of the agent whose model was called last."""
    turns: int = 0
    openings: int = 0
    """Bit n is set where record n has opened a turn."""
    permissions: tuple[Permission, ...] = ()
    """What people have allowed beforehand."""
    held: Held = ()
    calibration: TokenCalibration = TokenCalibration()
    turn: Turn | None = None
    """The turn under way, or the last one."""

    @property
    def last_described(self) -> e.AgentDescribed | None:
        """What the agent whose model was called last was made of."""
        return self.described.get(self.last_caller)

    @property
    def is_open(self) -> bool:
        """Whether a turn is under way."""
        return self.turn is not None and self.turn.ended is None

    @property
    def calls(self) -> Mapping[str, CallState]:
        """The open calls of the turn under way, by id."""
        return self.turn.calls if self.turn and not self.turn.ended else {}

    @property
    def phase(self) -> Phase:
        if self.seq == 0:
            return "empty"
        if self.turn is None or self.turn.ended:
            return "idle"
        if self.turn.called:
            return "calling"
        if self.turn.round_is_open:
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
        for call in turn.calls.values():
            if call.child:
                tokens += max(0, call.child.tokens or 0)
                cost_usd += max(0.0, call.child.cost_usd or 0.0)
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
    changes["held"] = held_after(state, record)
    if state.claims and shows_progress(event):
        changes["claims"] = 0
    turn = state.turn
    if turn and not turn.ended and (worked_s := active_s(record, turn, state.at)):
        turn = replace(turn, active_s=turn.active_s + worked_s)
        changes["turn"] = turn
    if type(event) in _OF_WORK:
        assert turn is not None
        changes |= _changes_in_turn(state, turn, event)
    else:
        changes |= _changes(state, turn, record)
    return replace(state, **changes)


def _changes(state: State, turn: Turn | None, record: e.Record) -> dict[str, Any]:
    """What this event changes; `turn` has the seconds of work until then."""
    event = record.event
    changes: dict[str, Any] = {}
    match event:
        case e.ThreadStarted():
            changes |= {"agent": event.agent, "key": event.key, "depth": event.depth}
            changes["is_flow"] = event.flow
            root_id = event.root_thread_id or event.parent_thread_id or record.thread_id
            changes |= {"root_id": root_id, "family_id": root_id}
        case e.UserSaid() if event.opens_turn:
            opened = Turn(record.seq, has_steps=state.is_flow, unchecked=(record.seq,))
            changes |= {"turn": opened, "turns": state.turns + 1}
            changes["openings"] = state.openings | 1 << record.seq
        case e.ThreadClaimed():
            changes["driver"] = event.driver
            if not event.releases:  # else it is the claim of before
                changes |= {"claim": event.claim, "trace": event.trace}
            changes["claims"] = max(0, state.claims + (-1 if event.releases else 1))
            changes["turn"] = turn and turn_after_claim(turn, state.claim, event)
            if event.identity:
                changes |= _describe(state, describe_format_1(event.identity))
        case e.ThreadForked():
            changes |= {"key": event.key, "claim": "", "driver": "", "trace": "", "depth": 0}
            changes["root_id"] = record.thread_id
            if state.family_id == record.thread_id:
                changes["family_id"] = event.parent_thread_id
            changes["turn"] = turn and turn_after_fork(turn, event.key)
        case e.NotesRecalled() | e.FeedbackGiven() | e.ApprovalGiven(call_id=""):
            pass  # the last lets a parked thread go on
        case e.AgentDescribed():
            changes |= _describe(state, event)
        case e.TrustChanged():
            changes["trusted"] = event.trusted
            if not event.trusted:  # whoever wrote it may have allowed anything
                changes["permissions"] = ()
                changes["turn"] = turn and turn_after_import(turn, state.key)
        case e.ApprovalGiven() if _is_revocation(state, event):
            kept = [each for each in state.permissions if each.call_id != event.call_id]
            changes["permissions"] = tuple(kept)
        case e.LimitRaised():
            changes["turn"] = turn and turn_after_raise(turn, event)
        case _:
            assert turn is not None
            changes |= _changes_in_turn(state, turn, event)
            if isinstance(event, e.UserSaid) and not turn.has_steps:
                changes["turn"] = await_check(changes["turn"], event, record.seq)
    return changes


def _refuse_illegal(state: State, record: e.Record) -> None:
    event = record.event
    if record.seq != state.seq + 1:
        raise IllegalEvent(
            f"record {record.seq} of {record.thread_id} can't follow record {state.seq}"
        )
    if is_late(event):
        refuse_late(event, state.turn, state.claim)
    if type(event) in _OF_WORK and state.phase in LEGAL_PHASES[type(event)]:
        return
    if isinstance(event, e.ApprovalGiven) and not event.call_id:
        _refuse_release(state, event)
    elif settles_lost(event):
        pass  # only a usage, which can come at any time
    elif state.phase not in LEGAL_PHASES[type(event)] and not _is_revocation(state, event):
        raise IllegalEvent(
            f"{type(event).__name__} can't come in phase {state.phase!r}, at seq {record.seq}"
        )
    if isinstance(event, e.ThreadClaimed) and event.reopens:
        refuse_reopening(state.turn, state.depth)
    if isinstance(event, e.LimitRaised) and not may_raise(state.turn):
        raise IllegalEvent("no turn is open, and the last one didn't end at a limit")
    if isinstance(event, e.FeedbackGiven):
        refuse_feedback(event.turn_seq, state.openings, state.turn)
    if isinstance(event, e.UserSaid):
        refuse_said(event, None if state.phase == "idle" else state.turn, state.is_flow)


def _refuse_release(state: State, event: e.ApprovalGiven) -> None:
    if not is_parked(replace(state, claims=state.claims + 1)):
        raise IllegalEvent("the thread isn't parked, so there is nothing to let go on")
    if not event.allowed:
        raise IllegalEvent("a parked thread stays parked until it is let go on or cancelled")


def _describe(state: State, description: e.AgentDescribed) -> dict[str, Any]:
    described = state.described | {description.agent: description}
    return {"described": described, "last_caller": description.agent}


def _is_revocation(state: State, event: e.Event) -> bool:
    """Whether a person takes back a permission. That may come at any time."""
    if not isinstance(event, e.ApprovalGiven) or event.allowed:
        return False
    return any(each.call_id == event.call_id for each in state.permissions)


def _changes_in_turn(state: State, turn: Turn, event: e.Event) -> dict[str, Any]:
    if settles_lost(event):
        return {"turn": settle_model_call(turn, event)}
    if isinstance(event, e.TurnEnded):
        turn = lose_model_call(turn, state.claim)
    turn_after = apply_to_turn(turn, event, state.key)
    if isinstance(event, e.ToolFailed) and event.unknown:
        turn_after = turn_after_unknown(turn_after, event.call_id, state.claim)
    changes: dict[str, Any] = {}
    if turn_after.hands_to and (turn_after.ended or not turn_after.calls):
        changes["agent"] = turn_after.hands_to
        turn_after = hand_over(turn_after, state.described.get(state.agent))
    changes["turn"] = turn_after
    if turn.called:
        changes["calibration"] = calibrate(state.calibration, turn.called, event)
    if type(event) in _OF_WORK:
        return changes
    if isinstance(event, e.ApprovalGiven) and event.always and event.allowed:
        name = find_call(turn, event.call_id).name
        permission = Permission(event.call_id, name, event.always, event.by, state.agent)
        changes["permissions"] = (*state.permissions, permission)
        changes["turn"] = turn_after_permission(turn_after, permission)
    if isinstance(event, e.TurnEnded):
        lasting = (each for each in state.permissions if each.always.lasts == "thread")
        changes["permissions"] = tuple(lasting)
    return changes


def is_parked(state: State) -> bool:
    """Whether so many drivers have died at the same place that the next would, too.

    A child whose code kills the process is parked before its parent.
    """
    if state.claims <= MAX_CLAIMS or not state.is_open:
        return False
    if any(call.child and call.status != "child" for call in state.calls.values()):
        return state.claims > MAX_CLAIMS_WITH_CHILD
    return True
