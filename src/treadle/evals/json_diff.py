"""How two JSON values differ, in words. Pure."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from ..observe.short_text import shorten

MAX_VALUE = 60
"""Characters of a value that are shown."""


def find_differences(wanted: Any, found: Any, exact: bool = True, at: str = "") -> Iterator[str]:
    """A phrase for each place where they differ; none where they are equal.

    1 is 1.0 and true is not 1; a tuple is a list. Unless `exact`, objects in `found` may have further keys.
    """
    match wanted, found:
        case Mapping(), Mapping():
            for key, value in wanted.items():
                if key in found:
                    yield from find_differences(value, found[key], exact, _path(at, key))
                else:
                    yield f"{_path(at, key)} is missing, wanted {format_value(value)}"
            for key in found if exact else ():
                if key not in wanted:
                    yield f"{_path(at, key)} is {format_value(found[key])}, not wanted"
        case ((list() | tuple()), (list() | tuple())):
            if len(wanted) != len(found):
                yield f"{at or 'the list'} has {len(found)} items, wanted {len(wanted)}: {_parted(wanted, found)}"
                return
            for index, (left, right) in enumerate(zip(wanted, found, strict=True)):
                yield from find_differences(left, right, exact, f"{at}[{index}]")
        case _:
            if isinstance(wanted, bool) is not isinstance(found, bool) or wanted != found:
                yield f"{at or 'it'} is {_parted(wanted, found)}"


def format_value(value: Any) -> str:
    """The value as JSON, cut to fit a line."""
    return shorten(_text(value), MAX_VALUE)


def _path(at: str, key: object) -> str:
    return f"{at}.{key}" if at else str(key)


def _parted(wanted: Any, found: Any) -> str:
    """Both values; long ones that begin alike from shortly before the place where they part."""
    texts = [_text(found), _text(wanted)]
    alike = next(
        (at for at, (a, b) in enumerate(zip(*texts, strict=False)) if a != b), min(map(len, texts))
    )
    if max(map(len, texts)) > MAX_VALUE and alike > MAX_VALUE // 2:
        texts = ["…" + text[alike - 15 :] for text in texts]
    return f"{shorten(texts[0], MAX_VALUE)}, wanted {shorten(texts[1], MAX_VALUE)}"


def _text(value: Any) -> str:
    try:
        return json.dumps(value, ensure_ascii=False, default=repr)
    except (TypeError, ValueError, RecursionError):
        return f"a {type(value).__name__} that has no JSON form"
