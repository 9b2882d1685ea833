"""What a turn and its open calls become after a crash, an outage, a fork, an import, a permission
or a higher limit. Pure.
"""

from collections.abc import Callable

from msgspec.structs import replace

from . import events as e
from .approvals import Permission
from .argument_globs import matches_glob
from .call import CallState, CallStatus, make_idempotency_key
from .errors import IllegalEvent
from .finish_reasons import is_of_model
from .late import lose_model_call
from .limits import RAISED
from .open_calls import keep_call, open_calls
from .strict_json import value_of
from .turn import Turn


def turn_after_crash(turn: Turn, claim: str) -> Turn:
    """What a new driver finds: the reply in flight is lost; what started tools did is unknown.

    `claim` is that of the driver before; "" if that can't write here.
    """
    turn = change_calls(turn, lambda call: call_after_crash(call, claim))
    return lose_model_call(turn, claim)


def turn_after_claim(turn: Turn, before: str, claim: e.ThreadClaimed) -> Turn:
    """What a new driver finds, or one that goes on with a turn that an outage has failed.

    `before` is the claim of the driver before. A driver that lets the thread go leaves the turn as
    it is: the next one judges what was under way.
    """
    if claim.releases:
        return turn
    if claim.reopens:
        return turn_after_reopening(turn, before)
    return turn_after_crash(turn, before)


def failed_by_outage(turn: Turn | None) -> bool:
    """Whether the turn has ended because no model could be reached: it may be reopened."""
    if turn is None or turn.ended is None or turn.failed is None:
        return False
    return turn.ended.status == "failed" and is_of_model(turn.failed)


def goes_on_when_resumed(turn: Turn | None) -> bool:
    """Whether the turn has ended and goes on as soon as somebody resumes its thread.

    An outage has failed it, or a person has raised the limit at which it had ended.
    """
    if turn is None or turn.ended is None:
        return False
    return failed_by_outage(turn) or (turn.raised_at_end and turn.ended.status == "limit")


def may_reopen(turn: Turn | None, depth: int = 0) -> bool:
    """Whether the turn has ended and may go on: as above, as the turn of a flow that failed, or as
    that of a child, in its depth, which was cancelled: the flow above may ask for it again.
    """
    if turn is None or turn.ended is None:
        return False
    if goes_on_when_resumed(turn) or (depth and turn.ended.status == "cancelled"):
        return True
    return turn.ended.status == "failed" and turn.asks_no_model


def goes_on(turn: Turn | None, depth: int, *, resumed: bool, again: bool) -> bool:
    """Whether a driver goes on with the turn, which has ended: as a person has `resumed` it and it
    may go on by itself, or as what has failed or was given up is to run `again`."""
    by_itself = resumed and goes_on_when_resumed(turn)
    return by_itself or (again and may_reopen(turn, depth))


def refuse_reopening(turn: Turn | None, depth: int) -> None:
    """Raise IllegalEvent where the turn may not go on."""
    if not may_reopen(turn, depth):
        raise IllegalEvent(
            "only a turn that an outage has failed, one whose limit was raised, a flow's, or one"
            " whose parent had given it up can be reopened"
        )


def turn_after_reopening(turn: Turn, before: str) -> Turn:
    """What goes on with a turn that has ended: its request is made once more, or its steps."""
    turn = replace(turn_after_crash(turn, before), ended=None, model="", tries=0)
    if not turn.limit:
        return turn
    # What was asked for in the round that the limit cut off is asked for again.
    return replace(
        turn, limit=None, no_last_word=False, raised_at_end=False, replied=None, failed=None
    )


def may_raise(turn: Turn | None) -> bool:
    """Whether the turn's limits may be raised: it is open, or it has ended at one."""
    if turn is None:
        return False
    return turn.ended is None or turn.ended.status == "limit"


def turn_after_raise(turn: Turn, event: e.LimitRaised) -> Turn:
    """The turn once a person has raised its limits: what waits for that tries again.

    A turn that is at its limit already comes to its end there first.
    """
    raised = event
    if turn.raised:
        raised = add_raise(turn.raised, event)
    at_limit = turn.ended is not None or turn.limit is not None
    turn = replace(turn, raised=raised, held=None, raised_at_end=at_limit)
    return change_calls(turn, _try_again)


def add_raise(before: e.LimitRaised, event: e.LimitRaised) -> e.LimitRaised:
    return replace(event, **{name: getattr(before, name) + getattr(event, name) for name in RAISED})


