"""Encodes and decodes records: the only module that knows the format, and how to read old ones.

An event is a JSON object with its name under "type". An event whose meaning changes gets a new name
("ToolReturned.2"), and a lift from the old one here. So old logs stay readable for ever:
`tests/golden/` has one for each version.
"""

import math
import struct
from collections.abc import Callable
from typing import Any
from zlib import crc32

import msgspec

from .errors import StoreDamaged
from .events import Event, Record
from .write_event import write_event

Raw = dict[str, Any]


_THOUGHTS_1 = (
    *("reasoning_content", "reasoning", "thinking", "reasoning_text", "thought"),
    *("reasoning_details", "thinking_blocks", "reasoning_signature"),
)
"""The fields of a reply that held what the model thought, in format 1."""


def _lift_user_said(raw: Raw) -> Raw:
    """A text and its pictures apart become one content in order."""
    text, parts = raw.pop("text"), raw.pop("parts", [])
    content = text
    if parts:
        content = [text, *parts] if text.strip() else parts
    return raw | {"type": "UserSaid.2", "content": content}


def _lift_model_replied(raw: Raw) -> Raw:
    """A text, its calls and its thoughts apart become one content in order."""
    text, calls = raw.pop("text"), raw.pop("calls", [])
    opaque = {**raw.pop("opaque", {})}
    own = {name: opaque.pop(name) for name in _THOUGHTS_1 if name in opaque}
    thoughts = [each for each in own.values() if isinstance(each, str) and each]
    content = text
    if calls or own:
        said = [{"type": "Text", "text": text}] if text else []
        content = said + [{"type": "Call"} | call for call in calls]
    if own:
        content = [{"type": "Thinking", "text": "".join(thoughts[:1]), "opaque": own}, *content]
    return raw | {"type": "ModelReplied.2", "content": content, "opaque": opaque}


def _lift_thread_claimed(raw: Raw) -> Raw:
    return raw | {"type": "ThreadClaimed.2", "claim": raw.pop("worker")}


def _lift_approval_given(raw: Raw) -> Raw:
    """A permission was for all calls of a tool, as long as the thread lasted."""
    always = {"lasts": "thread"} if raw.pop("always", False) else None
    return raw | {"type": "ApprovalGiven.2", "always": always}


LIFTS: dict[str, Callable[[Raw], Raw]] = {
    "UserSaid": _lift_user_said,
    "ModelReplied": _lift_model_replied,
    "ThreadClaimed": _lift_thread_claimed,
    "ApprovalGiven": _lift_approval_given,
}
"""By an event's name in format 1, what makes today's object of it."""

_pack = struct.Struct("<qdd").pack
_encoder = msgspec.json.Encoder()
_event_decoder: msgspec.json.Decoder[Event] = msgspec.json.Decoder(Event)
_record_decoder = msgspec.json.Decoder(Record)


def encode_event(event: Event) -> bytes:
    """One line of JSON, without a newline. Raises UsageError as `write_event`."""
    return write_event(event)[0]


def decode_event(data: bytes | str) -> Event:
    """The event of today that `data` says. Raises StoreDamaged for anything else."""
    try:
        return _event_decoder.decode(data)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        return _lifted(data, error)


def row_checksum(thread_id: str, seq: int, at: float, worked_s: float | None, event: bytes) -> int:
    """The CRC-32 of a record's fields. A store keeps it beside them, and checks it on reading."""
    worked = math.nan if worked_s is None else worked_s
    numbers = _pack(seq, at + 0.0, worked + 0.0)  # databases store -0.0 as 0
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


def name_of(tag: str) -> str:
    """The kind of event that has this name in a log."""
    return tag.partition(".")[0]


def _lifted(data: bytes | str, error: Exception) -> Event:
    try:
        raw = msgspec.json.decode(data)
        while raw["type"] in LIFTS:
            raw = LIFTS[raw["type"]](raw)
        event: Event = msgspec.convert(raw, Event)
        return event
    except (msgspec.DecodeError, KeyError, TypeError, AttributeError, UnicodeError, RecursionError):
        raise StoreDamaged(
            f"an event that this version of Treadle can't read: {error}. A newer Treadle may have"
            " written it"
        ) from error
