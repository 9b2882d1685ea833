"""The calls of a reply, as servers write them. Pure.

Arguments are joined from the pieces in which a server streams them.

Some servers repeat what they have sent: GLM, Mistral behind gateways and others send the whole
arguments again at the end, Gemini `{}` before them, and some all so far in each piece. Joined, they
are no JSON, and the model would be told that it can't write any.
"""

import json
import re
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import msgspec

from ..core.errors import ModelRejected
from ..core.strict_json import value_of

MAX_CALLS = 256


def refuse_more_calls(count: int) -> None:
    """Raise ModelRejected for a reply with more calls than any real one has."""
    if count > MAX_CALLS:
        raise ModelRejected(
            f"the reply has more than {MAX_CALLS} tool calls; nothing of it was used"
        )


def legal_name(name: Any) -> str:
    """The name of a call as providers accept it when it is sent back."""
    said = name.strip() if isinstance(name, str) else ""
    return re.sub(r"[^a-zA-Z0-9_-]", "_", said)[:64] or "unnamed"


def arguments_text(value: Any) -> str:
    """The arguments as the JSON text that came, else of the object that some servers send."""
    if isinstance(value, str):
        return value
    return msgspec.json.encode(value).decode() if value else ""


def join_arguments(pieces: Sequence[str]) -> str:
    """The arguments as a text: what was repeated stands in it once, and all else as it came."""
    joined = "".join(pieces)
    if not joined or is_object(joined):
        return joined
    said = [each for each in _split_objects(joined) if each.strip("{} \t\r\n")]
    if said and all(each == said[0] for each in said):
        return said[0]
    grown = [each for each in pieces if each]
    grows = all(after.startswith(before) for before, after in pairwise(grown))
    if grows and is_object(grown[-1]):
        return grown[-1]
    return joined


def is_object(text: str) -> bool:
    """Whether a text is a JSON object."""
    try:
        return isinstance(value_of(text), dict)
    except ValueError:
        return False


def _split_objects(text: str) -> list[str]:
    """The JSON objects that make a text, one after the other; none if there is anything else."""
    found: list[str] = []
    decoder = json.JSONDecoder()
    rest = text.strip()
    while rest:
        try:
            _, end = decoder.raw_decode(rest)
        except (ValueError, RecursionError):
            return []
        if not is_object(rest[:end]):
            return []
        found.append(rest[:end])
        rest = rest[end:].lstrip()
    return found
