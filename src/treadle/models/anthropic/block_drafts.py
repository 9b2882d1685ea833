"""Puts the content blocks of a reply together from their pieces. Pure.

Fields of a block that aren't known here are kept as they came, and so is a block of another type.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

from ...core.errors import ModelRejected
from ...core.events import Block, Call, ProviderCall, Text, Thinking
from ..call_arguments import arguments_text, join_arguments, refuse_more_calls
from ..nesting import check_depth
from .provider_results import describe_result, is_result

MAX_BLOCKS = 4096

_PIECES: dict[str, tuple[str, str, str]] = {
    "text_delta": ("text", "text", "text"),
    "thinking_delta": ("thinking", "thinking", "thinking"),
    "signature_delta": ("thinking", "signature", "signature"),
    "input_json_delta": ("tool_use", "partial_json", "input"),
    "citations_delta": ("text", "citation", "citations"),
}
"""By the type of a piece: the block's type, the piece's field, and the block's field."""
_LISTS = ("citations",)
_SHOWN_FIELDS: dict[str, tuple[str, ...]] = {
    "text": ("text",),
    "thinking": ("thinking",),
    "tool_use": ("id", "name", "input"),
}
"""The fields that a block of ours says itself; the others are kept beside it."""


@dataclass
class _Draft:
    """A block whose pieces are still coming.

    Texts are lists of pieces, since adding to a long string again and again takes quadratic time.
    """

    fields: dict[str, Any]
    pieces: dict[str, list[Any]] = field(default_factory=dict)
    is_closed: bool = False

    def takes(self, kind: str) -> bool:
        """Whether a piece of this kind belongs to it. Arguments are of tools of all kinds."""
        return kind == "tool_use" or self.fields["type"] == kind

    @property
    def is_cut_call(self) -> bool:
        """Whether it is a tool call whose end hasn't come."""
        return self.fields["type"] == "tool_use" and not self.is_closed

    def finish(self) -> dict[str, Any]:
        """The block as it would have come in one piece."""
        whole = {name: value for name, value in self.fields.items() if value is not None}
        for name, pieces in self.pieces.items():
            if name in _LISTS:
                whole[name] = [*(whole.get(name) or ()), *pieces]
            elif name == "input":
                whole[name] = join_arguments(pieces) or whole.get(name)
            else:
                whole[name] = str(whole.get(name) or "") + "".join(pieces)
        return whole


class BlockDrafts:
    """Takes blocks and their pieces in order; `finish` gives the blocks of the reply."""

    def __init__(self) -> None:
        self._drafts: dict[int, _Draft] = {}
        self._last = -1

    @property
    def any_calls(self) -> bool:
        """Whether a tool call has begun."""
        return any(each.fields["type"] == "tool_use" for each in self._drafts.values())

    def start(self, index: int | None, block: Mapping[str, Any]) -> str | Thinking | None:
        """Begin a block; gives the text or thinking that it has already."""
        if len(self._drafts) == MAX_BLOCKS:
            raise ModelRejected(f"the reply has more than {MAX_BLOCKS} blocks; nothing was used")
        kind = block.get("type")
        if not isinstance(kind, str) or not kind:
            kind = "text"
        draft = _Draft(dict(check_depth(dict(block))) | {"type": kind})
        self._last = self._last + 1 if index is None else index
        if self._last in self._drafts:  # a server that gives all blocks the same index
            self._last = max(self._drafts) + 1
        self._drafts[self._last] = draft
        return _shown(kind, block.get(kind))

    def add(self, index: int | None, piece: Mapping[str, Any]) -> str | Thinking | None:
        """Add a piece to its block; gives the text or thinking in it."""
        known = _PIECES.get(str(piece.get("type")))
        if known is None:
            return None
        kind, source, name = known
        value = piece.get(source)
        if name in _LISTS:
            check_depth(value)
        elif not isinstance(value, str):
            return None
        draft = self._drafts.get(self._last if index is None else index)
        if (draft is None or draft.is_closed) and (index is None or index <= self._last):
            draft = self._drafts.get(self._last)
        if draft is None or not draft.takes(kind):
            self.start(index, {"type": kind})
            draft = self._drafts[self._last]
        draft.pieces.setdefault(name, []).append(value)
        return _shown(kind, value) if name == kind else None

    def close(self, index: int | None) -> None:
        """Note that nothing of this block follows."""
        draft = self._drafts.get(self._last if index is None else index)
        if draft:
            draft.is_closed = True

    def finish(self, was_cut: bool) -> list[Block]:
        """The blocks in their order. `was_cut`: a limit may have cut off the last one."""
        drafts = list(self._drafts.values())
        if was_cut and drafts and drafts[-1].is_cut_call:
            drafts.pop()  # it would run with what has come of its arguments
        made: list[Block] = []
        calls = 0
        for draft in drafts:
            whole = draft.finish()
            block = _make_block(whole)
            if is_result(whole) and made:
                joined = _join_to_its_call(made[-1], whole)
                if joined:
                    made[-1] = joined
                    continue
            if block is None:
                continue
            calls += isinstance(block, Call)
            refuse_more_calls(calls)
            made.append(block)
        return made


