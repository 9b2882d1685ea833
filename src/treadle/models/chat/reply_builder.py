"""Builds one Reply from the chunks of a chat completion, as its many servers write them.

1. Known fields are checked for their type, and all sizes are bounded. Raises nothing but
   ModelErrors.
2. Unknown fields of a message, such as reasoning, are kept and sent back to the provider unchanged.
3. A reply is whole once its finish_reason has come. Some servers send none: then `[DONE]` after a
   text, or after calls with whole arguments, is the end.
"""

from typing import Any

import msgspec

from ...core.errors import ModelUnavailable
from ...core.events import Block, Call, Replied, Text, Thinking, Usage
from ...core.legal import PICTURE_ALONE
from ...core.model import Reply
from ..cited import find_cited, make_provider_calls
from ..finish_reasons import is_malformed_call, read_finish_reason
from ..nesting import check_depth
from ..opaque_fields import join_fields
from ..provider_errors import no_answer_error, read_error, to_model_error
from ..usage import find_usage
from .call_drafts import CallDrafts, number_calls
from .content_parts import ContentParts
from .thought_text import THINKING_TEXTS, read_thought

_THINKING_FIELDS = (*THINKING_TEXTS, "reasoning_details", "thinking_blocks", "reasoning_signature")
"""What the model thinks, and signed or encrypted thoughts: these go back verbatim."""
_KNOWN_FIELDS = frozenset(("role", "content", "tool_calls", "function_call", "refusal"))


class _Choice(msgspec.Struct):
    index: int | None = None
    delta: dict[str, Any] | None = None
    message: dict[str, Any] | None = None
    finish_reason: str | None = None
    native_finish_reason: Any = None
    error: Any = None
    usage: Any = None


class _Chunk(msgspec.Struct):
    choices: list[_Choice] | None = None
    usage: Any = None
    x_groq: Any = None
    service_tier: Any = None
    citations: Any = None
    search_results: Any = None
    error: Any = None
    object: Any = None
    type: Any = None


class _Message(msgspec.Struct):
    """The known fields of a delta or of a whole message."""

    content: str | list[Any] | None = None
    refusal: str | None = None
    tool_calls: list[dict[str, Any]] | None = None
    function_call: dict[str, Any] | None = None


# Not strict: "12" and 12.0 are numbers too.
_decode_chunk = msgspec.json.Decoder(_Chunk, strict=False).decode


