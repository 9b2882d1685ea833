"""Globs over the arguments of a call, as a permission has them: `docs/*`. Pure.

A glob stands for names of one kind, so it covers no value that leaves them: none with `..` as a
part of a path, and none with a line break. Such a value is covered only if it is written out, or by
`*` alone, which is anything at all.
"""

import re
from collections.abc import Iterator
from fnmatch import fnmatchcase
from typing import Any
from urllib.parse import unquote

import msgspec

ANYTHING = "*"
_NOT_IN_JSON = (TypeError, ValueError, OverflowError, RecursionError)
"""What msgspec raises for a type of the tool's own, such as a pydantic model, and for 10**30."""
_SPECIAL = re.compile(r"([*?\[])")
_ESCAPED = re.compile(r"\[([*?\[])\]")
_UPWARDS = re.compile(r"""(?<![^/\\'"])\.\.(?![^/\\'";])""")
"""`..` as a part of a path. With `;` after it, it is one for some servers of Java."""


def fits_glob(value: Any, pattern: str) -> bool:
    """Whether a glob covers this value. Text is compared as it is, all else as JSON."""
    if pattern == ANYTHING or _text_of(value) == _ESCAPED.sub(r"\1", pattern):
        return True
    return matches_glob(value, pattern) and not any(map(_leaves, _texts_in(value)))


def matches_glob(value: Any, pattern: str) -> bool:
    """Whether the value matches by its characters alone: `*` stands for `/../` and line breaks."""
    return fnmatchcase(_text_of(value), pattern)


def exact_glob(value: Any) -> str:
    """The glob that covers this value and no other."""
    return _SPECIAL.sub(r"[\1]", _text_of(value))


def _text_of(value: Any) -> str:
    if isinstance(value, str):
        return value
    try:
        return msgspec.json.encode(value).decode()
    except _NOT_IN_JSON:
        return str(value)


def _texts_in(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for key, each in value.items():
            yield from _texts_in(key)
            yield from _texts_in(each)
    elif isinstance(value, list | tuple | set | frozenset):
        for each in value:
            yield from _texts_in(each)
    else:
        yield _text_of(value)
        if value is not None and not isinstance(value, str | int | float):
            yield from _texts_in(_plain(value))


def _plain(value: Any) -> Any:
    """What a value of a type of the tool's own consists of: its text as JSON hides line breaks."""
    try:
        return msgspec.to_builtins(value, enc_hook=_parts_of)
    except _NOT_IN_JSON:
        return ".."  # nobody knows, so no glob covers it


def _parts_of(value: Any) -> Any:
    return getattr(value, "__dict__", None) or str(value)


def _leaves(text: str) -> bool:
    """Whether a text goes up in a path or into another line; `%2e` and the like are read, too.

    Also where they are encoded twice: a proxy may decode once, and who is behind it again.
    """
    once = unquote(text)
    return any(
        _UPWARDS.search(each) or "\0" in each or each.splitlines() not in ([], [each])
        for each in (text, once, unquote(once))
    )
