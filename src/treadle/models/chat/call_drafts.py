"""Puts the tool calls of a chat completion together from their pieces."""

from dataclasses import dataclass, field
from typing import Any

import msgspec

from ...core.events import Call
from ..call_arguments import (
    arguments_text,
    is_object,
    join_arguments,
    legal_name,
    refuse_more_calls,
)
from ..nesting import check_depth
from ..opaque_fields import join_fields


class _Function(msgspec.Struct):
    name: str | None = None
    arguments: Any = None


class _Piece(msgspec.Struct):
    index: int | None = None
    id: str | int | None = None
    function: _Function | None = None


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
        arguments = join_arguments(self.arguments)
        return Call(self.id, legal_name(self.name), arguments, join_fields(self.opaque))


class CallDrafts:
    """Takes the pieces in order with `add`; `finish` gives the calls."""

    def __init__(self) -> None:
        self._drafts: list[_Draft] = []

    @property
    def any(self) -> bool:
        """Whether a call has begun."""
        return bool(self._drafts)

    @property
    def are_whole(self) -> bool:
        """Whether the arguments of each are a whole JSON object."""
        return all(is_object(join_arguments(draft.arguments)) for draft in self._drafts)

    def finish(self) -> list[Call]:
        """The calls, without those that have neither a name nor arguments."""
        return [draft.call() for draft in self._drafts if draft.name or any(draft.arguments)]

    def add(self, raw: dict[str, Any]) -> None:
        """Add a piece to the call it belongs to, or to a new one."""
        piece = msgspec.convert(raw, _Piece, strict=False)
        function = piece.function or _Function()
        call_id = str(piece.id or "")
        name = function.name or ""
        arguments = arguments_text(function.arguments)
        draft = self._find_draft(piece.index, call_id)
        if draft is None and self._drafts and not (call_id or name):
            draft = self._drafts[-1]  # some servers count on in the pieces of one call
        if draft is None or _begins_another(draft, call_id, name, arguments):
            refuse_more_calls(len(self._drafts) + 1)
            draft = _Draft(piece.index)
            self._drafts.append(draft)
        draft.id = draft.id or call_id
        if name != draft.name:  # some servers repeat it in every piece
            draft.name += name
        draft.arguments.append(arguments)
        for key, value in raw.items():
            if key not in ("index", "id", "type", "function") and value is not None:
                draft.opaque.setdefault(key, []).append(check_depth(value))

    def _find_draft(self, index: int | None, call_id: str) -> _Draft | None:
        """The call with this index; without an index, with this id; without either, the last."""
        for draft in reversed(self._drafts):
            if index is not None:
                found = draft.index == index
            else:
                found = not call_id or draft.id == call_id
            if found:
                return draft
        return None


def number_calls(message: dict[str, Any]) -> dict[str, Any]:
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
    return bool(arguments or name != draft.name) and is_object(join_arguments(draft.arguments))
