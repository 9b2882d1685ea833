"""Fields that only the provider understands: bounded, joined, and sent back. Pure.

What a person is shown of a reply is what the model is sent of it. A field may go back if it says
the same, or nothing that can be read: signatures, encrypted thoughts, ids, numbers.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any

from ...core.errors import ModelUnavailable

THINKING_TEXTS = ("reasoning_content", "reasoning", "thinking", "reasoning_text")
"""Fields in which servers show what the model thinks, as text."""
THINKING_PARTS = ("reasoning_details", "thinking_blocks")
"""Fields in which they show it in parts, some signed or encrypted."""
_SEALED_NAME = re.compile(r"signatures?|encrypted|(^|_)data$")
_SEALED = re.compile(r"[\w+/=.:-]*", re.ASCII)
_LABEL_NAME = re.compile(r"(^|_)(type|format|id|status)$")
_LABEL = re.compile(r"[\w.:-]{0,100}", re.ASCII)

MAX_DEPTH = 64
"""How deep a field of the provider's own may be nested: deeper JSON couldn't be encoded again."""


def check_depth(value: Any, depth: int = MAX_DEPTH) -> Any:
    """The value itself. Raises ModelUnavailable if it is nested too deep to be encoded again."""
    items: Iterable[Any] = ()
    if isinstance(value, dict):
        items = value.values()
    elif isinstance(value, list):
        items = value
    else:
        return value
    if not depth:
        raise ModelUnavailable(f"the server sent a field that is nested more than {MAX_DEPTH} deep")
    for item in items:
        check_depth(item, depth - 1)
    return value


def join_fields(fields: dict[str, list[Any]]) -> dict[str, Any]:
    """One value for each field: texts and lists joined, of other values the last one."""
    joined: dict[str, Any] = {}
    for key, values in fields.items():
        joined[key] = values[-1]
        if all(isinstance(value, str) for value in values):
            joined[key] = "".join(values)
        elif all(isinstance(value, list) for value in values):
            joined[key] = [item for value in values for item in value]
    return joined


def sendable_fields(fields: Mapping[str, Any], shown: str, thinking: str) -> dict[str, Any]:
    """The fields that may go back with a text of which a person is shown `shown`.

    Those that hold thinking as text say what the person is shown of it: `thinking`.
    """
    sendable: dict[str, Any] = {}
    for name, value in fields.items():
        if name in THINKING_TEXTS:
            if thinking:
                sendable[name] = thinking
        elif _squeeze(readable_text(value, name)) in ("", _squeeze(shown)):
            sendable[name] = value
    return sendable


def readable_text(value: Any, name: str = "") -> str:
    """All that can be read in a field, one piece after the other; "" where it is sealed."""
    if isinstance(value, str):
        return "" if _is_unreadable(value, name) else value
    if isinstance(value, list):
        return "".join(readable_text(item, name) for item in value)
    if isinstance(value, dict):
        names = [key for key in value if not _LABEL.fullmatch(key)]
        return "".join([*names, *(readable_text(item, key) for key, item in value.items())])
    return ""


def _is_unreadable(text: str, name: str) -> bool:
    if _SEALED_NAME.search(name):
        return bool(_SEALED.fullmatch(text))
    return bool(_LABEL_NAME.search(name) and _LABEL.fullmatch(text))


def _squeeze(text: str) -> str:
    return "".join(text.split())
