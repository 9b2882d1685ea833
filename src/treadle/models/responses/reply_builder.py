"""Builds one Reply from the events of the Responses API, as its servers write them.

1. Events and items of unknown types are taken as they are. Known ones are checked for their types,
   and all sizes are bounded. Raises nothing but ModelErrors.
2. What an item says at its end counts; its pieces are for those who watch.
3. Reasoning, words, calls and what the provider's tools did keep their order.
"""

import re
from typing import Any

import msgspec

from ...core.errors import ModelRejected, ModelUnavailable
from ...core.events import Text, Thinking, Usage
from ...core.legal import PICTURE_ALONE
from ...core.model import Reply
from ..provider_errors import no_answer_error, read_error, to_model_error
from ..usage import parse_usage
from .item_drafts import Draft, ItemDrafts
from .item_types import BETWEEN_MESSAGES, BETWEEN_SUMMARIES, THINKS, find_summary
from .provider_calls import count_provider_calls
from .read_items import message_texts, read_items

_PIECES: dict[str, tuple[str, str]] = {
    # Open Responses calls `reasoning_text` just `reasoning`.
    "response.output_text.delta": ("output_text", "content_index"),
    "response.refusal.delta": ("refusal", "content_index"),
    "response.reasoning_summary_text.delta": ("summary_text", "summary_index"),
    "response.reasoning_text.delta": ("reasoning_text", "content_index"),
    "response.reasoning.delta": ("reasoning_text", "content_index"),
    "response.function_call_arguments.delta": ("arguments", ""),
}
_SHOWN_AS_THINKING = ("summary_text", "reasoning_text")
_ENDS = ("response.completed", "response.incomplete", "response.failed", "response.cancelled")
_BAD_REQUEST = re.compile(r"invalid_|image|policy|data_residency")
"""Codes of errors that the same request would get again."""


class _Event(msgspec.Struct):
    type: Any = ""
    output_index: Any = None
    content_index: Any = None
    summary_index: Any = None
    item_id: Any = None
    delta: Any = None
    item: Any = None
    response: Any = None
    error: Any = None


_decode_event = msgspec.json.Decoder(_Event).decode


