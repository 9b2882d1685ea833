"""Record <-> bytes: the only module that knows the format. Lifts old events; nothing else does.

An event is a JSON object with its name under "type". A meaning that changes gets a new name ("ToolReturned.2")
and a lift from the old one here, so old logs stay readable for ever (`tests/golden/` has one log a version).
"""

import struct
from collections.abc import Callable
from typing import Any
from zlib import crc32

import msgspec

from .errors import StoreDamaged, UsageError
from .events import Event, Record

LIFTS: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {}
"""Old name -> what makes the object of today out of it. Empty as long as format 1 is the only one."""

_pack = struct.Struct("<qdd").pack
_encoder = msgspec.json.Encoder()
_event_decoder: msgspec.json.Decoder[Event] = msgspec.json.Decoder(Event)
_record_decoder = msgspec.json.Decoder(Record)


def encode_event(event: Event) -> bytes:
    """One line of JSON, no newline in it. Raises UsageError for text that no encoding can carry."""
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
        return _lifted(data, error)


def row_checksum(thread_id: str, seq: int, at: float, worked_s: float, event: bytes) -> int:
    """The CRC-32 of a record's own fields. A store keeps it beside them, and checks it when it reads."""
    numbers = _pack(seq, at + 0.0, worked_s + 0.0)  # databases keep -0.0 as 0
    return crc32(event, crc32(numbers, crc32(thread_id.encode("utf-8", "surrogatepass"))))


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
            lifted = _lifted(_encoder.encode(raw["event"]), error)
            return _record_decoder.decode(_encoder.encode(raw | {"event": lifted}))
        except (msgspec.DecodeError, KeyError, TypeError, UnicodeError, RecursionError):
            raise StoreDamaged(f"not a record: {error}; it starts {data[:80]!r}") from error


def _lifted(data: bytes | str, error: Exception) -> Event:
    try:
        raw = msgspec.json.decode(data)
        while raw["type"] in LIFTS:
            raw = LIFTS[raw["type"]](raw)
        event: Event = msgspec.convert(raw, Event)
        return event
    except (msgspec.DecodeError, KeyError, TypeError, UnicodeError, RecursionError):
        raise StoreDamaged(
            f"an event that this version of Treadle can't read: {error}. A newer Treadle may have written it"
        ) from error
