"""What the model is shown of a tool's result: text, and pictures and files as such. Pure.

1. A text stays as it is; values with an obvious JSON form are JSON; anything else is described in
   words. The call has had its effect by now, so no result is ever an error.
2. Pictures, files and sounds are taken out of the result, wherever in it they stand, and the text
   names them in their order. Bytes that are a picture, say, count as one.
"""

import contextlib
import dataclasses
import datetime
import decimal
import enum
import itertools
import json
import math
import uuid
from collections.abc import Collection, Iterator, Mapping
from types import GeneratorType, SimpleNamespace
from typing import Any

import msgspec

from ..core.attachments import find_type
from ..core.errors import UsageError
from ..core.events import Attachment, Audio, File, Image
from ..core.raised import message_of
from .said import check_part

MAX_ITEMS = 100_000
"""Of a collection whose items are made as one goes through it: range(10**12), say."""
MORE = "[there may be more items: they aren't made]"
NOTHING = "done; it gave no result"
_CUT = "\n[cut: "
_MARKS = (
    *(b'"type":"Image"', b'"type":"File"', b'"type":"Audio"'),
    *(b'"iVBORw0KGgo', b'"/9j/', b'"R0lGOD', b'"UklGR', b'"JVBERi0'),
)
"""Of attachments, and of bytes in base64 that are a PNG, a JPEG, a GIF, a WebP or WAV, a PDF."""
_NAMES: dict[type[Attachment], str] = {Image: "picture", File: "file", Audio: "sound"}
_LEAVES = (datetime.date, datetime.time, datetime.timedelta, decimal.Decimal, uuid.UUID)
"""Values with a text of their own in JSON, by msgspec."""


@dataclasses.dataclass(frozen=True)
class ShownResult:
    """A result as the model gets it."""

    text: str
    cut_chars: int = 0
    """How many characters of the text are left out."""
    parts: tuple[Attachment, ...] = ()


def render_result(result: Any, max_chars: int) -> ShownResult:
    """A result as text of at most about `max_chars`, and its pictures and files."""
    parts: list[Attachment] = []
    text, cut_chars = cut_text(clean(_to_text(result, parts)), max_chars)
    return ShownResult(text, cut_chars, tuple(parts))


def cut_text(text: str, max_chars: int) -> tuple[str, int]:
    """The text, or the beginning of a longer one, which says so; how many characters that lacks."""
    cut_chars = len(text) - max_chars
    if cut_chars <= 0:
        return text, 0
    return f"{text[:max_chars]}{_CUT}{max_chars} of {len(text)} characters are shown]", cut_chars


def is_cut_from(text: str, whole: str) -> bool:
    """Whether `cut_text` has made the text of that whole one."""
    kept = text.rfind(_CUT)
    return kept > 0 and cut_text(whole, kept)[0] == text


def clean(text: str) -> str:
    """Without lone surrogates, which no provider and no database takes."""
    return text.encode("utf-8", "replace").decode()


def _to_text(result: Any, parts: list[Attachment]) -> str:
    if result is None:
        return NOTHING
    if isinstance(result, str):
        return result
    try:
        result = _as_attachment(result)
        if isinstance(result, str):
            return result
        encoded = _encode_plain(result)
        if encoded is not None:
            return encoded
        plain = _to_plain(result, parts)
        if isinstance(plain, str):
            return plain
        if isinstance(plain, list) and parts and all(isinstance(each, str) for each in plain):
            return "\n".join(plain)
        return json.dumps(plain, ensure_ascii=False, separators=(",", ":"))
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # a result is another's code, and may raise whatever it likes
        parts.clear()
        name = type(result).__name__
        return f"the call ran, but its result, of type {name}, can't be shown ({message_of(error)})"


