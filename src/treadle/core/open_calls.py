"""The calls of a round that have no result yet, as a mapping that never changes. Pure.

A change gives a new mapping. It shares the calls with the one before, and has only the last changes
of its own: so each of ten thousand calls costs little more than each of ten.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, ValuesView
from typing import TYPE_CHECKING

from .call import CallState
from .errors import IllegalEvent

if TYPE_CHECKING:
    from .turn import Turn

MIN_CHANGES = 16
"""So many changes are kept apart at least, before a new mapping is written of them all.

Fewer calls than that are written anew at each change.
"""


class OpenCalls(Mapping[str, CallState]):
    """Calls by id, in the order asked for."""

    __slots__ = ("_all", "_changes", "_count")

    def __init__(self, calls: Iterable[CallState] = ()) -> None:
        self._all = {call.id: call for call in calls}
        self._changes: dict[str, CallState | None] = {}
        """Calls that came or changed since; None for one that is over."""
        self._count = len(self._all)

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
        return f"OpenCalls({list(self.values())})"

    def keep(self, call: CallState) -> "OpenCalls":
        """With this call: in the place of the one that has its id, or as the last."""
        if call.id in self:
            return self._changed(call.id, call, self._count)
        if call.id in self._all or call.id in self._changes:  # it was over, and has begun again
            return OpenCalls([*self.values(), call])
        return self._changed(call.id, call, self._count + 1)

    def remove(self, id: str) -> "OpenCalls":
        """Without this call, which must be there."""
        return self._changed(id, None, self._count - 1)

    def change(self, change: Callable[[CallState], CallState]) -> "OpenCalls":
        """With `change` of each call."""
        return OpenCalls(map(change, self.values()))

    def _changed(self, id: str, call: CallState | None, count: int) -> "OpenCalls":
        made = OpenCalls()
        made._count = count
        if len(self._all) < MIN_CHANGES and not self._changes:
            made._all = self._all | {id: call} if call else _without(self._all, id)
            return made
        made._all = self._all
        made._changes = self._changes | {id: call}
        if len(made._changes) > MIN_CHANGES and len(made._changes) ** 2 > len(made._all):
            return OpenCalls(made.values())
        return made


def _without(calls: dict[str, CallState], id: str) -> dict[str, CallState]:
    left = dict(calls)
    del left[id]
    return left


def find_call(turn: "Turn", call_id: str) -> CallState:
    """The open call of that id. Raises IllegalEvent where there is none."""
    if call_id in turn.calls:
        return turn.calls[call_id]
    open_ids = ", ".join(turn.calls) or "none"
    raise IllegalEvent(f"no call {call_id!r} is open; there are: {open_ids}")
