"""The calls of a round that have no result yet, as a mapping that never changes. Pure.

A change gives a new mapping. Few calls are a plain dict, written anew at each change. The mapping
of many shares the calls with the one before, and has only the last changes of its own: so each of
ten thousand calls costs little more than each of ten.
"""

from collections.abc import Iterable, Iterator, Mapping, ValuesView
from typing import TYPE_CHECKING

from .call import CallState
from .errors import IllegalEvent

if TYPE_CHECKING:
    from .turn import Turn

MIN_CHANGES = 16
"""So many changes are kept apart at least, before a new mapping is written of them all.

Fewer calls than that are few.
"""
OpenCalls = Mapping[str, CallState]
"""Calls by id, in the order asked for."""


def open_calls(calls: Iterable[CallState]) -> OpenCalls:
    """These calls."""
    return _few_or_many({call.id: call for call in calls})


def keep_call(calls: OpenCalls, call: CallState) -> OpenCalls:
    """The calls with this one: in the place of the one that has its id, or as the last."""
    if isinstance(calls, _ManyCalls):
        return calls.keep(call)
    return _few_or_many({**calls, call.id: call})


def remove_call(calls: OpenCalls, id: str) -> OpenCalls:
    """The calls without this one, which must be there."""
    if isinstance(calls, _ManyCalls):
        return calls.remove(id)
    left = dict(calls)
    del left[id]
    return left


def _few_or_many(calls: dict[str, CallState]) -> OpenCalls:
    return calls if len(calls) < MIN_CHANGES else _ManyCalls(calls, {}, len(calls))


class _ManyCalls(Mapping[str, CallState]):
    """So many calls that a change doesn't write all of them anew."""

    __slots__ = ("_all", "_changes", "_count")

    def __init__(
        self, calls: dict[str, CallState], changes: dict[str, CallState | None], count: int
    ) -> None:
        self._all = calls
        self._changes = changes
        """Calls that came or changed since; None for one that is over."""
        self._count = count

    def __getitem__(self, id: str) -> CallState:
        found = self._changes[id] if id in self._changes else self._all[id]
        if found is None:
            raise KeyError(id)
        return found

    def __iter__(self) -> Iterator[str]:
        for id in self._all:
            if self._changes.get(id, self) is not None:
                yield id
        for id, call in self._changes.items():
            if id not in self._all and call is not None:
                yield id

    def values(self) -> ValuesView[CallState]:
        return super().values() if self._changes else self._all.values()

    def __len__(self) -> int:
        return self._count

    def __repr__(self) -> str:
        return f"{type(self).__name__}({list(self.values())})"

    def keep(self, call: CallState) -> OpenCalls:
        if call.id in self:
            return self._changed(call.id, call, self._count)
        if call.id in self._all or call.id in self._changes:  # it was over, and has begun again
            return open_calls([*self.values(), call])
        return self._changed(call.id, call, self._count + 1)

    def remove(self, id: str) -> OpenCalls:
        return self._changed(id, None, self._count - 1)

    def _changed(self, id: str, call: CallState | None, count: int) -> OpenCalls:
        made = _ManyCalls(self._all, {**self._changes, id: call}, count)
        if len(made._changes) > MIN_CHANGES and len(made._changes) ** 2 > len(made._all):
            return open_calls(made.values())
        return made


def find_call(turn: "Turn", call_id: str) -> CallState:
    """The open call of that id. Raises IllegalEvent where there is none."""
    if call_id in turn.calls:
        return turn.calls[call_id]
    open_ids = ", ".join(turn.calls) or "none"
    raise IllegalEvent(f"no call {call_id!r} is open; there are: {open_ids}")