class ResponsesReplyBuilder:
    """Takes the events in order with `add`; `reply` gives the Reply that they make."""

    def __init__(self) -> None:
        self.pieces: list[str | Thinking] = []
        """The new text and thinking, in the pieces in which they came."""
        self.done = False
        """Whether the response has ended, or the server has sent `[DONE]`."""
        self.usage: Usage | None = None
        """None until the server has sent its count."""
        self._drafts = ItemDrafts()
        self._response: dict[str, Any] | None = None
        """As the server sent it at the end."""
        self._said_last: Draft | None = None
        self._thought_last: tuple[Draft, str, int] | None = None

    @property
    def whole(self) -> bool:
        """Whether all of the response has come."""
        return self._response is not None

    def add(self, name: bytes, data: bytes) -> None:
        """Add one event of a stream. Raises a ModelError for what is no part of a response."""
        if data.startswith(b"[DONE]"):
            self.done = True
            if not self.whole and self._drafts.all_done:
                self._response = {}
            return
        try:
            event = _decode_event(data)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise _no_part(str(error)) from None
        kind = event.type or name.decode("utf8", "replace")
        if not isinstance(kind, str):
            raise _no_part("an event whose type is no text")
        if kind == "error" or (event.error and event.response is None):
            raise _to_error(read_error(data))
        if kind in _PIECES:
            self._add_piece(event, *_PIECES[kind])
        elif kind == "response.output_item.added":
            self._drafts.begin(_index(event), _object(event.item))
        elif kind == "response.output_item.done":
            draft = self._drafts.end(_index(event), _object(event.item))
            self._show_unseen(draft)
        elif kind in _ENDS:
            self._end(_object(event.response), kind.removeprefix("response."))

    def add_body(self, body: bytes) -> None:
        """Add a whole response that came without a stream."""
        try:
            response = msgspec.json.decode(body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise _no_part(str(error)) from None
        if not isinstance(response.get("output"), list):
            if response.get("error"):
                raise _to_error(read_error(body))
            if "choices" in response:
                raise ModelRejected(
                    "the server answers in chat completions; as a model it is openai-chat:…"
                )
            raise no_answer_error(body, "the server's answer has no output, so it is no response")
        status = response.get("status") or "completed"
        if status in ("queued", "in_progress"):
            raise ModelUnavailable(f"the server's answer isn't ready: its status is {status}")
        self._end(response, status)

    def reply(self, usage: Usage) -> Reply:
        """The whole reply, with `usage` if the server didn't count."""
        response = self._response or {}
        items = [draft.finish() for draft in self._drafts.finish([])]
        made = read_items(items)
        finish_reason = "tool_calls" if made.calls else "stop"
        if response.get("status") == "incomplete":
            finish_reason = _cut_reason(response.get("incomplete_details"))
        if made.is_picture:
            made.blocks.append(Text(PICTURE_ALONE))
            self.pieces.append(PICTURE_ALONE)
        content = tuple(made.blocks) if made.blocks else ""
        return Reply(content, self.usage or usage, finish_reason, made.refusal)

    def _add_piece(self, event: _Event, kind: str, number_name: str) -> None:
        piece = event.delta
        number = getattr(event, number_name) if number_name else 0
        if not isinstance(piece, str) or not isinstance(number or 0, int):
            raise _no_part(f"a delta of {kind} that is no text")
        draft = self._drafts.find(_index(event), event.item_id)
        draft.add_piece(kind, number or 0, piece)
        if kind == "output_text":
            self._say(draft, piece)
        elif kind in _SHOWN_AS_THINKING:
            self._think((draft, kind, number or 0), piece)

    def _say(self, draft: Draft, piece: str) -> None:
        if piece:
            if self._said_last not in (None, draft):
                self.pieces.append(BETWEEN_MESSAGES)
            self._said_last = draft
            self.pieces.append(piece)

    def _think(self, part: tuple[Draft, str, int], piece: str) -> None:
        if piece:
            before = self._thought_last
            if before and before != part:
                between = BETWEEN_SUMMARIES if before[0] is part[0] else "\n"
                self.pieces.append(Thinking(between))
            self._thought_last = part
            self.pieces.append(Thinking(piece))

    def _show_unseen(self, draft: Draft) -> None:
        """Show what an item says if no piece of it came before."""
        kind = draft.item.get("type")
        if kind == "message" and not draft.has_pieces("output_text"):
            for text in message_texts(draft.item):
                self._say(draft, text)
        seen = any(draft.has_pieces(kind) for kind in _SHOWN_AS_THINKING)
        if kind in THINKS and not seen:
            self._think((draft, "", 0), find_summary(draft.item))

    def _end(self, response: dict[str, Any], status: str) -> None:
        output = response.get("output")
        if not isinstance(output, list):  # some servers leave it out: the events have all
            output = []
        listed = [each for each in output if isinstance(each, dict)]
        seen = {id(draft) for draft in self._drafts.finish([]) if draft.done}
        drafts = self._drafts.finish(listed)
        for draft in drafts:
            if draft.done and id(draft) not in seen:
                self._show_unseen(draft)
        self.usage = _read_usage(response, [draft.item for draft in drafts]) or self.usage
        if status not in ("completed", "incomplete"):
            raise _to_error(response.get("error") or f"the response is {status}")
        self._response = response | {"status": status}
        self.done = True


def _read_usage(response: dict[str, Any], items: list[dict[str, Any]]) -> Usage | None:
    usage = parse_usage(response.get("usage"), response.get("service_tier"))
    if usage is None or usage.provider_calls:
        return usage
    counted = count_provider_calls(items, response.get("tool_usage"))
    raw = {**response["usage"], "server_tool_use": counted}
    return parse_usage(raw, response.get("service_tier"))


def _cut_reason(details: Any) -> str:
    reason = details.get("reason") if isinstance(details, dict) else None
    if reason == "content_filter":
        return "content_filter"
    return "length"


def _to_error(error: Any) -> Exception:
    """The error of a response. Its status is guessed from the code, since HTTP said 200."""
    code = error.get("code") if isinstance(error, dict) else None
    status = None
    if isinstance(code, str) and _BAD_REQUEST.search(code):
        status = 400
    return to_model_error(error, status)


def _no_part(reason: str) -> ModelUnavailable:
    return ModelUnavailable(f"the server sent what is no part of a response: {reason}")


def _index(event: _Event) -> int | None:
    return event.output_index if isinstance(event.output_index, int) else None


def _object(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise _no_part("an event without its item or response")
    return value