class ChatReplyBuilder:
    """Takes the chunks in order with `add`; `reply` gives the Reply that they make."""

    def __init__(self) -> None:
        self.pieces: list[str | Thinking] = []
        """The new text and thinking, in the pieces in which they came."""
        self.done = False
        """Whether the server has sent `[DONE]`."""
        self._said = ContentParts()
        self._thinking: list[str] = []
        self._is_body = False
        """Whether the server has sent one JSON object instead of a stream."""
        self.finish_reason: str | None = None
        """None until the server has said that the reply is complete."""
        self.usage: Usage | None = None
        """None until the server has sent its count."""
        self._refusal: list[str] = []
        self._calls = CallDrafts()
        self._opaque: dict[str, list[Any]] = {}
        self._cited: dict[str, str] = {}
        """The titles of what the reply cites, by address."""

    @property
    def whole(self) -> bool:
        """Whether the end of the reply has come (rule 3); only the count may follow."""
        if self.finish_reason is not None:
            return True
        return self.done and self._calls.are_whole and self._began

    def add(self, name: bytes, data: bytes) -> None:
        """Add one event of a stream. Raises a ModelError for what is no part of a completion."""
        if data.startswith(b"[DONE]"):
            self.done = True
        elif name == b"error":
            raise to_model_error(read_error(data))
        else:
            self._add_chunk(data)

    def add_body(self, body: bytes) -> None:
        """Add a whole completion that came without a stream."""
        self._is_body = True
        self._add_chunk(body)
        if not self.whole:
            raise no_answer_error(
                body, "the server's answer has no choices, or no message in the first one"
            )

    def _add_chunk(self, data: bytes) -> None:
        try:
            chunk = _decode_chunk(data)
            if chunk.error or "error" in (chunk.object, chunk.type):
                raise to_model_error(chunk.error or read_error(data))
            self.usage = find_usage(chunk) or self.usage
            if chunk.search_results or chunk.citations:
                self._cite(chunk.search_results, chunk.citations)
            for choice in chunk.choices or ():
                if not choice.index:  # only one was asked for; servers may leave out a 0
                    self._choice(choice)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise ModelUnavailable(
                f"the server sent what is no part of a chat completion: {error}"
            ) from None

    def reply(self, usage: Usage) -> Reply:
        """The whole reply, with `usage` if the server didn't count."""
        finish_reason = read_finish_reason(self.finish_reason or self._usual_reason())
        calls = self._calls.finish()
        if finish_reason in ("length", "content_filter") and calls and not calls[-1].arguments:
            calls.pop()  # cut off before its arguments: it would run as if it had none
        opaque = join_fields(self._opaque)
        thoughts = {key: opaque.pop(key) for key in _THINKING_FIELDS if key in opaque}
        has_picture = opaque.get("images") or self._said.has_picture
        if has_picture and not (calls or self._said.any or self._refusal):
            self._show(PICTURE_ALONE)
        return Reply(
            self._content(thoughts, calls),
            usage=self.usage or usage,
            finish_reason=finish_reason,
            refusal="".join(self._refusal),
            opaque=opaque,
        )

    def _content(self, thoughts: dict[str, Any], calls: list[Call]) -> Replied:
        """The thinking of the message as a whole, what the provider ran, words and calls."""
        ran = make_provider_calls(self._cited, self.usage)
        said = self._said.blocks()
        thinks = bool(thoughts or self._thinking)
        if not thinks and not calls and not ran and all(type(each) is Text for each in said):
            text = "".join(each.text for each in said if isinstance(each, Text))
            if not any(each.opaque for each in said):
                return text
        blocks: list[Block] = []
        if thinks:
            blocks.append(Thinking(self._shown_thinking(thoughts), thoughts))
        return (*blocks, *ran, *said, *calls)

    def _shown_thinking(self, thoughts: dict[str, Any]) -> str:
        """What was streamed; where pieces of several thoughts came in turns, thought by thought.

        As it is shown, so it goes back.
        """
        streamed = "".join(self._thinking)
        joined = read_thought(thoughts)
        return joined if len(joined) == len(streamed) else streamed

    @property
    def _began(self) -> bool:
        """Whether the model has said something or called a tool."""
        return self._said.any or self._calls.any

    def _usual_reason(self) -> str:
        return "tool_calls" if self._calls.any else "stop"

    def _choice(self, choice: _Choice) -> None:
        if choice.error:
            raise to_model_error(choice.error)
        message = choice.message
        if message and not self._is_message(choice):
            message = None
        if message:
            self._message(number_calls(message))
        elif choice.delta is not None:
            self._message(choice.delta)
        self.finish_reason = choice.finish_reason or self.finish_reason
        native = choice.native_finish_reason
        if isinstance(native, str) and is_malformed_call(native):
            self.finish_reason = native
        if message and self.finish_reason is None and (self._is_body or choice.delta is None):
            self.finish_reason = self._usual_reason()

    def _is_message(self, choice: _Choice) -> bool:
        """Whether the message counts, and not the delta.

        In a stream the deltas do: Perplexity sends the message so far beside each. But the message
        does if the stream comes to its end and no delta has said anything.
        """
        if self._is_body or choice.delta is None:
            return True
        says_nothing = not any(choice.delta.get(key) for key in ("content", "tool_calls"))
        return bool(choice.finish_reason) and says_nothing and not self._began

    def _message(self, raw: dict[str, Any]) -> None:
        content = raw.get("content")
        if len(raw) == 1 and isinstance(content, str):  # nearly every piece of a text
            self._show(content)
            return
        message = msgspec.convert(raw, _Message, strict=False)
        if isinstance(message.content, str):
            self._show(message.content)
        for part in message.content or ():
            if isinstance(part, dict):
                self._show_part(part)
        if message.refusal:
            self._refusal.append(message.refusal)
        if message.function_call and not message.tool_calls:  # an old form that some still use
            self._calls.add({"index": 0, "function": message.function_call})
        for piece in message.tool_calls or ():
            self._calls.add(piece)
        if raw.keys() <= _KNOWN_FIELDS:
            return
        sound = raw.get("audio")  # of a reply in sound, the words count
        if isinstance(sound, dict) and isinstance(sound.get("transcript"), str):
            self._show(sound["transcript"])
        self._cite(raw.get("annotations"), raw.get("citations"))
        if thought := read_thought(raw):
            self._thinking.append(thought)
            self.pieces.append(Thinking(thought))
        for key, value in raw.items():
            if key not in _KNOWN_FIELDS and value is not None:
                self._opaque.setdefault(key, []).append(check_depth(value))

    def _cite(self, *lists: Any) -> None:
        for url, title in find_cited(*lists):
            self._cited[url] = self._cited.get(url) or title

    def _show(self, text: str) -> None:
        self._said.add_text(text)
        if text:
            self.pieces.append(text)

    def _show_part(self, part: dict[str, Any]) -> None:
        if isinstance(part.get("refusal"), str):
            self._refusal.append(part["refusal"])
            return
        shown = self._said.add_part(part)
        if shown and shown != Thinking(""):
            self.pieces.append(shown)
