"""Removes secrets from a text: by value if the caller knows them, and by shape. Pure.

1. All matches are found first, overlapping ones too, and then removed in one go. So no end of a
   secret is left because another match began inside it.
2. No pattern can fail after an unbounded number of characters, so the time is linear in the text.
   Too much is redacted rather than too little.
"""

import json
import re
from collections.abc import Iterator, Mapping, Set
from typing import Any

MARK = "[redacted]"
MIN_SECRET_CHARS = 8
"""The least length of a secret by value; a shorter one would be found in many words."""

_ENDS = ("_KEY", "_TOKEN", "_SECRET", "PASSWORD")
_SHAPES = re.compile(
    r"(?<![A-Za-z0-9])(?:"
    r"sk-[A-Za-z0-9_-]{16,}|"  # OpenAI, Anthropic, OpenRouter, Langfuse
    r"gh[opsru]_[A-Za-z0-9]{20,}|github_pat_[A-Za-z0-9_]{20,}|glpat-[A-Za-z0-9_-]{16,}|"
    r"hf_[A-Za-z0-9]{20,}|gsk_[A-Za-z0-9]{20,}|lsv2_[A-Za-z0-9_]{20,}|pypi-[A-Za-z0-9_-]{20,}|"
    r"xox[a-z]-[A-Za-z0-9-]{10,}|AIza[A-Za-z0-9_-]{30,}|(?:AKIA|ASIA)[A-Z0-9]{16}|"
    r"eyJ[A-Za-z0-9_-]{8,512}\.[A-Za-z0-9_-]{4,}(?:\.[A-Za-z0-9_-]*)?"  # a JWT (RFC 7519)
    r")"
)
_HEADER = re.compile(
    r"(?i:\b(?:bearer|basic))[ \t]{1,8}([A-Za-z0-9._~+/=-]{8,})"
)  # RFC 6750, RFC 7617
_IN_URL = re.compile(r"://[^\s:/@\"'<>]{0,256}:([^\s/@\"'<>]{1,256})@")
_PEM = re.compile(
    r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY-----"
    r"(?:(?!-----END)[\s\S])*(?:-----END[A-Z0-9 ]{0,40}-----)?"
)


def redact(text: str, secrets: Set[str] = frozenset()) -> str:
    """The text with MARK in place of every secret in it."""
    shown = _without(text, secrets)
    while (
        shown != text
    ):  # what is left beside a mark may only now have a shape, e.g. of a password in a URL
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
            return {
                redact(str(key), secrets): redact_value(each, secrets)
                for key, each in value.items()
            }
        case list() | tuple():
            return [redact_value(each, secrets) for each in value]
        case _:
            return value


def find_secrets(environment: Mapping[str, str]) -> frozenset[str]:
    """The values of variables whose names say that they are secrets; also in their JSON form."""
    values = [
        value
        for name, value in environment.items()
        if name.upper().endswith(_ENDS) and len(value) >= MIN_SECRET_CHARS
    ]
    return frozenset(values) | frozenset(
        json.dumps(value, ensure_ascii=False)[1:-1] for value in values
    )


def _found(text: str, secrets: Set[str]) -> Iterator[tuple[int, int]]:
    for secret in secrets:
        at = text.find(secret) if len(secret) >= MIN_SECRET_CHARS else -1
        while at >= 0:
            yield at, at + len(secret)
            at = text.find(secret, at + 1)
    for shape in (_SHAPES, _HEADER, _IN_URL, _PEM):
        for found in shape.finditer(text):
            yield found.span(found.lastindex or 0)


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
