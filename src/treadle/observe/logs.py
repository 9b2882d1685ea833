"""A listener that writes a line of JSON for each record, through the standard `logging`."""

import json
import logging
import re
from collections.abc import Mapping, Set
from datetime import UTC, datetime
from typing import Any

import msgspec

from ..core import events as e
from ..core.codec import name_of
from ..core.redact import redact_value
from ..models.known_secrets import known_secrets
from ..runtime.listeners import Delta

MAX_TEXT_CHARS = 500
"""How many characters of a text a line keeps."""

_LEFT_OUT = ("key", "opaque")
"""Fields of no use to a reader: idempotency keys, and what only a provider understands."""
_LEVELS: dict[type, int] = {
    **dict.fromkeys(
        (e.ThreadClaimed, e.AgentDescribed, e.ModelCalled, e.StepAsked, e.ToolStarted),
        logging.DEBUG,
    ),
    **dict.fromkeys(
        (e.ModelFailed, e.ToolFailed, e.AnswerRejected, e.LimitReached), logging.WARNING
    ),
}
_DELETE = re.compile("\x7f")


class RecordLogger:
    """A listener that logs each record as one line to `logger`, by default `treadle.records`.

    It adds no handler. Secrets are redacted: those given, else those in the environment and of
    models, and what looks like one. Texts longer than `most` characters are cut. A line is always
    ASCII: control characters are JSON escapes.
    """

    def __init__(
        self,
        logger: logging.Logger | None = None,
        *,
        secrets: Set[str] | None = None,
        most: int = MAX_TEXT_CHARS,
    ) -> None:
        self._logger = logger or logging.getLogger("treadle.records")
        self._secrets = secrets
        self._most = most

    def __call__(self, what: e.Record | Delta) -> None:
        if isinstance(what, e.Record) and self._logger.isEnabledFor(level_of(what.event)):
            secrets = known_secrets() if self._secrets is None else self._secrets
            self._logger.log(level_of(what.event), "%s", json_line(what, secrets, self._most))


def level_of(event: e.Event) -> int:
    """The level: DEBUG for a start, WARNING for a problem, ERROR for a failed turn, else INFO."""
    if isinstance(event, e.TurnEnded) and event.status == "failed":
        return logging.ERROR
    return _LEVELS.get(type(event), logging.INFO)


def json_line(record: e.Record, secrets: Set[str] = frozenset(), most: int = MAX_TEXT_CHARS) -> str:
    """The record as one line of JSON: thread_id, seq, at, type, then the event's fields. Pure."""
    fields = {"thread_id": record.thread_id, "seq": record.seq, "at": _format_time(record.at)}
    for name, value in msgspec.to_builtins(record.event).items():
        if name not in _LEFT_OUT:
            fields[name] = value
    fields["type"] = name_of(str(fields["type"]))
    line = json.dumps(_cut(redact_value(fields, secrets), most), separators=(",", ":"))
    return _DELETE.sub(r"\\u007f", line)  # the only control character that JSON doesn't escape


def _cut(value: Any, most: int) -> Any:
    match value:
        case str() if len(value) > most:
            return f"{value[:most]}… ({len(value)} characters)"
        case Mapping():
            return {key: _cut(each, most) for key, each in value.items() if key not in _LEFT_OUT}
        case list():
            return [_cut(each, most) for each in value]
        case _:
            return value


def _format_time(at: float) -> str | float:
    try:
        return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds")
    except (ValueError, OverflowError, OSError):  # a time that no calendar has
        return at
