"""The open calls of a turn: of its round, and deferred ones, that have no result yet. Pure."""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from . import events as e
from .call import CallState, call_digest, make_idempotency_key
from .errors import IllegalEvent
from .shared_map import keep, share

if TYPE_CHECKING:
    from .turn import Turn

OpenCalls = Mapping[str, CallState]
"""Calls by id, in the order asked for."""
Repeats = Mapping[str, int]
"""By `call_digest`, how often the model has asked in the turn for that name and these arguments."""


def open_calls(calls: Iterable[CallState]) -> OpenCalls:
    return share({call.id: call for call in calls})


def keep_call(calls: OpenCalls, call: CallState) -> OpenCalls:
    """The calls with this one: in the place of the one that has its id, or as the last."""
    return keep(calls, call.id, call)


def open_calls_of(
    asked: Iterable[e.Call], repeats: Repeats, thread_key: str
) -> tuple[dict[str, CallState], Repeats]:
    """The calls of a reply, and how often each has been asked for by now."""
    calls: dict[str, CallState] = {}
    twins: dict[str, int] = {}
    for call in asked:
        if call.id in calls:
            raise IllegalEvent(f"two calls of one reply have the id {call.id!r}")
        digest = call_digest(call.name, call.arguments)
        calls[call.id] = CallState(
            call,
            make_idempotency_key(thread_key, call.id, call.arguments),
            asked_before=repeats.get(digest, 0),
            twins_before=twins.get(digest, 0),
        )
        twins[digest] = twins.get(digest, 0) + 1
    for digest, count in twins.items():
        repeats = keep(repeats, digest, repeats.get(digest, 0) + count)
    return calls, repeats


def find_call(turn: "Turn", call_id: str) -> CallState:
    """The open call of that id. Raises IllegalEvent where there is none."""
    if call_id in turn.calls:
        return turn.calls[call_id]
    open_ids = ", ".join(turn.calls) or "none"
    raise IllegalEvent(f"no call {call_id!r} is open; there are: {open_ids}")
