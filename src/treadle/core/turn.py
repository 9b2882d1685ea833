"""One turn, and how each event changes it. Pure; state.py says which events may come when.

A turn is a user message, then rounds (a model call, and the tool calls in its reply), then an end.
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
"""The finish reasons of a reply that isn't whole."""


class Turn(msgspec.Struct, frozen=True):
    """One user message, through to its answer."""

    opened_seq: int
    calls: tuple[CallState, ...] = ()
    """The round under way; empty once all its calls have a result."""
    called: e.ModelCalled | None = None
    """The model call in flight."""
    replied: e.ModelReplied | None = None
    """The last reply, until the next model call."""
    failed: e.ModelFailed | None = None
    """The last failure, until the next reply.

    If the prompt was too large, it stays while a summary is made: the request is repeated then.
    """
    rejected: e.AnswerRejected | None = None
    limit: e.LimitReached | None = None
    ended: e.TurnEnded | None = None
    purpose: e.Purpose = "step"
    """Of the last model call, summaries aside."""
    purposes: tuple[str, ...] = ()
    """Of the model calls that replied, except plain steps."""
    attempts: int = 0
    """Tries of the request under way."""
    useless_replies: int = 0
    """Replies in a row that were empty, cut off, or an answer that was rejected."""
    overflows: int = 0
    compacting_upto_seq: int = 0
    """Up to which record a summary is being made; 0 while none is."""
    summary_failed: bool = False
    """The model failed to summarise: until the turn ends, rounds are left out without a summary."""
    steps: int = 0
    """Model calls, without retries and summaries."""
    tool_calls: int = 0
    usage: e.Usage = e.Usage()
    cost_usd: float = 0.0
    lost_tokens: int = 0
    """Reserved for model calls whose reply never came: they may have been billed."""
    active_s: float = 0.0
    """Seconds of work, without waiting for people."""
    answer: str = ""
    """The last text that the model said to the person."""
    imported: bool = False
    """Others have written its beginning: that a call has started doesn't show that it may run."""
    repeats: dict[str, int] = {}
    """By `call_digest`, how often a call of that name and arguments was answered."""


def apply_to_turn(turn: Turn, event: e.Event, thread_key: str) -> Turn:
    """The turn after one more event. Raises IllegalEvent for an event that its call can't have."""
    match event:
        case e.ModelCalled():
            return _apply_call(turn, event)
        case e.ModelReplied() if turn.compacting_upto_seq:
            return _apply_summary(turn, event)
        case e.ModelReplied():
            return _apply_reply(turn, event, thread_key)
        case e.ModelFailed():
            return _apply_failure(turn, event)
        case e.ContextCompacted():
            return replace(turn, compacting_upto_seq=0, replied=None)
        case e.StepAsked():
            if any(call.id == event.call.id for call in turn.calls):
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
            return _apply_to_its_call(turn, event)


def _apply_call(turn: Turn, event: e.ModelCalled) -> Turn:
    turn = replace(turn, called=event, replied=None, rejected=None, attempts=event.attempt)
    if event.purpose == "compact":
        return replace(turn, compacting_upto_seq=event.upto_seq)
    steps = turn.steps
    if event.attempt == 1:
        steps += 1
    return replace(turn, compacting_upto_seq=0, purpose=event.purpose, steps=steps)


def _apply_reply(turn: Turn, reply: e.ModelReplied, thread_key: str) -> Turn:
    assert turn.called is not None
    purpose = turn.called.purpose
    has_text = bool(reply.text.strip())
    is_whole = reply.finish_reason not in INCOMPLETE
    calls: tuple[CallState, ...] = ()
    if is_whole:  # a call that may be cut off is never read
        calls = tuple(_asked_call(call, thread_key) for call in reply.calls)
    useless_replies = turn.useless_replies
    if calls:
        useless_replies = 0
    elif not has_text or not is_whole:
        useless_replies += 1
    purposes = turn.purposes
    gave_no_plan = purpose == "plan" and (bool(calls) or not has_text)
    if purpose != "step" and not gave_no_plan:
        purposes = (*purposes, purpose)
    answer = turn.answer
    if has_text and purpose != "plan":
        answer = reply.text
    return replace(
        _add_usage(turn, reply),
        called=None,
        replied=reply,
        failed=None,
        calls=calls,
        purposes=purposes,
        useless_replies=useless_replies,
        answer=answer,
    )


