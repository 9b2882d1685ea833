"""How long a reply may be, as a provider's refusal of a longer one says. Pure.

The words are those of OpenAI, Anthropic, Google, Mistral, Groq, DeepSeek, Bedrock, OpenRouter,
vLLM, TGI and Together, as their users report them.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from ..core.model import Request
from .accepted_fields import AcceptedFields

LEAST_TOKENS = 16
"""With less room than this it is the prompt that is too large."""

_OUTPUT = re.compile(
    r"max_(?:completion_|output_|new_)?tokens|max_?output_?tokens|max(?:imum)? tokens"
    r"|(?:completion|output|generated) tokens|in the (?:completion|output)",
    re.I,
)
_TOO_LARGE = re.compile(
    r"too (?:large|high|big|many)|exceed|at most|less than|lower than|greater|larger|more than"
    r"|range|maximum (?:allowed|value|number)|maximum context|up to|<=|>|can only afford",
    re.I,
)
_TOO_SMALL = re.compile(r"must be (?:greater|larger|higher) than")
_NUMBER = re.compile(r"(?<![\w.-])(\d+)(?![\w-]|\.\d)")
_CONTEXT = (
    re.compile(
        r"(?:context (?:length|window|size|limit)|(?:sequence|model) length)[^\d.]{0,40}?(\d+)"
    ),
    re.compile(r"(\d+) (?:tokens? )?(?:maximum )?context (?:length|window|size)"),
    re.compile(r"must be <= (\d+)"),
)
_PROMPT = (
    re.compile(r"(\d+) (?:input|prompt|`inputs`) tokens"),
    re.compile(
        r"(\d+) (?:tokens )?(?:in|from) (?:the|your) (?:input |prompt )?(?:messages|prompt)"
    ),
    re.compile(r"(\d+) of text input"),
    re.compile(
        r"(?:prompt|input|messages?|request)(?: contains?| has| have| resulted in| is)? (\d+)"
    ),
)
_SUM = re.compile(r"(?P<prompt>\d+)\s*\+\s*\d+\s*>\s*(?P<context>\d+)")  # Anthropic
_LEFT = re.compile(r"\d+ > (?P<context>\d+) - (?P<prompt>\d+)")  # vLLM
_LIMIT = re.compile(r"limit:? (\d+)(?:, | \()requested:? (\d+)")
"""OpenAI and Groq count the output that is asked for, where that is more than a minute allows; and
Moonshot, where it is more than the context has room for."""
_OF_PROMPT = re.compile(r"tokens in request more than max tokens")  # Zhipu
_BELOW = re.compile(r"(?:less|lower) than [`']?\d|exclusive", re.I)
_STATUS = re.compile(r" \(HTTP \d+[^)]*\)$")


@dataclass(frozen=True)
class OutputRoom:
    """How long a reply may be."""

    tokens: int
    context_tokens: int | None = None
    """Set if that is what the prompt leaves of a context of this size, and no limit of replies."""


def allowed_tokens(request: Request, accepted: AcceptedFields) -> int:
    """How long a reply may be asked for, by what is known of the model."""
    tokens = min(request.max_output_tokens, accepted.output_cap or request.max_output_tokens)
    if accepted.context_tokens:
        tokens = min(tokens, max(LEAST_TOKENS, accepted.context_tokens - request.tokens))
    return tokens


def find_output_room(error: str, asked_tokens: int, prompt_tokens: int) -> OutputRoom | None:
    """What a refusal leaves of the output that was asked for; None if it is about something else.

    None too where the prompt alone is too large. `prompt_tokens` is an estimate, for a provider
    that doesn't say its own count.
    """
    text = re.sub(r"(?<=\d),(?=\d\d\d)", "", _STATUS.sub("", error)).lower()
    if _OF_PROMPT.search(text):
        return None
    room = _room_in_limit(text, asked_tokens)
    is_too_large = _OUTPUT.search(text) and _TOO_LARGE.search(_TOO_SMALL.sub("", text))
    if room is None and not is_too_large:
        return None
    room = room or _room_in_context(text, prompt_tokens) or _limit_of_replies(text, asked_tokens)
    if not LEAST_TOKENS <= room.tokens < asked_tokens:
        return None
    return room


def _room_in_limit(text: str, asked_tokens: int) -> OutputRoom | None:
    found = _LIMIT.search(text)
    if found is None or int(found[2]) <= asked_tokens:
        return None
    limit = int(found[1])
    return OutputRoom(limit - (int(found[2]) - asked_tokens), limit)


def _room_in_context(text: str, prompt_tokens: int) -> OutputRoom | None:
    found = _SUM.search(text) or _LEFT.search(text)
    if found:
        context_tokens = int(found["context"])
        return OutputRoom(context_tokens - int(found["prompt"]), context_tokens)
    contexts = _first_number(_CONTEXT, text)
    if contexts is None:
        return None
    prompts = _first_number(_PROMPT, text)
    if prompts is None:
        prompts = prompt_tokens
    return OutputRoom(contexts - prompts, contexts)


def _limit_of_replies(text: str, asked_tokens: int) -> OutputRoom:
    """The highest number below the one asked for; half of that if the refusal names none."""
    lower = [int(number) for number in _NUMBER.findall(text)]
    lower = [number for number in lower if LEAST_TOKENS < number < asked_tokens]
    if not lower:
        exclusive = _BELOW.search(text) and str(asked_tokens) in _NUMBER.findall(text)
        return OutputRoom(asked_tokens - 1 if exclusive else asked_tokens // 2)
    limit = max(lower)
    if _BELOW.search(text):
        limit -= 1
    return OutputRoom(limit)


def _first_number(patterns: Iterable[re.Pattern[str]], text: str) -> int | None:
    for pattern in patterns:
        if found := pattern.search(text):
            return int(found[1])
    return None
