"""Encodes and decodes records: the only module that knows the format, and how to read old ones.

An event is a JSON object with its name under "type". An event whose meaning changes gets a new name
("ToolReturned.2"), and a lift from the old one here. So old logs stay readable for ever:
`tests/golden/` has one for each version.
"""

from collections.abc import Callable
from typing import Any

import msgspec

from .errors import StoreDamaged, UsageError
from .events import Event, Record

LIFTS: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {}
"""By an event's old name, what makes today's object of it. Empty: format 1 is the only one."""

_encoder = msgspec.json.Encoder()
_event_decoder: msgspec.json.Decoder[Event] = msgspec.json.Decoder(Event)
_record_decoder = msgspec.json.Decoder(Record)


def encode_event(event: Event) -> bytes:
    """One line of JSON, without a newline. Raises UsageError for text that can't be encoded."""
    try:
        return _encoder.encode(event)
    except UnicodeEncodeError as error:
        raise UsageError(
            f"{type(event).__name__} holds half of a surrogate pair, which is no text: {error}"
        ) from None


def decode_event(data: bytes | str) -> Event:
    """The event of today that `data` says. Raises StoreDamaged for anything else."""
    try:
        return _event_decoder.decode(data)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        return _lift(data, error)


def encode_record(record: Record) -> bytes:
    """One line of JSON Lines, no newline in it."""
    return _encoder.encode(record)


def decode_record(data: bytes | str) -> Record:
    """The record that `data` says. Raises StoreDamaged for anything else."""
    try:
        return _record_decoder.decode(data)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        try:
            raw = msgspec.json.decode(data)
            lifted = _lift(_encoder.encode(raw["event"]), error)
            return _record_decoder.decode(_encoder.encode(raw | {"event": lifted}))
        except (msgspec.DecodeError, KeyError, TypeError, UnicodeError, RecursionError):
            raise StoreDamaged(f"not a record: {error}; it starts {data[:80]!r}") from error


def _lift(data: bytes | str, error: Exception) -> Event:
    try:
        raw = msgspec.json.decode(data)
        while raw["type"] in LIFTS:
            raw = LIFTS[raw["type"]](raw)
        event: Event = msgspec.convert(raw, Event)
        return event
    except (msgspec.DecodeError, KeyError, TypeError, UnicodeError, RecursionError):
        raise StoreDamaged(
            f"an event that this version of Treadle can't read: {error}. A newer Treadle may have"
            " written it"
        ) from error
