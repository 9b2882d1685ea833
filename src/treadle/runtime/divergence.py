"""The first difference between a recording and its replay. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from msgspec.structs import asdict

from ..core import events as e
from ..core.model import is_hash_of_said


@dataclass(frozen=True)
class Divergence:
    """The first difference between a recording and its replay."""

    seq: int
    field: str
    """Of the event, or `event` where the events are of different kinds."""
    recorded: object
    replayed: object

    def __str__(self) -> str:
        return f"record {self.seq}: {self.field} was {self.recorded!r}, is now {self.replayed!r}"


def first_difference(recorded: e.Record, replayed: e.Record) -> Divergence | None:
    """How two records of one seq differ; None if they don't."""
    if type(recorded.event) is not type(replayed.event):
        return Divergence(recorded.seq, "event", recorded.event, replayed.event)
    fields = asdict(replayed.event)
    unknown = _incomparable(recorded.event)
    for name, value in asdict(recorded.event).items():
        if value != fields[name] and name not in unknown:
            return Divergence(recorded.seq, name, value, fields[name])
    return None


def _incomparable(event: e.Event) -> Sequence[str]:
    """The fields that this version works out in another way than the one that recorded them did."""
    if isinstance(event, e.ModelCalled) and not is_hash_of_said(event.prompt_hash):
        return ("prompt_hash", "prompt_tokens", "max_output_tokens", "reserved_usd")
    return ()
