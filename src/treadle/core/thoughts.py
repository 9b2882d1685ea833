"""Keeps apart what a model thinks in its text, between tags such as <think>, and what it says.

Pure. Open models think in the text itself where their server doesn't part the two. A thought counts
only at the beginning of a reply; elsewhere a tag is part of what was said. A server whose template
writes the opening tag sends the closing one alone, on a line of its own.
"""

import re
from collections.abc import Sequence

from .values import Block, Replied, Text, Thinking

TAGS = ("think", "thinking", "thought", "reasoning")
_OPENING = re.compile(rf"\s*<({'|'.join(TAGS)})>")
_THOUGHT = re.compile(rf"\s*<({'|'.join(TAGS)})>(.*?)</\1>\s*", re.S)
_CLOSED = re.compile(rf"(?!\s*<)(.*?\n)[ \t]*</({'|'.join(TAGS)})>[ \t]*(?:\n\s*|$)", re.S)
_LONGEST_TAG = max(map(len, TAGS)) + 2


def split_thoughts(text: str, was_cut: bool = False) -> tuple[str, str]:
    """What a text thinks first, and what it says then. `was_cut`: it may end in a thought."""
    thoughts = []
    while found := _THOUGHT.match(text):
        thoughts.append(found[2].strip())
        text = text[found.end() :]
    if was_cut and (opening := _OPENING.match(text)):
        thoughts.append(text[opening.end() :].strip())
        text = ""
    closed = None if thoughts else _CLOSED.match(text)
    if closed and f"<{closed[2]}>" not in closed[1]:
        thoughts.append(closed[1].strip())
        text = text[closed.end() :]
    return "\n".join(filter(None, thoughts)), text


def part_thoughts(content: Replied, was_cut: bool = False) -> Replied:
    """The reply with the thought at its beginning as a Thinking block."""
    blocks = (Text(content),) if isinstance(content, str) else content
    for index, block in enumerate(blocks):
        if isinstance(block, Text):
            thought, said = split_thoughts(block.text, was_cut)
            if not thought and said == block.text:
                return content
            own: list[Block] = [Thinking(thought)] if thought else []
            if said or block.opaque:
                own.append(Text(said, block.opaque))
            parted = (*blocks[:index], *own, *blocks[index + 1 :])
            return said if parted == (Text(said),) else parted
    return content


class ThoughtStream:
    """Takes the pieces of a text as they come, and gives each back as what is said or thought."""

    def __init__(self) -> None:
        self._held = ""
        """What may be the beginning of a tag."""
        self._tag = ""
        """The tag that is open; "" before and after."""
        self._has_thought = False
        self._done = False
        """Whether the beginning is over: all the rest is said."""

    def feed(self, piece: str | Thinking) -> Sequence[str | Thinking]:
        """The parts of the text that are certain now."""
        if self._done or isinstance(piece, Thinking):
            return (piece,)
        self._held += piece
        if piece.isspace() and not self._tag:
            return ()  # it opens nothing, and what came before it has been looked at
        made: list[str | Thinking] = []
        while not self._done and (part := self._next_part()):
            made += [part] if part.text else []
        if self._done:
            said = self._held.lstrip() if self._has_thought else self._held
            self._held = ""
            made += filter(None, [said])
        return made

    def finish(self) -> list[str | Thinking]:
        """What is left at the end."""
        left, self._held = self._held, ""
        if not left:
            return []
        return [Thinking(left) if self._tag else left]

    def _next_part(self) -> Thinking | None:
        """A piece of a thought; None if there is none yet, or none any more."""
        if not self._tag:
            opening = _OPENING.match(self._held)
            if not opening:
                self._done = not _may_open(self._held)
                return None
            self._tag, self._has_thought = opening[1], True
            self._held = self._held[opening.end() :]
        thought, closing, rest = self._held.partition(f"</{self._tag}>")
        if closing:
            self._tag, self._held = "", rest
            return Thinking(thought)
        # The end may be the beginning of the closing tag.
        cut = thought.rfind("<", -_LONGEST_TAG - 1)
        end = len(thought) if cut < 0 else cut
        self._held = thought[end:]
        return Thinking(thought[:end]) if thought[:end] else None


def _may_open(text: str) -> bool:
    text = text.lstrip()
    return any(f"<{tag}>".startswith(text) for tag in TAGS)
