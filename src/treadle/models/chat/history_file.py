"""Reads the histories in a file: one JSON value, or JSON Lines. Pure.

A history is a list of messages, or an object with `messages` (a request's body, a line of a data
set for training), which may name the model and the tools. Lines with one message each are one
history.
"""

from collections.abc import Mapping
from typing import Any

import msgspec

from ...core.errors import ModelUnavailable, UsageError
from ..nesting import MAX_DEPTH, check_depth
from .read_history import UNKNOWN_MODEL, ChatHistory

EXPECTED = (
    'it must be a list of messages, [{"role": "user", "content": "Hello"}, …], an object with'
    ' "messages", or lines of these'
)


def read_histories(data: bytes) -> list[ChatHistory]:
    """The histories, at least one. Raises UsageError."""
    data = data.removeprefix(b"\xef\xbb\xbf")  # a byte order mark, as some editors write it
    if not data.strip():
        raise UsageError(f"the file is empty; {EXPECTED}")
    try:
        values = [_decode(data)]
    except _NoJSON as error:
        values = _decode_lines(data, str(error))
    if len(values) == 1 and isinstance(values[0], list) and not _is_history(values[0]):
        values = values[0]
    if values and all(_is_message(value) for value in values):
        return [ChatHistory(values)]
    if not values:
        raise UsageError(f"the file has no message; {EXPECTED}")
    return [_as_history(value, number) for number, value in enumerate(values, 1)]


class _NoJSON(Exception):
    """Bytes that are no JSON, and why."""


def _decode(data: bytes) -> Any:
    try:
        return check_depth(msgspec.json.decode(data))
    except msgspec.DecodeError as error:
        raise _NoJSON(str(error)) from None
    except UnicodeDecodeError:
        raise _NoJSON("its text isn't UTF-8") from None
    except (RecursionError, ModelUnavailable):
        raise _NoJSON(f"it is nested more than {MAX_DEPTH} deep") from None


def _decode_lines(data: bytes, whole: str) -> list[Any]:
    values: list[Any] = []
    for number, line in enumerate(data.splitlines(), 1):
        if not line.strip():
            continue
        try:
            values.append(_decode(line))
        except _NoJSON as error:
            if not values:
                raise UsageError(f"the file isn't JSON: {whole}; {EXPECTED}") from None
            raise UsageError(f"line {number} isn't JSON: {error}") from None
    return values


def _is_message(value: Any) -> bool:
    return isinstance(value, Mapping) and "role" in value


def _is_history(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(map(_is_message, value))


def _as_history(value: Any, number: int) -> ChatHistory:
    if isinstance(value, list):
        return ChatHistory(value)
    if isinstance(value, Mapping) and "messages" in value:
        tools = value.get("tools")
        model = value.get("model")
        return ChatHistory(
            value["messages"],
            tools if isinstance(tools, list) else (),
            model if isinstance(model, str) and model else UNKNOWN_MODEL,
        )
    raise UsageError(f"history {number} is none: {EXPECTED}")