def _asked_call(call: e.Call, thread_key: str) -> CallState:
    return CallState(call, make_idempotency_key(thread_key, call.id, call.arguments))


def _apply_summary(turn: Turn, reply: e.ModelReplied) -> Turn:
    failed = turn.failed
    if failed and failed.kind != "overflow":
        failed = None  # a prompt that was too large is tried again, with less in it
    turn = replace(_add_usage(turn, reply), called=None, failed=failed)
    has_text = bool(reply.text.strip())
    if has_text and not reply.calls and reply.finish_reason != "content_filter":
        return replace(turn, replied=reply)
    return replace(turn, replied=None, compacting_upto_seq=0, summary_failed=True)


def _apply_failure(turn: Turn, event: e.ModelFailed) -> Turn:
    overflows = turn.overflows
    if event.kind == "overflow":
        overflows += 1
    turn = replace(_add_usage(turn, event), called=None, overflows=overflows)
    if turn.compacting_upto_seq and event.kind in ("overflow", "rejected"):
        return replace(turn, failed=None, compacting_upto_seq=0, summary_failed=True)
    return replace(turn, failed=event)


def _add_usage(
    turn: Turn, event: e.ModelReplied | e.ModelFailed | e.ToolReturned | e.ToolFailed
) -> Turn:
    cost_usd = turn.cost_usd + (event.cost_usd or 0.0)
    return replace(turn, usage=turn.usage + event.usage, cost_usd=cost_usd)


def _apply_to_its_call(turn: Turn, event: e.Event) -> Turn:
    """The turn after an event that is about one call of the round."""
    if isinstance(event, e.UserSaid):
        before = find_call(turn, event.answers)
    else:
        before = find_call(turn, getattr(event, "call_id", ""))
    after = apply_to_call(before, event)
    calls = tuple(after if call is before else call for call in turn.calls)
    if isinstance(event, e.ApprovalGiven) and event.allowed and event.always:
        permission = Permission(event.call_id, before.name, event.always, event.by)
        calls = tuple(_allow_if_covered(call, permission) for call in calls)
    turn = replace(turn, calls=calls)
    if isinstance(event, e.ToolStarted) and before.attempt == 0:
        return replace(turn, tool_calls=turn.tool_calls + 1)
    if isinstance(event, e.ToolReturned | e.ToolFailed):
        turn = _add_usage(turn, event)
    if after.status != "done":
        return turn
    if after.step:
        return replace(turn, calls=tuple(call for call in calls if call is not after))
    digest = call_digest(after.name, after.final_arguments)
    repeats = turn.repeats | {digest: turn.repeats.get(digest, 0) + 1}
    if all(call.status == "done" for call in calls):
        calls = ()
    return replace(turn, calls=calls, repeats=repeats)


def _allow_if_covered(call: CallState, permission: Permission) -> CallState:
    """Allow another call that waits too, if the permission is for it as well."""
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
    """What a new driver finds: the reply in flight is lost; what started tools did is unknown."""
    turn = replace(turn, calls=tuple(map(call_after_crash, turn.calls)))
    if turn.called is None:
        return turn
    lost_tokens = turn.called.prompt_tokens + turn.called.max_output_tokens
    return replace(
        turn,
        called=None,
        lost_tokens=turn.lost_tokens + lost_tokens,
        cost_usd=turn.cost_usd + turn.called.reserved_usd,
    )


def turn_after_import(turn: Turn, thread_key: str) -> Turn:
    """What whoever adopts an imported thread finds: as after a crash, and nothing is approved."""
    turn = turn_after_crash(turn)
    calls = tuple(call_after_import(call, thread_key) for call in turn.calls)
    return replace(turn, calls=calls, imported=True)


def turn_after_fork(turn: Turn) -> Turn:
    """What a fork finds: as after a crash, and without the children, which stay the parent's."""
    return replace(turn_after_crash(turn), calls=tuple(map(call_after_fork, turn.calls)))


def find_call(turn: Turn, call_id: str) -> CallState:
    """The open call of that id. Raises IllegalEvent where there is none."""
    for call in turn.calls:
        if call.id == call_id:
            return call
    open_ids = ", ".join(call.id for call in turn.calls) or "none"
    raise IllegalEvent(f"no call {call_id!r} is open; there are: {open_ids}")
