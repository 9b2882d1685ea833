"""Keeps the marks of a chat template out of texts, so that text stays text.

llama.cpp takes a mark for the template's own wherever it stands in a prompt: `<|im_end|>` in a
tool's result would end the message there, and what follows would be whose it says it is.
"""

import functools
import re
from pathlib import Path
from typing import Any

import msgspec

from .gguf import read_control_tokens

_FIELDS = ("messages", "tools")
"""Of a body: what the template puts into the prompt."""


def keep_plain(body: bytes, weights: Path | None) -> bytes:
    """The body of a request to the model of this file, where each mark within a text is broken by
    a space after its first character."""
    marks = find_marks(weights) if weights else None
    if marks is None or not marks.search(body.decode()):
        return body
    fields = msgspec.json.decode(body)
    plain = {name: _break(fields[name], marks) for name in _FIELDS if name in fields}
    return msgspec.json.encode(fields | plain)


@functools.cache
def find_marks(weights: Path) -> re.Pattern[str] | None:
    """What finds the marks in a text; None for a file that names none. The first time, it reads
    a part of the file."""
    tokens = sorted(read_control_tokens(weights), key=len, reverse=True)
    return re.compile("|".join(map(re.escape, tokens))) if tokens else None


def _break(value: Any, marks: re.Pattern[str]) -> Any:
    match value:
        case str():
            return marks.sub(lambda found: f"{found[0][0]} {found[0][1:]}", value)
        case list():
            return [_break(each, marks) for each in value]
        case dict():
            return {_break(key, marks): _break(each, marks) for key, each in value.items()}
    return value
