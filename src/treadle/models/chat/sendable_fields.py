"""Which fields of a provider's own may go back with a text. Pure.

What a person is shown of a reply is what the model is sent of it. A field may go back if it says
the same, or nothing that can be read: signatures, encrypted thoughts, ids, numbers.
"""

import re
from collections.abc import Mapping
from typing import Any

from .thought_text import THINKING_TEXTS

_SEALED_NAME = re.compile(r"signatures?|encrypted|(^|_)data$")
_SEALED = re.compile(r"[\w+/=.:-]*", re.ASCII)
_LABEL_NAME = re.compile(r"(^|_)(type|format|id|status)$")
_LABEL = re.compile(r"[\w.:-]{0,100}", re.ASCII)


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