def _try_again(call: CallState) -> CallState:
    if call.status != "child" or all(each.status != "limit" for each in call.waiting):
        return call
    return replace(call, status="allowed", waiting=())


def turn_after_import(turn: Turn, thread_key: str) -> Turn:
    """What whoever adopts an imported thread finds: as after a crash, and nothing is approved.

    Nor has anybody raised its limits, and it has used what it says, but never less than nothing.
    """
    turn = turn_after_crash(turn, "")
    turn = change_calls(turn, lambda call: call_after_import(call, thread_key))
    if turn.usage.total_tokens < 0:
        turn = replace(turn, usage=e.Usage())
    return replace(
        turn,
        imported=True,
        account="",
        raised=None,
        raised_at_end=False,
        cost_usd=max(0.0, turn.cost_usd),
        lost_tokens=max(0, turn.lost_tokens),
        active_s=max(0.0, turn.active_s),
    )


def turn_after_fork(turn: Turn, thread_key: str) -> Turn:
    """What a fork finds: as after a crash, and without the children, which stay the parent's."""
    turn = replace(turn_after_crash(turn, ""), account="", held=None)
    return change_calls(turn, lambda call: call_after_fork(call, thread_key))


def turn_after_unknown(turn: Turn, call_id: str, claim: str) -> Turn:
    """The turn whose call of this id has come to an unknown outcome under this claim."""
    call = replace(turn.calls[call_id], claim=claim)
    return replace(turn, calls=keep_call(turn.calls, call))


def turn_after_permission(turn: Turn, permission: Permission) -> Turn:
    """What other calls that wait become where a person allows them too: they are judged again.

    So a permission that is revoked before they start doesn't let them run.
    """
    return change_calls(turn, lambda call: _judge_again(call, permission))


def _judge_again(call: CallState, permission: Permission) -> CallState:
    if call.status != "waiting":
        return call
    try:
        arguments = value_of(call.final_arguments or "{}")
    except ValueError:
        return call
    if isinstance(arguments, dict) and permission.covers(call.name, arguments, matches_glob):
        return replace(call, status="asked", reason="")
    return call


def change_calls(turn: Turn, change: Callable[[CallState], CallState]) -> Turn:
    """The turn with each of its open calls changed, and of its steps that were given up."""
    given_up = open_calls(map(change, turn.given_up.values()))
    return replace(turn, calls=open_calls(map(change, turn.calls.values())), given_up=given_up)


def call_after_crash(call: CallState, claim: str) -> CallState:
    """What a new driver finds: what a started tool did is unknown; a child can be continued.

    `claim` is that of the driver before.
    """
    if call.status != "started":
        return call
    if call.child:
        return replace(call, status="allowed")
    return replace(call, status="unknown", claim=claim)


def call_after_import(call: CallState, thread_key: str) -> CallState:
    """What whoever adopts an imported thread finds: what it brought doesn't count.

    That is an approval, what rules have said, and a handle: whoever wrote it may have named
    anybody's work.
    """
    call = _without_handle(call)
    if call.status == "retrying":
        return replace(call, status="unknown")
    was_judged = call.checked and call.status in ("asked", "waiting")
    if call.status != "allowed" and not was_judged:
        return call
    key = make_idempotency_key(thread_key, call.id, call.call.arguments)
    return replace(call, status="asked", arguments=None, checked=None, key=key)


def call_after_fork(call: CallState, thread_key: str) -> CallState:
    """What a fork finds: as after a crash; an open call with a child has an unknown outcome.

    So has one with a handle: the result of that work is the other thread's. An approval was for
    that thread's call alone: this one is judged again. One that has yet to begin is a call of its
    own, with a key of its own; what has begun is one effect for both.
    """
    call = _without_handle(call)
    is_yet_to_begin = not (call.child or call.answers)
    if call.status == "allowed" and is_yet_to_begin:
        call = replace(call, status="asked")
    if call.status in ("asked", "waiting") and is_yet_to_begin:
        return replace(call, key=make_idempotency_key(thread_key, call.id, call.final_arguments))
    if call.child:
        return replace(call, status="unknown", child=None, waiting=())
    if call.status == "unknown":
        return replace(call, claim="")
    return call_after_crash(call, "")


def _without_handle(call: CallState) -> CallState:
    status: CallStatus = "unknown" if call.status == "pending" else call.status
    return replace(call, status=status, handle="", polls=False)
