"""From the chunks of a chat completion to one Reply. Knows their JSON in its many dialects, and nothing of streams.

1. All that is known is checked for its type, and every size is bounded. Nothing but a ModelError is raised.
2. What this module doesn't know of a message (reasoning and the like) is kept as it is and goes back verbatim.
"""

import re
from dataclasses import dataclass, field
from typing import Any

import msgspec

from ..core.errors import ModelRejected, ModelUnavailable
from ..core.events import Call, Replied, Text, Thinking, Usage
from ..core.model import Reply
from ..core.strict_json import value_of
from .provider_errors import read_error, to_model_error
from .usage import parse_usage

MAX_CALLS = 256
MAX_DEPTH = 64
"""Of what is kept for the provider: deeper JSON couldn't be written back."""

_THINKING = ("reasoning_content", "reasoning", "thinking", "reasoning_text")
"""Fields of a message in which servers show what the model thinks, as text."""
_THOUGHT = frozenset((*_THINKING, "reasoning_details", "thinking_blocks", "reasoning_signature"))
"""These, and what belongs to them: signed or encrypted thoughts that go back as they came."""
_KNOWN = frozenset(("role", "content", "tool_calls", "function_call", "refusal"))
_BROKEN_OFF = frozenset(("error", "abort", "network_error", "insufficient_system_resource"))
"""Finish reasons by which OpenRouter, vLLM, Zhipu and DeepSeek say that the reply is none."""


class _Choice(msgspec.Struct):
    index: int | None = None
    delta: dict[str, Any] | None = None
    message: dict[str, Any] | None = None
    finish_reason: str | None = None
    error: Any = None


class _Chunk(msgspec.Struct):
    choices: list[_Choice] | None = None
    usage: Any = None
    error: Any = None
    object: Any = None
    type: Any = None


class _Message(msgspec.Struct):
    """The known fields of a delta, or of a whole message."""

    content: str | list[Any] | None = None
    refusal: str | None = None
    tool_calls: list[dict[str, Any]] | None = None
    function_call: dict[str, Any] | None = None


class _Function(msgspec.Struct):
    name: str | None = None
    arguments: Any = None


class _Piece(msgspec.Struct):
    index: int | None = None
    id: str | int | None = None
    function: _Function | None = None


_chunk_of = msgspec.json.Decoder(
    _Chunk, strict=False
).decode  # not strict: "12" and 12.0 are numbers too


@dataclass
class _Draft:
    """A call of which pieces still come. Lists, since adding to a long text again and again is quadratic."""

    index: int | None
    id: str = ""
    name: str = ""
    arguments: list[str] = field(default_factory=list)
    opaque: dict[str, list[Any]] = field(default_factory=dict)

    def call(self) -> Call:
        """Its name as providers take one back: theirs refuse a history with any other, for ever."""
        name = re.sub(r"[^a-zA-Z0-9_-]", "_", self.name)[:64] or "unnamed"
        return Call(self.id, name, "".join(self.arguments), _joined(self.opaque))


