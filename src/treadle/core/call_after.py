"""What becomes of an open call after a crash, an import or a fork. Pure."""

from msgspec.structs import replace

from .call import CallState, CallStatus, make_idempotency_key


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


def call_after_fork(call: CallState) -> CallState:
    """What a fork finds: as after a crash; an open call with a child has an unknown outcome.

    So has one with a handle: the result of that work is the other thread's. An approval was for
    that thread's call alone: this one is judged again.
    """
    call = _without_handle(call)
    if call.status == "allowed" and not call.attempt:
        return replace(call, status="asked")
    if call.child:
        return replace(call, status="unknown", child=None, waiting=())
    if call.status == "unknown":
        return replace(call, claim="")
    return call_after_crash(call, "")


def _without_handle(call: CallState) -> CallState:
    status: CallStatus = "unknown" if call.status == "pending" else call.status
    return replace(call, status=status, handle="", polls=False)