def _encode_plain(result: Any) -> str | None:
    """The result as JSON where msgspec can write all of it; None where it needs more care."""
    try:
        encoded = msgspec.json.encode(result)
        if b"null" in encoded:  # which msgspec writes for NaN and infinities too
            json.dumps(msgspec.to_builtins(result), allow_nan=False)
    except KeyboardInterrupt:
        raise
    except BaseException:  # of many kinds: types, keys, numbers, depth, half surrogates
        return None
    if any(mark in encoded for mark in _MARKS):
        return None
    return encoded.decode()


def _as_attachment(result: Any) -> Any:
    """Bytes and drawings that are a picture, a document or a sound, as such."""
    if hasattr(result, "_repr_png_"):  # as notebooks show it: pictures of Pillow, say
        result = result._repr_png_() or result
    if not isinstance(result, bytes | bytearray | memoryview):
        return result
    content = bytes(result)
    content_type = find_type(content)
    with contextlib.suppress(UsageError, UnicodeDecodeError):
        if content_type == "application/pdf":
            return File.of(content)
        if content_type.startswith("image/"):
            return Image.of(content)
        if content_type.startswith("audio/"):
            return Audio.of(content)
        return content.decode()
    return content


def _to_plain(value: Any, parts: list[Attachment]) -> Any:
    """The value as JSON has it, without its pictures and files, which are added to `parts`."""
    if isinstance(value, Attachment):
        return _take_part(value, parts)
    if value is None or isinstance(value, bool | int | str):
        return value.value if isinstance(value, enum.Enum) else value
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if isinstance(value, Mapping):
        return {_to_key(key, parts): _to_plain(each, parts) for key, each in value.items()}
    if isinstance(value, enum.Enum):
        return _to_plain(value.value, parts)
    if isinstance(value, bytes | bytearray | memoryview):
        found = _as_attachment(value)
        return msgspec.to_builtins(found) if found == value else _to_plain(found, parts)
    if isinstance(value, _LEAVES):
        return msgspec.to_builtins(value)
    if isinstance(value, GeneratorType | Iterator):
        return f"{type(value).__name__}, which was not run: return a list"
    if isinstance(value, Collection) and not isinstance(value, type):
        items = [_to_plain(each, parts) for each in itertools.islice(value, MAX_ITEMS)]
        return [*items, MORE] if len(items) == MAX_ITEMS else items
    if isinstance(value, BaseException):
        return f"{type(value).__name__}: {message_of(value)}"
    fields = _fields_of(value)
    if fields is not None:
        return _to_plain(fields, parts)
    text = str(value)
    if text == object.__repr__(value):
        return f"{type(value).__name__}, a value without a JSON form"
    return text


def _fields_of(value: Any) -> Any:
    """An object's own form as data; None if it has none."""
    if isinstance(value, type):
        return None
    if hasattr(value, "model_dump"):  # pydantic
        with contextlib.suppress(ValueError):  # it can't write a picture, say
            return value.model_dump(mode="json")
        return {name: getattr(value, name) for name in type(value).model_fields}
    if dataclasses.is_dataclass(value):
        return {each.name: getattr(value, each.name) for each in dataclasses.fields(value)}
    if isinstance(value, msgspec.Struct):
        return msgspec.structs.asdict(value)
    if isinstance(value, SimpleNamespace):
        return vars(value)
    if hasattr(value, "__attrs_attrs__"):
        return {each.name: getattr(value, each.name) for each in value.__attrs_attrs__}
    for name in ("tolist", "to_dict"):  # NumPy, pandas and their like
        if callable(getattr(value, name, None)):
            return getattr(value, name)()
    return None


def _to_key(key: Any, parts: list[Attachment]) -> str:
    plain = _to_plain(key, parts)
    return plain if isinstance(plain, str) else json.dumps(plain)


def _take_part(part: Attachment, parts: list[Attachment]) -> str:
    name = f" {part.name}" if isinstance(part, File) else ""
    try:
        check_part(part)
    except UsageError as error:
        return f"[a {_NAMES[type(part)]}{name} that can't be shown: {error}]"
    parts.append(part)
    return f"[{_NAMES[type(part)]} {len(parts)}{name and ':'}{name}]"
