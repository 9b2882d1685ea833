"""Builds one Reply from the chunks of a chat completion.

Knows their JSON in all dialects, but not streams.

1. Known fields are checked for their type, and all sizes are bounded. Raises nothing but
   ModelErrors.
2. Unknown fields of a message, such as reasoning, are kept and sent back to the provider unchanged.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import msgspec

from ..core.errors import ModelRejected, ModelUnavailable
from ..core.events import Block, Call, Replied, Text, Thinking, Usage
from ..core.model import Reply
from ..core.strict_json import value_of
from .provider_errors import read_error, to_model_error
from .usage import find_usage

MAX_CALLS = 256
MAX_DEPTH = 64
"""How deep a field of the provider's own may be nested: deeper JSON couldn't be encoded again."""

_THINKING_TEXTS = ("reasoning_content", "reasoning", "thinking", "reasoning_text")
"""Fields in which servers show what the model thinks, as text."""
_THINKING_FIELDS = (*_THINKING_TEXTS, "reasoning_details", "thinking_blocks", "reasoning_signature")
"""These, and what belongs to them: signed or encrypted thoughts, which go back verbatim."""
_KNOWN_FIELDS = frozenset(("role", "content", "tool_calls", "function_call", "refusal"))
_FAILED = frozenset(("error", "abort", "network_error", "insufficient_system_resource"))
"""Finish reasons of OpenRouter, vLLM, Zhipu and DeepSeek for a reply that failed."""


class _Choice(msgspec.Struct):
    index: int | None = None
    delta: dict[str, Any] | None = None
    message: dict[str, Any] | None = None
    finish_reason: str | None = None
    error: Any = None
    usage: Any = None


class _Chunk(msgspec.Struct):
    choices: list[_Choice] | None = None
    usage: Any = None
    x_groq: Any = None
    service_tier: Any = None
    error: Any = None
    object: Any = None
    type: Any = None


class _Message(msgspec.Struct):
    """The known fields of a delta or of a whole message."""

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


# Not strict: "12" and 12.0 are numbers too.
_decode_chunk = msgspec.json.Decoder(_Chunk, strict=False).decode


@dataclass
class _Draft:
    """A call whose pieces are still coming.

    Texts are lists of pieces, since adding to a long string again and again takes quadratic time.
    """

    index: int | None
    id: str = ""
    name: str = ""
    arguments: list[str] = field(default_factory=list)
    opaque: dict[str, list[Any]] = field(default_factory=dict)

    def call(self) -> Call:
        """The call, with a name that providers accept when it is sent back."""
        name = re.sub(r"[^a-zA-Z0-9_-]", "_", self.name)[:64] or "unnamed"
        return Call(self.id, name, "".join(self.arguments), _join(self.opaque))


class ReplyBuilder:
    """Takes the chunks in order with `add`; `reply` gives the Reply that they make."""

    def __init__(self) -> None:
        self.text: list[str] = []
        """The visible text, in the pieces in which it came."""
        self.thinking: list[str] = []
        """What the model thinks, in the pieces in which it came."""
        self.finish_reason: str | None = None
        """None until the server has said that the reply is complete."""
        self.usage: Usage | None = None
        """None until the server has sent its count."""
        self._refusal: list[str] = []
        self._calls: list[_Draft] = []
        self._opaque: dict[str, list[Any]] = {}

    def add(self, data: bytes) -> None:
        """Add one chunk or one whole completion, as JSON. Raises a ModelError for anything else."""
        try:
            chunk = _decode_chunk(data)
            if chunk.error or "error" in (chunk.object, chunk.type):
                raise to_model_error(chunk.error or read_error(data))
            self.usage = find_usage(chunk) or self.usage
            for choice in chunk.choices or ():
                if not choice.index:  # only one was asked for; servers may leave out a 0
                    self._choice(choice)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise ModelUnavailable(
                f"the server sent what is no part of a chat completion: {error}"
            ) from None

    def reply(self, usage: Usage) -> Reply:
        """The whole reply, with `usage` if the server didn't count."""
        finish_reason = self.finish_reason or "stop"
        if finish_reason in _FAILED:
            raise ModelUnavailable(
                f"the provider broke the reply off: finish_reason {finish_reason!r}"
            )
        calls = [draft.call() for draft in self._calls if draft.name or any(draft.arguments)]
        if finish_reason in ("length", "content_filter") and calls and not calls[-1].arguments:
            calls.pop()  # cut off before its arguments: it would run as if it had none
        opaque = _join(self._opaque)
        thoughts = {key: opaque.pop(key) for key in _THINKING_FIELDS if key in opaque}
        return Reply(
            self._content(thoughts, calls),
            usage=self.usage or usage,
            finish_reason=finish_reason,
            refusal="".join(self._refusal),
            opaque=opaque,
        )

    def _content(self, thoughts: dict[str, Any], calls: list[Call]) -> Replied:
        """Thinking, text and calls, in this order: chat completions has no other."""
        text = "".join(self.text)
        if not thoughts and not calls:
            return text
        blocks: list[Block] = []
        if thoughts:
            blocks.append(Thinking("".join(self.thinking), thoughts))
        if text:
            blocks.append(Text(text))
        return (*blocks, *calls)

    def _choice(self, choice: _Choice) -> None:
        if choice.error:
            raise to_model_error(choice.error)
        if choice.delta is not None:  # Perplexity sends the message so far too
            self._message(choice.delta)
        elif choice.message:
            self._message(_number_calls(choice.message))
        self.finish_reason = choice.finish_reason or self.finish_reason
        if choice.delta is None and choice.message and self.finish_reason is None:
            self.finish_reason = "tool_calls" if self._calls else "stop"

    def _message(self, raw: dict[str, Any]) -> None:
        message = msgspec.convert(raw, _Message, strict=False)
        if message.content:
            self.text.append(_content_text(message.content))
        if message.refusal:
            self._refusal.append(message.refusal)
        if message.function_call and not message.tool_calls:  # an old form that some still use
            self._piece({"index": 0, "function": message.function_call})
        for piece in message.tool_calls or ():
            self._piece(piece)
        for key in _THINKING_TEXTS:
            thought = raw.get(key)
            if isinstance(thought, str) and thought:
                self.thinking.append(thought)
                break  # some servers send the same under two names
        for key, value in raw.items():
            if key not in _KNOWN_FIELDS and value is not None:
                self._opaque.setdefault(key, []).append(_check_depth(value))

    def _piece(self, raw: dict[str, Any]) -> None:
        """Add a piece to the call it belongs to, or to a new one."""
        piece = msgspec.convert(raw, _Piece, strict=False)
        function = piece.function or _Function()
        call_id = str(piece.id or "")
        name = function.name or ""
        arguments = _arguments_text(function.arguments)
        draft = self._find_draft(piece.index, call_id)
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
                draft.opaque.setdefault(key, []).append(_check_depth(value))

    def _find_draft(self, index: int | None, call_id: str) -> _Draft | None:
        """The call with this index; without an index, with this id; without either, the last."""
        for draft in reversed(self._calls):
            if index is not None:
                found = draft.index == index
            else:
                found = not call_id or draft.id == call_id
            if found:
                return draft
        return None


