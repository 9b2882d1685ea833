"""Builds one Reply from the events of Anthropic Messages, and from a body that isn't streamed.

1. Known fields are checked for their type, and all sizes are bounded. Raises nothing but
   ModelErrors.
2. Events and pieces of unknown types are passed over, as the documentation asks; blocks of unknown
   types are kept and go back unchanged.
   https://platform.claude.com/docs/en/build-with-claude/streaming, read 2026-11-27
"""

from typing import Any

import msgspec
from msgspec.structs import replace

from ...core.errors import ModelUnavailable
from ...core.events import Replied, Text, Thinking, Usage
from ...core.model import Reply
from ...core.tokens import CHARS_PER_TOKEN
from ..finish_reasons import read_finish_reason
from ..nesting import check_depth
from ..provider_errors import no_answer_error, read_error, to_model_error
from ..usage import parse_usage
from .block_drafts import BlockDrafts

_FINISH_REASONS = {"end_turn": "stop", "stop_sequence": "stop", "tool_use": "tool_calls"}
"""The stop reasons of this API alone. `pause_turn` stays as it is."""
_REFUSED = "the provider's safety filter stopped the reply"


class _Event(msgspec.Struct):
    type: str | None = None
    index: int | None = None
    message: dict[str, Any] | None = None
    content_block: dict[str, Any] | None = None
    delta: dict[str, Any] | None = None
    usage: dict[str, Any] | None = None
    error: Any = None


class _Stop(msgspec.Struct):
    """How a reply ends."""

    stop_reason: str | None = None
    stop_details: dict[str, Any] | None = None
    container: dict[str, Any] | None = None
    """Where Anthropic runs code: a turn that goes on needs it again."""


class _Body(_Stop):
    type: str | None = None
    content: list[dict[str, Any]] | None = None
    usage: dict[str, Any] | None = None
    error: Any = None


_decode_event = msgspec.json.Decoder(_Event, strict=False).decode
_decode_body = msgspec.json.Decoder(_Body, strict=False).decode


class MessagesReplyBuilder:
    """Takes the events in order with `add`; `reply` gives the Reply that they make."""

    def __init__(self) -> None:
        self.pieces: list[str | Thinking] = []
        """The new text and thinking, in the pieces in which they came."""
        self.done = False
        """Whether `message_stop` has come."""
        self._stop = _Stop()
        self._blocks = BlockDrafts()
        self._usage: dict[str, Any] = {}
        self._has_last_count = False
        self._chars = 0
        """How much text, thinking and arguments have come."""

    @property
    def whole(self) -> bool:
        """Whether the stop reason has come, or that nothing follows."""
        return self.done or self._stop.stop_reason is not None

    @property
    def usage(self) -> Usage | None:
        """The server's count; until its last one has come, the output is an estimate."""
        usage = parse_usage(self._usage)
        if usage is None or self._has_last_count:
            return usage
        seen_tokens = self._chars // CHARS_PER_TOKEN
        output_tokens = max(usage.output_tokens, seen_tokens)
        return replace(usage, output_tokens=output_tokens, estimated=True)

    def add(self, name: bytes, data: bytes) -> None:
        """Add one event of a stream. Raises a ModelError for what is no part of a message."""
        try:
            event = _decode_event(data)
            kind = event.type or name.decode("utf8", "replace")
            if kind == "error" or event.error:
                raise to_model_error(event.error or read_error(data))
            self._add_event(kind, event)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            if name == b"error":
                raise to_model_error(read_error(data)) from None
            raise ModelUnavailable(f"the server sent what is no event: {error}") from None

    def add_body(self, body: bytes) -> None:
        """Add a whole message that came without a stream."""
        try:
            message = _decode_body(body)
            if message.error or message.type == "error":
                raise to_model_error(message.error or read_error(body))
            if message.content is None:
                raise no_answer_error(body, "the server's answer has no content")
            for block in message.content:
                self._show(self._blocks.start(None, block))
                self._blocks.close(None)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise ModelUnavailable(f"the server sent what is no message: {error}") from None
        self._stop = message
        self._usage = message.usage or {}
        self._has_last_count = True
        self.done = True

    def reply(self, usage: Usage) -> Reply:
        """The whole reply, with `usage` if the server didn't count."""
        reason = self._stop.stop_reason
        if not reason:
            reason = "tool_use" if self._blocks.any_calls else "end_turn"
        finish_reason = _FINISH_REASONS.get(reason) or read_finish_reason(reason)
        refusal = ""
        if reason == "refusal":
            refusal = _describe_refusal(self._stop.stop_details or {})
        opaque = {}
        if self._stop.container:
            opaque = {"type": "message", "container": check_depth(self._stop.container)}
        return Reply(
            self._content(was_cut=finish_reason in ("length", "content_filter")),
            self.usage or usage,
            finish_reason,
            refusal,
            opaque,
        )

    def _content(self, was_cut: bool) -> Replied:
        blocks = self._blocks.finish(was_cut)
        if not blocks:
            return ""
        only = blocks[0]
        if len(blocks) == 1 and isinstance(only, Text) and not only.opaque:
            return only.text
        return tuple(blocks)

    def _add_event(self, kind: str, event: _Event) -> None:
        match kind:
            case "content_block_delta":
                delta = event.delta or {}
                arguments = delta.get("partial_json")
                self._chars += len(arguments) if isinstance(arguments, str) else 0
                self._show(self._blocks.add(event.index, delta))
            case "content_block_start":
                self._show(self._blocks.start(event.index, event.content_block or {}))
            case "content_block_stop":
                self._blocks.close(event.index)
            case "message_start":
                self._count((event.message or {}).get("usage"))
            case "message_delta":
                self._count(event.usage)
                self._has_last_count = event.usage is not None
                stop = msgspec.convert(event.delta or {}, _Stop, strict=False)
                if stop.stop_reason:
                    self._stop = stop
            case "message_stop":
                self.done = True
            case _:  # a ping, or an event of a later version
                pass

    def _show(self, piece: str | Thinking | None) -> None:
        if piece is not None:
            self._chars += len(piece.text if isinstance(piece, Thinking) else piece)
            self.pieces.append(piece)

    def _count(self, usage: Any) -> None:
        """Keep the counts. Those of `message_delta` are totals, without what hasn't changed."""
        if isinstance(usage, dict):
            self._usage |= {name: value for name, value in usage.items() if value is not None}


def _describe_refusal(details: dict[str, Any]) -> str:
    """Why the reply was refused; "" if the provider doesn't say."""
    explanation = details.get("explanation")
    if isinstance(explanation, str) and explanation.strip():
        return explanation
    category = details.get("category")
    return f"{_REFUSED} ({category})" if isinstance(category, str) else ""
