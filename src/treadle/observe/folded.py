"""A thread's records with what follows from them, so that its readers fold it once. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from ..core import events as e
from ..core.state import State, apply
from .outward import describe_outward


@dataclass(frozen=True)
class Folded:
    """A thread's records, at least one, and what is true after them."""

    records: Sequence[e.Record] = field(repr=False)
    state: State
    outward: Mapping[int, str]
    """By seq, why a call that started there may have carried private data out, and who let it."""


def fold_thread(records: Sequence[e.Record]) -> Folded:
    """These records of a thread, folded. Raises IllegalEvent."""
    state = State()
    outward: dict[int, str] = {}
    for record in records:
        if words := describe_outward(state, record.event):
            outward[record.seq] = words
        state = apply(state, record)
    return Folded(records, state, outward)
