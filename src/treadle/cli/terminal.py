"""What may reach a terminal, and how it is written there. Knows nothing of agents.

1. Text of a model, a tool, a file or a log is untrusted. It goes through `visible`: what a terminal would obey, and
   what a person would not see, is shown as an escape.
2. Answers go to standard output, all else to standard error. Colour and moving the cursor are for terminals only.
"""

import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal, TextIO

from ..observe.visible import make_json_visible, make_visible
from .process import own_output

Style = Literal["", "dim", "bold", "red", "yellow"]
_CODES = {"dim": "2", "bold": "1", "red": "31", "yellow": "33"}


def is_interactive() -> bool:
    """Whether a person can be asked: they see standard error and type on standard input."""
    return sys.stdin is not None and sys.stdin.isatty() and sys.stderr.isatty()


def print_line(text: str, style: Style = "") -> None:
    """Safe lines for standard output, where they are what was asked for. Raises BrokenPipeError where nobody reads."""
    output = own_output()
    coloured = bool(style) and output.isatty() and not _plain()
    output.write(f"\x1b[{_CODES[style]}m{text}\x1b[0m\n" if coloured else f"{text}\n")


def print_json(line: bytes) -> None:
    """A line of JSON for standard output: exact in a pipe, safe on a terminal."""
    text = line.decode()
    output = own_output()
    output.write((make_json_visible(text) if output.isatty() else text) + "\n")


def _plain() -> bool:
    """Whether colours are not wanted."""
    return bool(os.environ.get("NO_COLOR")) or os.environ.get("TERM") == "dumb"


class Screen:
    """Standard output for answers, standard error for the rest. Takes safe text only."""

    def __init__(self) -> None:
        self.live = sys.stderr.isatty() and not _plain()
        """Colours and a passing notice are wanted."""
        self.streams = own_output().isatty()
        """An answer is shown while it is written; else it is written once it is whole."""
        self._notice = False
        self._open: TextIO | None = None

    def say(self, text: str) -> None:
        """A piece of an answer, to standard output."""
        self._put(own_output(), text)

    def note(self, text: str, style: Style = "") -> None:
        """A line for standard error."""
        self.end_line()
        self._put(sys.stderr, self._styled(text, style) + "\n")

    def piece(self, text: str, style: Style = "") -> None:
        """Part of a line for standard error."""
        self._put(sys.stderr, self._styled(text, style))

    def notice(self, text: str) -> None:
        """A passing line on a terminal; whatever comes next takes its place."""
        if self.live:
            self.end_line()
            self._write(sys.stderr, self._styled(text, "dim"))
            self._notice = True

    def answered(self) -> None:
        """The person has typed a line, and Enter has ended it."""
        self._open = None

    def interrupted(self) -> None:
        """The terminal has shown a ^C of its own, in the middle of a line."""
        if self.live:
            self._open = self._open or sys.stderr

    def end_line(self) -> None:
        """Start a new line if one is open, or wipe the notice."""
        if self._notice:
            self._notice = False
            self._write(sys.stderr, "\r\x1b[K")
        if self._open:
            self._write(self._open, "\n")
            self._open = None

    def _put(self, stream: TextIO, text: str) -> None:
        if not text:
            return
        if self._notice or (self._open and self._open is not stream):
            self.end_line()
        self._write(stream, text)
        self._open = None if text.endswith(("\n", "\n\x1b[0m")) else stream

    def _styled(self, text: str, style: Style) -> str:
        return f"\x1b[{_CODES[style]}m{text}\x1b[0m" if style and self.live else text

    def _write(self, stream: TextIO, text: str) -> None:
        try:
            stream.write(text)
            stream.flush()
        except BrokenPipeError:  # nobody reads any more; the turn goes on, and the log keeps it
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


@contextmanager
def showing_warnings(screen: Screen) -> Iterator[None]:
    """Meanwhile, what Treadle warns of through `logging` is a yellow line of this screen."""

    class Shown(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            screen.note(make_visible(self.format(record)), "yellow")

    handler, log = Shown(logging.WARNING), logging.getLogger("treadle")
    log.addHandler(handler)
    try:
        yield
    finally:
        log.removeHandler(handler)
