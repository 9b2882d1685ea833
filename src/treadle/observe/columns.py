"""Lays out rows of text in columns, by the widths that a terminal gives their characters."""

import unicodedata
from collections.abc import Collection, Sequence

from ..core.visible import make_visible

MIN_LAST_COLUMN = 20
"""Characters that the last column keeps, however narrow the terminal is."""
GAP = 2
_JOINER = "\N{ZERO WIDTH JOINER}"
_EMOJI_STYLE = "\N{VARIATION SELECTOR-16}"


def format_columns(
    rows: Sequence[Sequence[str]], right: Collection[int] = (), width: int | None = None
) -> str:
    """The rows, all of one length, as lines; columns in `right` are aligned on the right.

    With a width the last column is wrapped to fit; no other column ever is. The cells may be
    untrusted: they are made visible.
    """
    if not rows:
        return ""
    cells = [[make_visible(" ".join(cell.split())) for cell in row] for row in rows]
    widths = [max(map(cell_width, column)) for column in zip(*cells, strict=True)]
    if width is not None:
        room = width - sum(widths[:-1]) - GAP * (len(widths) - 1)
        widths[-1] = min(widths[-1], max(room, MIN_LAST_COLUMN))
    lines = []
    for row in cells:
        for number, piece in enumerate(_wrap(row[-1], widths[-1])):
            shown = [*row[:-1], piece] if number == 0 else [*[""] * (len(row) - 1), piece]
            padded = [_pad(cell, widths[index], index in right) for index, cell in enumerate(shown)]
            lines.append((" " * GAP).join(padded).rstrip())
    return "\n".join(lines)


def cell_width(text: str) -> int:
    """How many columns of a terminal the text takes: two for wide characters and emoji."""
    if text.isascii():
        return len(text)
    width = 0
    before = ""
    for character in text:
        if character == _EMOJI_STYLE:
            width += 2 - _character_width(before)
        elif before != _JOINER:  # what is joined to an emoji takes no room of its own
            width += _character_width(character)
        before = character
    return width


def _character_width(character: str) -> int:
    if not character or unicodedata.category(character) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def _pad(text: str, width: int, on_the_right: bool) -> str:
    blank = " " * (width - cell_width(text))
    return blank + text if on_the_right else text + blank


def _wrap(text: str, width: int) -> list[str]:
    """The text in lines of at most this width, between words where that can be."""
    lines = [""]
    for word in text.split(" "):
        joined = f"{lines[-1]} {word}" if lines[-1] else word
        if cell_width(joined) <= width:
            lines[-1] = joined
            continue
        if lines[-1]:
            lines.append("")
        for character in word:
            if lines[-1] and cell_width(lines[-1] + character) > width:
                lines.append("")
            lines[-1] += character
    return lines
