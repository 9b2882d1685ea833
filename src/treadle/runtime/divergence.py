"""The first difference between a recording and its replay. Pure."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from msgspec.structs import asdict

from ..core import events as e
from ..core.errors import ReplayEnds
from ..core.prompt_hash import is_hash_of_said

_SIZES = ("context_tokens", "max_output_tokens")


class Diverged(ReplayEnds):
    """The replay differs from the recording. It stops like a driver that has lost its thread."""


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


def first_setting_that_differs(recorded: e.Record, today: e.AgentDescribed) -> Divergence | None:
    """How what is asked of the model differs from this description in the recording.

    Not its sizes, which a table of today may know better: they show where they bind. And not what
    the recorded run alone was given.
    """
    assert isinstance(recorded.event, e.AgentDescribed)
    left_out = {*_SIZES, *recorded.event.of_run}
    was = _without(recorded.event.settings, left_out)
    now = _without(today.settings, left_out)
    if was == now:
        return None
    return Divergence(recorded.seq, "settings", was, now)


def _without(settings: Mapping[str, Any], names: Collection[str]) -> dict[str, Any]:
    return {name: value for name, value in settings.items() if name not in names}


def _incomparable(event: e.Event) -> Sequence[str]:
    """The fields that this version works out in another way than the one that recorded them did."""
    if isinstance(event, e.ModelCalled) and not is_hash_of_said(event.prompt_hash):
        return ("prompt_hash", "prompt_tokens", "max_output_tokens", "reserved_usd")
    return ()
