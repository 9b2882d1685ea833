"""What a turn becomes after a crash, an outage, a fork, an import or a permission.

Pure.
"""

from msgspec.structs import replace

from . import events as e
from .approvals import Permission
from .call import CallState, call_after_crash, call_after_fork, call_after_import
from .late import lose_model_call
from .strict_json import value_of
from .turn import Turn, change_calls


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
    return turn.ended.status == "failed" and turn.failed.kind in ("unavailable", "denied")


def may_reopen(turn: Turn | None) -> bool:
    """Whether the turn has failed and may go on: after an outage, or as the turn of a flow."""
    if turn is None or turn.ended is None or turn.ended.status != "failed":
        return False
    return failed_by_outage(turn) or turn.asks_no_model


def turn_after_reopening(turn: Turn, before: str) -> Turn:
    """What goes on with a turn that has failed: its request is made once more, or its steps."""
    return replace(turn_after_crash(turn, before), ended=None, model="", tries=0)


def turn_after_import(turn: Turn, thread_key: str) -> Turn:
    """What whoever adopts an imported thread finds: as after a crash, and nothing is approved."""
    turn = turn_after_crash(turn, "")
    turn = change_calls(turn, lambda call: call_after_import(call, thread_key))
    return replace(turn, imported=True)


def turn_after_fork(turn: Turn) -> Turn:
    """What a fork finds: as after a crash, and without the children, which stay the parent's."""
    return change_calls(turn_after_crash(turn, ""), call_after_fork)


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
    if isinstance(arguments, dict) and permission.may_cover(call.name, arguments):
        return replace(call, status="asked", reason="")
    return call
