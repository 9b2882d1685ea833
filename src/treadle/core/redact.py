"""Removes secrets from a text: by value if the caller knows them, and by shape. Pure.

All matches are found first, overlapping ones too, and then removed in one go. So no end of a secret
is left because another match began inside it.
"""

import base64
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Set
from typing import Any
from urllib.parse import quote

from .secret_names import names_password, names_secret
from .secret_patterns import find_secret_shapes

MARK = "[redacted]"
MIN_SECRET_CHARS = 8
"""The least length of a secret by value; a shorter one would be found in many words."""

_SECRET_VARIABLE = re.compile(
    r"(?:KEY|TOKEN|SECRET|PASSWORD|PASSWD|PASSPHRASE|_PASS|(?<!OLD)(?<=.)PWD|CREDENTIALS?|_PAT)$"
)
_HEADER = re.compile(r"(?i)(?:^|-)(?:authorization|cookie2?)$")
_PASSWORD_OF_URL = re.compile(r"://[^\s:/?#@]*:([^\s/]+)@")


def redact(text: str, secrets: Set[str] = frozenset()) -> str:
    """The text with MARK in place of every secret in it."""
    shown = _without(text, secrets)
    # What is left beside a mark may only now have a shape, e.g. of a password in a URL.
    while shown != text:
        text, shown = shown, _without(shown, frozenset())
    return shown


def _without(text: str, secrets: Set[str]) -> str:
    parts, at = [], 0
    for start, end in _merged(sorted(_found(text, secrets))):
        parts += [text[at:start], MARK]
        at = end
    return "".join([*parts, text[at:]]) if parts else text


def redact_value(value: Any, secrets: Set[str] = frozenset()) -> Any:
    """A value as JSON has them, with every text in it redacted, those of keys too."""
    match value:
        case str():
            return redact(value, secrets)
        case Mapping():
            named = _name_beside_value(value)
            return {
                redact(str(key), secrets): _redact_field(
                    named if str(key).lower() == "value" else str(key), each, secrets
                )
                for key, each in value.items()
            }
        case list() | tuple():
            return [redact_value(each, secrets) for each in value]
        case _:
            return value


def find_secrets(environment: Mapping[str, str]) -> frozenset[str]:
    """The values of variables whose names say that they are secrets, and passwords in URLs.

    Each in all of its `spellings`.
    """
    values: list[str] = []
    for name, value in environment.items():
        if _SECRET_VARIABLE.search(name.upper()):
            values.append(value)
        values += passwords_of(value)
    return spellings(values)


def passwords_of(url: str) -> list[str]:
    """The passwords in the URLs of a text."""
    return _PASSWORD_OF_URL.findall(url)


def spellings(values: Iterable[str]) -> frozenset[str]:
    """These secrets as they are, in JSON, in URLs and in base64; without those that are too short.

    In base64 the same text has three forms, since three bytes are four characters: each is taken
    without the characters at its ends, which depend on the text around.
    """
    found: set[str] = set()
    for value in values:
        if len(value) < MIN_SECRET_CHARS:
            continue
        found |= {value, json.dumps(value, ensure_ascii=False)[1:-1], quote(value, safe="")}
        data = value.encode("utf8", "replace")
        for offset, skipped in enumerate((0, 2, 3)):
            whole = base64.b64encode(b"\0" * offset + data).decode().rstrip("=")
            kept = (offset + len(data)) * 8 // 6
            found |= {whole[skipped:kept], whole[skipped:kept].replace("+", "-").replace("/", "_")}
    return frozenset(each for each in found if len(each) >= MIN_SECRET_CHARS)


def _name_beside_value(fields: Mapping[Any, Any]) -> str:
    """`X-Api-Key` in {"name": "X-Api-Key", "value": "…"}; "value" where there is no such field."""
    for key, value in fields.items():
        if str(key).lower() in ("name", "key", "header") and isinstance(value, str):
            return value
    return "value"


def _redact_field(name: str, value: Any, secrets: Set[str]) -> Any:
    match value:
        case str():
            if names_secret(name, value):
                return MARK
            return _redact_header(name, redact(value, secrets))
        case bool():
            return value
        case int() if names_password(name):
            return MARK
        case list() | tuple():
            return [_redact_field(name, each, secrets) for each in value]
        case {"value": str() as inner} if names_secret(name, inner):
            return redact_value({**value, "value": MARK}, secrets)
        case _:
            return redact_value(value, secrets)


def _redact_header(name: str, value: str) -> str:
    """The value of a header, such as Cookie, as it is redacted behind its name in a text."""
    if not _HEADER.search(name):
        return value
    return redact(f"{name}: {value}").removeprefix(f"{name}: ")


def _found(text: str, secrets: Set[str]) -> Iterator[tuple[int, int]]:
    for secret in secrets:
        at = text.find(secret) if len(secret) >= MIN_SECRET_CHARS else -1
        while at >= 0:
            yield at, at + len(secret)
            at = text.find(secret, at + 1)
    yield from find_secret_shapes(text)


def _merged(spans: list[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """Without overlaps; those that touch are one."""
    if not spans:
        return
    start, end = spans[0]
    for next_start, next_end in spans[1:]:
        if next_start > end:
            yield start, end
            start, end = next_start, next_end
        end = max(end, next_end)
    yield start, end
