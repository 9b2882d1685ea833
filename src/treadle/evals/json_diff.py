"""Describes how two JSON values differ. Pure."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from ..observe.short_text import shorten

MAX_VALUE = 60
"""Characters of a value that are shown."""


def find_differences(wanted: Any, found: Any, exact: bool = True, path: str = "") -> Iterator[str]:
    """A phrase for each difference; none if the values are equal.

    1 equals 1.0 but not true; a tuple equals a list. Unless `exact`, objects in `found` may have
    extra keys.
    """
    match wanted, found:
        case Mapping(), Mapping():
            yield from _compare_objects(wanted, found, exact, path)
        case ((list() | tuple()), (list() | tuple())):
            if len(wanted) != len(found):
                what = path or "the list"
                values = _format_both(wanted, found)
                yield f"{what} has {len(found)} items, wanted {len(wanted)}: {values}"
                return
            for index, (left, right) in enumerate(zip(wanted, found, strict=True)):
                yield from find_differences(left, right, exact, f"{path}[{index}]")
        case _:
            if isinstance(wanted, bool) is not isinstance(found, bool) or wanted != found:
                yield f"{path or 'it'} is {_format_both(wanted, found)}"


def format_value(value: Any) -> str:
    """The value as JSON, shortened to fit a line."""
    return shorten(_to_json(value), MAX_VALUE)


def _compare_objects(
    wanted: Mapping[Any, Any], found: Mapping[Any, Any], exact: bool, path: str
) -> Iterator[str]:
    for key, value in wanted.items():
        if key in found:
            yield from find_differences(value, found[key], exact, _join(path, key))
        else:
            yield f"{_join(path, key)} is missing, wanted {format_value(value)}"
    if not exact:
        return
    for key in found:
        if key not in wanted:
            yield f"{_join(path, key)} is {format_value(found[key])}, not wanted"


def _join(path: str, key: object) -> str:
    if not path:
        return str(key)
    return f"{path}.{key}"


def _format_both(wanted: Any, found: Any) -> str:
    """Both values.

    Long ones with a common beginning are shown from shortly before the difference.
    """
    texts = [_to_json(found), _to_json(wanted)]
    same = 0
    for left, right in zip(*texts, strict=False):
        if left != right:
            break
        same += 1
    if max(map(len, texts)) > MAX_VALUE and same > MAX_VALUE // 2:
        texts = ["…" + text[same - 15 :] for text in texts]
    return f"{shorten(texts[0], MAX_VALUE)}, wanted {shorten(texts[1], MAX_VALUE)}"


def _to_json(value: Any) -> str:
    try:
        return json.dumps(value, ensure_ascii=False, default=repr)
    except (TypeError, ValueError, RecursionError):
        return f"a {type(value).__name__} that has no JSON form"
