"""Finds the one JSON value in an answer, between words, thoughts and code fences. Pure."""

import json
import re
from typing import Any

from .thoughts import TAGS, split_thoughts

MAX_STARTS = 1000
"""How many brackets are tried: text with more of them isn't an answer with words round it."""
_FENCED = re.compile(r"```[a-zA-Z]*[ \t]*\n(.*?)```", re.S)
_OPENING = re.compile(rf"<({'|'.join(TAGS)})>")


def find_json(answer: str) -> str:
    """The text of the one JSON value that an answer holds.

    The answer itself where it holds none. Raises ValueError where it holds several that differ.
    """
    _, said = split_thoughts(answer)
    if _is_json(said):
        return said
    said = _without_thoughts(said)
    fenced = [text.strip() for text in _FENCED.findall(said) if _is_json(text)]
    found = _different(fenced) or _different(_scan(said))
    if len(found) > 1:
        raise ValueError(f"it holds {len(found)} JSON values; give one, and nothing else")
    return found[0] if found else said


def _without_thoughts(text: str) -> str:
    """The text without what stands between tags such as <think>.

    A pattern for the whole would look for each closing tag anew. So a model that repeats an opening
    one would keep the process busy for minutes.
    """
    parts: list[str] = []
    at = 0
    unclosed: set[str] = set()
    for opening in _OPENING.finditer(text):
        tag = opening[1]
        if opening.start() < at or tag in unclosed:
            continue
        closing = text.find(f"</{tag}>", opening.end())
        if closing < 0:
            unclosed.add(tag)
            continue
        parts.append(text[at : opening.start()])
        at = closing + len(f"</{tag}>")
    return "".join([*parts, text[at:]])


def _different(texts: list[str]) -> list[str]:
    """One text for each value: a model may write its answer twice."""
    values: list[Any] = []
    kept = []
    for text in texts:
        value = json.loads(text)
        if value not in values:
            values.append(value)
            kept.append(text)
    return kept


def _scan(text: str) -> list[str]:
    """The JSON objects in a text, outermost only; lists where there is no object."""
    for opening in "{[":
        found = _scan_for(opening, text)
        if found:
            return found
    return []


def _scan_for(opening: str, text: str) -> list[str]:
    found = []
    at = text.find(opening)
    for _ in range(MAX_STARTS):
        if at < 0:
            break
        end = at + 1
        try:
            _, end = _DECODER.raw_decode(text, at)
            found.append(text[at:end])
        except (ValueError, RecursionError):
            pass
        at = text.find(opening, end)
    return found


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


_DECODER = json.JSONDecoder()