def _number_calls(message: dict[str, Any]) -> dict[str, Any]:
    """The message with an index for each of its calls, as pieces of a stream have."""
    raw = message.get("tool_calls")
    if not isinstance(raw, list):
        return message
    calls = []
    for number, call in enumerate(raw):
        calls.append({"index": number} | call if isinstance(call, dict) else call)
    return message | {"tool_calls": calls}


def _begins_another(draft: _Draft, call_id: str, name: str, arguments: str) -> bool:
    """Whether a piece with the same index is another call: some servers give all calls the index 0.

    Only a piece with a name can be. Then a different id tells, or, without ids, that the previous
    call's arguments are complete.
    """
    if not name or not draft.name:
        return False
    if call_id and draft.id:
        return call_id != draft.id
    return bool(arguments or name != draft.name) and _is_object("".join(draft.arguments))


def _arguments_text(value: Any) -> str:
    """The arguments as text; some servers send an object."""
    if isinstance(value, str):
        return value
    if not value:
        return ""
    return msgspec.json.encode(value).decode()


def _is_object(text: str) -> bool:
    try:
        return isinstance(value_of(text), dict)
    except ValueError:
        return False


def _content_text(content: str | list[Any]) -> str:
    """The text of a content; some servers send it in parts."""
    if isinstance(content, str):
        return content
    texts = [part.get("text") for part in content if isinstance(part, dict)]
    return "".join(text for text in texts if isinstance(text, str))


def _check_depth(value: Any, depth: int = MAX_DEPTH) -> Any:
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
        _check_depth(item, depth - 1)
    return value


def _join(fields: dict[str, list[Any]]) -> dict[str, Any]:
    """One value for each field: texts and lists joined, of other values the last one."""
    joined: dict[str, Any] = {}
    for key, values in fields.items():
        joined[key] = values[-1]
        if all(isinstance(value, str) for value in values):
            joined[key] = "".join(values)
        elif all(isinstance(value, list) for value in values):
            joined[key] = [item for value in values for item in value]
    return joined
