"""One turn, and what each event makes of it. Pure; state.py says which events may come when.

A turn is a user message, rounds of a model call and the tool calls that its reply asks for, and an end.
"""

import msgspec
from msgspec.structs import replace

from . import events as e
from .approvals import Permission
from .call import (
    CallState,
    apply_to_call,
    call_after_crash,
    call_after_fork,
    call_after_import,
    call_digest,
    make_idempotency_key,
)
from .errors import IllegalEvent
from .strict_json import value_of

INCOMPLETE = ("length", "content_filter")
"""How a reply finishes that isn't whole."""


class Turn(msgspec.Struct, frozen=True):
    """One user message, through to its answer."""

    opened_seq: int
    calls: tuple[CallState, ...] = ()
    """The round under way; empty once all have a result."""
    called: e.ModelCalled | None = None
    """The model call in flight."""
    replied: e.ModelReplied | None = None
    """The last reply, until the next model call."""
    failed: e.ModelFailed | None = None
    """The last failure, until the next reply; of a step that was too large, until its own."""
    rejected: e.AnswerRejected | None = None
    limit: e.LimitReached | None = None
    ended: e.TurnEnded | None = None
    purpose: e.Purpose = "step"
    """Of the last model call."""
    purposes: tuple[str, ...] = ()
    """Of the model calls that replied, except plain steps."""
    attempts: int = 0
    """Tries of the request under way."""
    useless_replies: int = 0
    """Replies in a row that were no use: empty, cut off, or of an unfit answer."""
    overflows: int = 0
    compacting_upto_seq: int = 0
    """While what was said is being summarised: up to which seq. Until its ContextCompacted."""
    summary_failed: bool = False
    """The model failed to summarise: what the window drops is dropped, in this turn."""
    steps: int = 0
    tool_calls: int = 0
    usage: e.Usage = e.Usage()
    cost_usd: float = 0.0
    lost_tokens: int = 0
    """Reserved for calls whose reply never came: they may have been billed."""
    active_s: float = 0.0
    answer: str = ""
    """The last text that the model said to the person."""
    repeats: dict[str, int] = {}
    """How often each call (a digest of name and arguments) was answered."""


def apply_to_turn(turn: Turn, event: e.Event, thread_key: str) -> Turn:
    """The turn after one more event. Raises IllegalEvent where a call can't have come to that."""
    match event:
        case e.ModelCalled(purpose="compact"):
            tries, upto_seq = event.attempt, event.upto_seq
            return replace(
                turn,
                called=event,
                replied=None,
                rejected=None,
                attempts=tries,
                compacting_upto_seq=upto_seq,
            )
        case e.ContextCompacted():
            return replace(turn, compacting_upto_seq=0, replied=None)
        case e.ModelCalled():
            steps = turn.steps + (event.attempt == 1)
            changes = {"steps": steps, "attempts": event.attempt, "purpose": event.purpose}
            return replace(
                turn, called=event, replied=None, rejected=None, compacting_upto_seq=0, **changes
            )
        case e.ModelReplied():
            return _replied(turn, event, thread_key)
        case e.ModelFailed():
            unfit = turn.compacting_upto_seq > 0 and event.kind in ("overflow", "rejected")
            return replace(
                turn,
                called=None,
                failed=None if unfit else event,
                compacting_upto_seq=0 if unfit else turn.compacting_upto_seq,
                summary_failed=turn.summary_failed or unfit,
                overflows=turn.overflows + (event.kind == "overflow"),
                usage=turn.usage + event.usage,
                cost_usd=turn.cost_usd + (event.cost_usd or 0.0),
            )
        case e.StepAsked():
            if any(one.id == event.call.id for one in turn.calls):
                raise IllegalEvent(f"step {event.call.id} is under way already")
            key = make_idempotency_key(thread_key, event.call.id, event.call.arguments)
            return replace(turn, calls=(*turn.calls, CallState(event.call, key, step=True)))
        case e.AnswerRejected():
            return replace(turn, rejected=event, useless_replies=turn.useless_replies + 1)
        case e.LimitReached():
            return replace(turn, limit=event, calls=())  # what has not run, won't
        case e.TurnEnded():
            return replace(turn, ended=event, called=None)
        case _:
            return _called(turn, event)


