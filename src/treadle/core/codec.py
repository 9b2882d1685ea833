"""Record <-> bytes: the only module that knows the format. Lifts old events; nothing else does.

An event is a JSON object with its name under "type". A meaning that changes gets a new name ("UserSaid.2") and a lift
from the old one here, so that old logs stay readable for ever (`tests/golden/` has logs of each format).
"""

from collections.abc import Callable, Iterable
from typing import Any

import msgspec

from .errors import StoreDamaged, UsageError
from .events import Event, Record

Raw = dict[str, Any]


def _said(raw: Raw) -> Raw:
    """A text and its pictures apart, to one content in order."""
    text, parts = raw.pop("text"), raw.pop("parts", [])
    content = [text, *parts] if text.strip() else parts
    return raw | {"type": "UserSaid.2", "content": content if parts else text}


def _replied(raw: Raw) -> Raw:
    """A text and calls apart, to one content in order."""
    text, calls = raw.pop("text"), raw.pop("calls", [])
    blocks = [{"type": "Text", "text": text}] if text else []
    blocks += [{"type": "Call"} | call for call in calls]
    return raw | {"type": "ModelReplied.2", "content": blocks if calls else text}


def _claimed(raw: Raw) -> Raw:
    return raw | {"type": "ThreadClaimed.2", "claim": raw.pop("worker")}


def _approved(raw: Raw) -> Raw:
    """A permission held for all calls of a tool, for as long as the thread."""
    always = {"lasts": "thread"} if raw.pop("always", False) else None
    return raw | {"type": "ApprovalGiven.2", "always": always}


LIFTS: dict[str, Callable[[Raw], Raw]] = {
    "UserSaid": _said,
    "ModelReplied": _replied,
    "ThreadClaimed": _claimed,
    "ApprovalGiven": _approved,
}
"""Old name -> what makes the object of today out of it. From format 1 to 2."""

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


def tags_of(kinds: Iterable[type[Event]]) -> tuple[str, ...]:
    """Every name under which events of these kinds stand in logs, also in those of old formats."""
    tags = [str(kind.__struct_config__.tag) for kind in kinds]
    return tuple(tags + [old for old in LIFTS if f"{old}.2" in tags])


def name_of(tag: str) -> str:
    """The kind of event that a log has under this tag."""
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
            f"an event that this version of Treadle can't read: {error}. A newer Treadle may have written it"
        ) from error
