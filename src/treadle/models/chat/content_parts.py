"""The content of a reply, where it is more than one text: thoughts and sources beside it. Pure.

Most servers send the content as one text. Mistral sends a list of parts, with thinking among them,
and wants that list back as it was. A part that isn't text stands in the block's own fields, under
`content`: the place where the provider had it.
"""

from typing import Any

from ...core.events import Block, Text, Thinking
from ..nesting import check_depth
from ..opaque_fields import continues, join_pieces
from .thought_text import is_thinking, thought_in

_TEXT_TYPES = ("text", "output_text")
_SAID_TYPES = frozenset(
    ("text", "output_text", "input_text", "refusal", "image_url", "input_audio", "file")
)
"""Types of parts that say something to the model. They are made from blocks alone."""


class ContentParts:
    """Takes texts and parts in their order; `blocks` gives what they make."""

    def __init__(self) -> None:
        self._texts: list[str] = []
        """The pieces of the text that is being written."""
        self._runs: list[tuple[list[str], list[dict[str, Any]]]] = []
        """Before that: a text, and the pieces of the part after it."""
        self.add_text = self._texts.append

    @property
    def any(self) -> bool:
        """Whether anything was said in words."""
        return any(self._texts) or any(any(texts) for texts, _ in self._runs)

    @property
    def has_picture(self) -> bool:
        """Whether a part is a picture."""
        return any("image" in str(pieces[0].get("type")) for _, pieces in self._runs)

    def add_part(self, part: dict[str, Any]) -> str | Thinking:
        """Add a part of the content, or a piece of one; what it shows."""
        if str(part.get("type") or "text") in _TEXT_TYPES:
            text = part.get("text")
            if not isinstance(text, str):
                return ""
            self.add_text(text)
            return text
        check_depth(part)
        if not self._is_more_of_last(part):
            self._runs.append((self._texts, [part]))
            self._texts = []
            self.add_text = self._texts.append
        else:
            self._runs[-1][1].append(part)
        return Thinking(thought_in(part)) if is_thinking(part) else ""

    def blocks(self) -> list[Block]:
        """Texts and thoughts, in their order."""
        made: list[Block] = []
        for texts, pieces in self._runs:
            made += _text_block(texts)
            part = join_pieces(pieces)
            own = {"content": [part]}
            made.append(Thinking(thought_in(part), own) if is_thinking(part) else Text("", own))
        return made + _text_block(self._texts)

    def _is_more_of_last(self, part: dict[str, Any]) -> bool:
        if any(self._texts) or not self._runs:
            return False
        pieces = self._runs[-1][1]
        if any(piece.get("signature") for piece in pieces[-1:]):
            return False
        if "index" in part:
            return all(part.get(key) == pieces[0].get(key) for key in ("index", "type"))
        return continues(part, pieces[0])


def parts_of(block: Text | Thinking) -> list[dict[str, Any]]:
    """The provider's own parts in a reply's block, as they go back; none that says something."""
    parts = block.opaque.get("content")
    if "type" in block.opaque or not isinstance(parts, list):
        return []  # an item of another dialect has a type
    return [
        part
        for part in parts
        if isinstance(part, dict) and str(part.get("type") or "text") not in _SAID_TYPES
    ]


def _text_block(texts: list[str]) -> list[Block]:
    text = "".join(texts)
    return [Text(text)] if text else []