def _replied(turn: Turn, reply: e.ModelReplied, thread_key: str) -> Turn:
    assert turn.called is not None
    if turn.compacting_upto_seq:
        return _summarised(turn, reply)
    whole = reply.finish_reason not in INCOMPLETE  # a call that may be cut is never read
    calls = tuple(
        CallState(call, make_idempotency_key(thread_key, call.id, call.arguments))
        for call in reply.calls
        if whole
    )
    purpose, no_plan = turn.called.purpose, bool(calls) or not reply.text.strip()
    return replace(
        turn,
        called=None,
        replied=reply,
        failed=None,
        calls=calls,
        purposes=turn.purposes
        if purpose == "step" or (purpose == "plan" and no_plan)
        else (*turn.purposes, purpose),
        useless_replies=0
        if calls
        else turn.useless_replies + (not reply.text.strip() or not whole),
        usage=turn.usage + reply.usage,
        cost_usd=turn.cost_usd + (reply.cost_usd or 0.0),
        answer=reply.text if reply.text.strip() and purpose != "plan" else turn.answer,
    )


def _summarised(turn: Turn, reply: e.ModelReplied) -> Turn:
    fit = bool(reply.text.strip()) and not reply.calls and reply.finish_reason != "content_filter"
    again = (
        turn.failed and turn.failed.kind == "overflow"
    )  # the step that was too large, with less in its prompt
    return replace(
        turn,
        called=None,
        replied=reply if fit else None,
        failed=turn.failed if again else None,
        compacting_upto_seq=turn.compacting_upto_seq if fit else 0,
        summary_failed=turn.summary_failed or not fit,
        usage=turn.usage + reply.usage,
        cost_usd=turn.cost_usd + (reply.cost_usd or 0.0),
    )


def _called(turn: Turn, event: e.Event) -> Turn:
    """What an event says of one call of the round."""
    call_id = event.answers if isinstance(event, e.UserSaid) else getattr(event, "call_id", "")
    before = find_call(turn, call_id)
    now = apply_to_call(before, event)
    calls = tuple(now if one is before else one for one in turn.calls)
    if isinstance(event, e.ApprovalGiven) and event.allowed and event.always:
        permission = Permission(event.call_id, before.name, event.always, event.by)
        calls = tuple(_allow_if_covered(one, permission) for one in calls)
    if isinstance(event, e.ToolStarted):
        return replace(turn, calls=calls, tool_calls=turn.tool_calls + (before.attempt == 0))
    if isinstance(event, e.ToolReturned | e.ToolFailed):
        cost_usd = turn.cost_usd + (event.cost_usd or 0.0)
        turn = replace(turn, usage=turn.usage + event.usage, cost_usd=cost_usd)
    if now.status != "done":
        return replace(turn, calls=calls)
    if now.step:
        return replace(turn, calls=tuple(one for one in calls if one is not now))
    name = call_digest(now.name, now.final_arguments)
    repeats = turn.repeats | {name: turn.repeats.get(name, 0) + 1}
    done = all(one.status == "done" for one in calls)
    return replace(turn, calls=() if done else calls, repeats=repeats)


def _allow_if_covered(call: CallState, permission: Permission) -> CallState:
    """The same call, allowed where it waits for an approval that a person has just given for more than one."""
    if call.status != "waiting":
        return call
    try:
        arguments = value_of(call.final_arguments or "{}")
    except ValueError:
        return call
    if isinstance(arguments, dict) and permission.covers(call.name, arguments):
        return replace(call, status="allowed")
    return call


def turn_after_crash(turn: Turn) -> Turn:
    """What a new driver finds: nobody waits for the model's reply, nobody knows what started tools did."""
    lost = turn.called.prompt_tokens + turn.called.max_output_tokens if turn.called else 0
    cost_usd = turn.called.reserved_usd if turn.called else 0.0
    return replace(
        turn,
        called=None,
        lost_tokens=turn.lost_tokens + lost,
        cost_usd=turn.cost_usd + cost_usd,
        calls=tuple(map(call_after_crash, turn.calls)),
    )


def turn_after_import(turn: Turn, thread_key: str) -> Turn:
    """The turn of a thread that was imported: it goes on once a person has adopted it, and asks anew."""
    calls = (call_after_import(call, thread_key) for call in turn_after_crash(turn).calls)
    return replace(turn_after_crash(turn), calls=tuple(calls))


def turn_after_fork(turn: Turn) -> Turn:
    """What a fork finds: as `orphaned`, and none of the threads below."""
    return replace(turn_after_crash(turn), calls=tuple(map(call_after_fork, turn.calls)))


def find_call(turn: Turn, call_id: str) -> CallState:
    """The open call of that id. Raises IllegalEvent where there is none."""
    for one in turn.calls:
        if one.id == call_id:
            return one
    raise IllegalEvent(
        f"no call {call_id!r} is open; there are: {', '.join(c.id for c in turn.calls) or 'none'}"
    )