class ReplyBuilder:
    """Add the chunks, in order; `reply()` is what they say together."""

    def __init__(self) -> None:
        self.text: list[str] = []
        """The visible text, in the pieces that it came in."""
        self.finish_reason: str | None = None
        """None until the server has said that the reply is whole."""
        self.usage: Usage | None = None
        """None until the server has counted."""
        self.thinking: list[str] = []
        """What the model thinks, in the pieces that it came in."""
        self._refusal: list[str] = []
        self._calls: list[_Draft] = []
        self._opaque: dict[str, list[Any]] = {}

    def add(self, data: bytes) -> None:
        """One chunk, or one whole completion: JSON text. Raises a ModelError for anything else."""
        try:
            chunk = _chunk_of(data)
            if chunk.error or "error" in (chunk.object, chunk.type):
                raise to_model_error(chunk.error or read_error(data))
            if chunk.usage:
                self.usage = parse_usage(chunk.usage) or self.usage
            for choice in chunk.choices or ():
                if not choice.index:  # we ask for one; 0 may be left out
                    self._choice(choice)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise ModelUnavailable(
                f"the server sent what is no part of a chat completion: {error}"
            ) from None

    def reply(self, usage: Usage) -> Reply:
        """The whole reply; `usage` stands in where the server didn't count."""
        finish_reason = self.finish_reason or "stop"
        if finish_reason in _BROKEN_OFF:
            raise ModelUnavailable(
                f"the provider broke the reply off: finish_reason {finish_reason!r}"
            )
        calls = [draft.call() for draft in self._calls if draft.name or any(draft.arguments)]
        if finish_reason in ("length", "content_filter") and calls and not calls[-1].arguments:
            calls.pop()  # cut before its arguments: it would run as if it had none
        own = _joined(self._opaque)
        thought = {key: value for key, value in own.items() if key in _THOUGHT}
        return Reply(
            self._content(thought, calls),
            usage=self.usage or usage,
            finish_reason=finish_reason,
            refusal="".join(self._refusal),
            opaque={key: value for key, value in own.items() if key not in _THOUGHT},
        )

    def _content(self, thought: dict[str, Any], calls: list[Call]) -> Replied:
        """Thinking, text and calls, in the order in which chat completions has them; text alone as it is."""
        text = "".join(self.text)
        if not thought and not calls:
            return text
        thinking = [Thinking("".join(self.thinking), thought)] if thought else []
        said = [Text(text)] if text else []
        return (*thinking, *said, *calls)

    def _choice(self, choice: _Choice) -> None:
        if choice.error:
            raise to_model_error(choice.error)
        whole = (
            choice.message if choice.delta is None else None
        )  # Perplexity sends both, the message so far
        self._message(choice.delta or whole or {}, numbered=whole is not None)
        self.finish_reason = choice.finish_reason or self.finish_reason
        if whole and self.finish_reason is None:
            self.finish_reason = "tool_calls" if self._calls else "stop"  # a whole message is whole

    def _message(self, raw: dict[str, Any], numbered: bool) -> None:
        message = msgspec.convert(raw, _Message, strict=False)
        if message.content:
            self.text.append(_visible(message.content))
        if message.refusal:
            self._refusal.append(message.refusal)
        if (
            message.function_call and not message.tool_calls
        ):  # the form before tool calls; some still use it
            self._piece({"index": 0, "function": message.function_call})
        for number, piece in enumerate(message.tool_calls or ()):
            self._piece({"index": number} | piece if numbered else piece)
        for key in _THINKING:
            thought = raw.get(key)
            if isinstance(thought, str) and thought:
                self.thinking.append(thought)
                break  # some send the same under two names
        for key, value in raw.items():
            if key not in _KNOWN and value is not None:
                self._opaque.setdefault(key, []).append(_bounded(value))

    def _piece(self, raw: dict[str, Any]) -> None:
        """Add a piece to the call that it belongs to, or begin one."""
        piece = msgspec.convert(raw, _Piece, strict=False)
        function = piece.function or _Function()
        call_id, name = str(piece.id or ""), function.name or ""
        arguments = _arguments(function.arguments)
        draft = self._draft(piece.index, call_id)
        if draft is None or _begins_another(draft, call_id, name, arguments):
            if len(self._calls) == MAX_CALLS:
                raise ModelRejected(
                    f"the reply has more than {MAX_CALLS} tool calls; nothing of it was used"
                )
            draft = _Draft(piece.index)
            self._calls.append(draft)
        draft.id = draft.id or call_id
        if name != draft.name:  # some servers repeat it in every piece
            draft.name += name
        draft.arguments.append(arguments)
        for key, value in raw.items():
            if key not in ("index", "id", "type", "function") and value is not None:
                draft.opaque.setdefault(key, []).append(_bounded(value))

    def _draft(self, index: int | None, call_id: str) -> _Draft | None:
        """The call that has this index; without one this id; without either, the last."""
        for draft in reversed(self._calls):
            if draft.index == index if index is not None else not call_id or draft.id == call_id:
                return draft
        return None


def _begins_another(draft: _Draft, call_id: str, name: str, arguments: str) -> bool:
    """Whether a piece with the same index is another call all the same: servers have numbered all of them 0.

    Only one that brings a name can be. Then a differing id tells; or, without ids, that the call before is complete.
    """
    if not name or not draft.name:
        return False
    if call_id and draft.id:
        return call_id != draft.id
    return bool(arguments or name != draft.name) and _is_object("".join(draft.arguments))


def _arguments(value: Any) -> str:
    """As text, also where the server sends an object in its place."""
    if isinstance(value, str):
        return value
    return msgspec.json.encode(value).decode() if value else ""


def _is_object(text: str) -> bool:
    try:
        return isinstance(value_of(text), dict)
    except ValueError:
        return False


def _visible(content: str | list[Any]) -> str:
    """Text, also where the server sends it in parts."""
    if isinstance(content, str):
        return content
    texts = [part.get("text") for part in content if isinstance(part, dict)]
    return "".join(text for text in texts if isinstance(text, str))


def _bounded(value: Any, depth: int = MAX_DEPTH) -> Any:
    """The value itself. Raises ModelError where it is nested so deep that it couldn't be written back."""
    if isinstance(value, dict | list):
        if not depth:
            raise ModelUnavailable(
                f"the server sent a field that is nested more than {MAX_DEPTH} deep"
            )
        for item in value.values() if isinstance(value, dict) else value:
            _bounded(item, depth - 1)
    return value


def _joined(fields: dict[str, list[Any]]) -> dict[str, Any]:
    """Each field once: texts and lists one after the other, of all else the last."""
    joined: dict[str, Any] = {}
    for key, values in fields.items():
        joined[key] = values[-1]
        if all(isinstance(value, str) for value in values):
            joined[key] = "".join(values)
        elif all(isinstance(value, list) for value in values):
            joined[key] = [item for value in values for item in value]
    return joined
