"""A line of a thread's timeline. Pure."""

from dataclasses import dataclass
from typing import Literal

from ..core import events as e
from .short_text import WIDTH, shorten

Tone = Literal["", "dim", "bold", "red", "yellow"]


@dataclass(frozen=True)
class Line:
    """What one record says."""

    record: e.Record
    mark: str
    text: str
    """One line, with long texts cut."""
    took: str = ""
    """Tokens, cost, seconds."""
    tone: Tone = ""
    whole: str = ""
    """The full text, on several lines if it has them; "" if `text` leaves nothing out."""

    def __str__(self) -> str:
        line = f"{self.mark} {self.text}"
        if self.took:
            line += f"  {self.took}"
        return " ".join(line.splitlines())  # a name can hold a newline too


def before_text(text: str, said: str) -> str:
    """What stands before what was said; just the text where nothing was."""
    return f"{text}: " if said else text


def quote(
    record: e.Record, before: str, said: str, after: str = "", took: str = "", tone: Tone = ""
) -> Line:
    """A line that quotes somebody. `before` begins with the line's mark and a space."""
    mark, _, before = before.partition(" ")
    text = f"{before}{shorten(said, WIDTH)}{after}"
    return Line(record, mark, text, took, tone, whole=f"{before}{said}{after}")