def _shown(kind: str, text: Any) -> str | Thinking | None:
    if not isinstance(text, str) or not text or kind not in ("text", "thinking"):
        return None
    return Thinking(text) if kind == "thinking" else text


def _make_block(whole: dict[str, Any]) -> Block | None:
    """The block as Treadle has it; None for an empty one."""
    kind = whole["type"]
    if kind == "text":
        text = _text(whole.get("text"))
        return Text(text, _other_fields(whole)) if text else None
    if kind == "thinking":
        thought = Thinking(_text(whole.get("thinking")), _other_fields(whole))
        return thought if thought.text or thought.opaque else None
    if kind == "redacted_thinking":
        return Thinking("", whole)
    if kind == "tool_use":
        name = _text(whole.get("name")).strip() or "unnamed"
        arguments = arguments_text(whole.get("input"))
        return Call(_text(whole.get("id")), name, arguments, _other_fields(whole))
    if is_result(whole):
        result = describe_result(whole)
        name = kind.removesuffix("_tool_result")
        return ProviderCall(name, "", result.text, result.sources, {"blocks": [whole]})
    if kind == "server_tool_use":
        whole["input"] = _arguments_object(whole.get("input"))
        arguments = msgspec.json.encode(whole["input"]).decode()
        return ProviderCall(_text(whole.get("name")) or kind, arguments, opaque={"blocks": [whole]})
    if "input" in whole and isinstance(whole["input"], str):
        whole["input"] = _arguments_object(whole["input"])
    return ProviderCall(kind, opaque={"blocks": [whole]})


def _join_to_its_call(before: Block, whole: dict[str, Any]) -> ProviderCall | None:
    """The call with its result, if the block before is this result's call."""
    if not isinstance(before, ProviderCall) or before.result:
        return None
    blocks = before.opaque["blocks"]
    if len(blocks) != 1 or blocks[0].get("id") != whole.get("tool_use_id"):
        return None
    result = describe_result(whole)
    return ProviderCall(
        before.name, before.arguments, result.text, result.sources, {"blocks": [*blocks, whole]}
    )


def _other_fields(whole: dict[str, Any]) -> dict[str, Any]:
    """The fields that go back beside ours, with the block's type; {} if there are none."""
    shown = _SHOWN_FIELDS[whole["type"]]
    fields = {name: value for name, value in whole.items() if name not in shown}
    if len(fields) == 1:
        return {}
    return fields


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _arguments_object(value: Any) -> Any:
    if not isinstance(value, str):
        return value or {}
    try:
        return check_depth(msgspec.json.decode(value))
    except (msgspec.DecodeError, RecursionError):
        return {}
