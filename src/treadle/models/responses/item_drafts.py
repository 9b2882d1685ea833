"""Puts the items of a response together from the events of its stream.

An item that the server has sent whole counts as it came. Of one that it hasn't, such as the last of
a reply that was cut off, the pieces make the item.
"""

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any

from ...core.errors import ModelRejected

MAX_ITEMS = 1024

_Item = dict[str, Any]


@dataclass(eq=False)
class Draft:
    """An item that is still coming. Texts are lists of pieces: adding to a long one is slow."""

    index: int | None
    item: _Item = field(default_factory=dict)
    """As it began, and whole at the end."""
    done: bool = False
    pieces: dict[tuple[str, int], list[str]] = field(default_factory=dict)
    """By the kind of part and its number: the pieces of its text."""

    @property
    def id(self) -> Any:
        return self.item.get("id")

    @property
    def kind(self) -> str:
        """The type of its item, as far as it can be told."""
        return kind_of(self.item) or _guess_type({kind for kind, _ in self.pieces})

    def add_piece(self, kind: str, number: int, piece: str) -> None:
        self.pieces.setdefault((kind, number), []).append(piece)

    def has_pieces(self, kind: str) -> bool:
        return any(of_kind == kind for of_kind, _ in self.pieces)

    def finish(self) -> _Item:
        """The item, of its pieces where the server hasn't sent it whole; {} if nothing is known.

        What only the provider can read may be incomplete before the end, so it is left out.
        """
        if self.done:
            return self.item
        begun = {key: value for key, value in self.item.items() if key != "encrypted_content"}
        texts: dict[str, list[str]] = {}
        for (kind, _), pieces in sorted(self.pieces.items()):
            texts.setdefault(kind, []).append("".join(pieces))
        kind = self.kind
        if kind == "function_call":
            return begun | {"type": kind, "arguments": "".join(texts.get("arguments", ()))}
        if kind == "reasoning":
            summary = _as_parts("summary_text", texts)
            content = _as_parts("reasoning_text", texts)
            return begun | {"type": kind, "summary": summary, "content": content}
        if kind == "message":
            said = [*_as_parts("output_text", texts), *_as_parts("refusal", texts, "refusal")]
            return begun | {"type": kind, "status": "incomplete", "content": said}
        return {}


class ItemDrafts:
    """Takes what events say of items; `finish` gives the items in their order."""

    def __init__(self) -> None:
        self._drafts: list[Draft] = []
        self._open: list[Draft] = []
        """Those that haven't come whole."""

    @property
    def all_done(self) -> bool:
        """Whether there are items, and each has come whole."""
        return bool(self._drafts) and not self._open

    def begin(self, index: int | None, item: _Item) -> None:
        """Take an item that begins."""
        draft = self._find_open(index, item.get("id"))
        if draft is None or "type" in draft.item:
            draft = self._new(index)
        draft.item = item

    def end(self, index: int | None, item: _Item) -> Draft:
        """Take an item that is whole, and give its draft."""
        draft = self._find_open(index, item.get("id")) or self._new(index)
        self._close(draft, item)
        return draft

    def find(self, index: int | None, item_id: Any) -> Draft:
        """The item that an event is about; a new one if it names none that is open."""
        draft = self._find_open(index, item_id)
        if draft is None:
            draft = self._new(index)
            draft.item = {} if item_id is None else {"id": item_id}
        return draft

    def finish(self, output: list[_Item]) -> list[Draft]:
        """All items. `output` is the whole list, as some servers send it at the end.

        Each of its items is the one of the stream that it is the same as; its order counts.
        """
        before = list(self._drafts)
        listed = [_pop_same(item, before) for item in output]
        for number, item in enumerate(output):
            draft = listed[number] or _pop_kind(item, before) or self._new(number)
            listed[number] = draft
            if not draft.done:
                self._close(draft, item)
        ordered = [draft for draft in listed if draft]
        for draft in before:  # which the list lacks
            place = self._drafts.index(draft)
            after = ordered.index(self._drafts[place - 1]) + 1 if place else 0
            ordered.insert(after, draft)
        self._drafts = ordered
        return ordered

    def _close(self, draft: Draft, item: _Item) -> None:
        draft.item = item
        draft.done = True
        self._open.remove(draft)

    def _find_open(self, index: int | None, item_id: Any) -> Draft | None:
        """By index and id; by index, since some proxies change the ids; by id; else the last."""
        for draft in self._open:
            if draft.index == index and draft.id == item_id:
                return draft
        for draft in self._open:
            if draft.index == index is not None:
                return draft
        for draft in self._open:
            if draft.id == item_id is not None:
                return draft
        if self._open and index is None and item_id is None:
            return self._open[-1]
        return None

    def _new(self, index: int | None) -> Draft:
        if len(self._drafts) == MAX_ITEMS:
            raise ModelRejected(
                f"the reply has more than {MAX_ITEMS} items; nothing of it was used"
            )
        draft = Draft(index)
        self._drafts.append(draft)
        self._open.append(draft)
        return draft


def kind_of(item: _Item) -> str:
    """The type of an item; what has a role and no type is a message."""
    kind = item.get("type") or ("message" if "role" in item else "")
    return kind if isinstance(kind, str) else ""


def _pop_same(item: _Item, drafts: list[Draft]) -> Draft | None:
    """The draft with this item's own id, or the id of its call; it is taken out."""
    for draft in drafts:
        if draft.kind != kind_of(item):
            continue
        for name in ("call_id", "id"):
            if item.get(name) and item[name] == draft.item.get(name):
                drafts.remove(draft)
                return draft
    return None


def _pop_kind(item: _Item, drafts: list[Draft]) -> Draft | None:
    """The next draft of this item's type, since some proxies change the ids; it is taken out."""
    for draft in drafts:
        if draft.kind in ("", kind_of(item)):
            drafts.remove(draft)
            return draft
    return None


def _guess_type(texts: Collection[str]) -> str:
    if "arguments" in texts:
        return "function_call"
    if "output_text" in texts or "refusal" in texts:
        return "message"
    return "reasoning" if texts else ""


def _as_parts(kind: str, texts: dict[str, list[str]], name: str = "text") -> list[_Item]:
    return [{"type": kind, name: text} for text in texts.get(kind, ())]
