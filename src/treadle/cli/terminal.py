"""Writes to the terminal. Knows nothing of agents.

1. Text of a model, a tool, a file or a log is untrusted. `make_visible` replaces control sequences
   and invisible characters by escapes before the text comes here.
2. Answers go to standard output, everything else to standard error. Only a terminal gets colours
   and cursor movements.
"""

import logging
import os
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Literal, TextIO

import msgspec

from ..core.visible import escape_controls, make_json_visible, make_visible
from .process import OutputFailed, own_output, write_bytes

Style = Literal["", "dim", "bold", "red", "yellow"]
DEFAULT_WIDTH = 80
_encode = msgspec.json.Encoder(decimal_format="number").encode
_ROOM = 8
"""Columns for a notice's seconds."""
_CODES = {"dim": "2", "bold": "1", "red": "31", "yellow": "33"}


def is_interactive() -> bool:
    """Whether a person can be asked: on standard error, and answer on standard input."""
    return sys.stdin is not None and sys.stdin.isatty() and sys.stderr.isatty()


def width_of(stream: TextIO) -> int | None:
    """The columns of the terminal that the stream leads to; None where it leads to none."""
    if not stream.isatty():
        return None
    given = os.environ.get("COLUMNS", "")
    if given.isdecimal() and int(given):
        return int(given)
    with suppress(OSError):  # a terminal that doesn't say it
        return os.get_terminal_size(stream.fileno()).columns or DEFAULT_WIDTH
    return DEFAULT_WIDTH


def print_line(text: str, style: Style = "") -> None:
    """Write safe lines to standard output. Raises BrokenPipeError if nobody reads it."""
    if style and is_coloured():
        text = _add_style(text, style)
    own_output().write(f"{text}\n")


def make_safe(text: str) -> str:
    """What somebody else wrote, for standard output: a pipe gets it but for control characters."""
    return make_visible(text) if own_output().isatty() else escape_controls(text)


def print_json(line: bytes) -> None:
    """Write a line of JSON to standard output: safe on a terminal, exact and UTF-8 in a pipe."""
    output = own_output()
    if output.isatty():
        output.write(f"{make_json_visible(line.decode())}\n")
    else:
        write_bytes(line + b"\n")


def print_as_json(value: object) -> None:
    """Write a value as a line of JSON to standard output."""
    print_json(_encode(value))


def is_coloured() -> bool:
    """Whether standard output shows colours."""
    return own_output().isatty() and not _is_plain()


def _add_style(text: str, style: Style) -> str:
    return f"\x1b[{_CODES[style]}m{text}\x1b[0m"


def _is_plain() -> bool:
    return bool(os.environ.get("NO_COLOR")) or os.environ.get("TERM") == "dumb"


class Screen:
    """Writes answers to standard output, everything else to standard error. Thread-safe.

    Takes safe text only. Listeners write from a thread of their own, and warnings from that of the
    loop: between one's erasing of a notice and its line, the other must not write.
    """

    def __init__(self, count_every_s: float = 1.0) -> None:
        self.count_every_s = count_every_s
        """How often a notice says how long it stands; 0: never, where a person types below it."""
        self.live = sys.stderr.isatty() and not _is_plain()
        """Whether standard error shows colours and passing notices."""
        self.streams = own_output().isatty()
        """Whether an answer is shown while it is written, instead of when it is complete."""
        self._notice: threading.Event | None = None
        """Set when the notice that is shown is erased."""
        self._open: TextIO | None = None
        self._lock = threading.RLock()

    @property
    def width(self) -> int | None:
        """The columns of standard error; None where it is no terminal."""
        return width_of(sys.stderr)

    def say(self, text: str) -> None:
        """Write a piece of an answer to standard output."""
        self._put(own_output(), text)

    def say_json(self, line: bytes) -> None:
        """Write a line of JSON to standard output."""
        output = own_output()
        with self._lock, _until_nobody_reads(output):
            self.end_line()
            print_json(line)
            output.flush()

    def note(self, text: str, style: Style = "") -> None:
        """Write a line to standard error."""
        with self._lock:
            self.end_line()
            if self.streams:
                own_output().flush()  # else what was printed before comes after it
            self._put(sys.stderr, self._styled(text, style) + "\n")

    def piece(self, text: str, style: Style = "") -> None:
        """Write part of a line to standard error."""
        self._put(sys.stderr, self._styled(text, style))

    def notice(self, text: str) -> None:
        """Show a passing line on a terminal, with its seconds: the next output replaces it."""
        if not self.live:
            return
        text = text[: max(1, (self.width or DEFAULT_WIDTH) - _ROOM)]  # one line can be erased
        erased = threading.Event()
        with self._lock:
            self.end_line()
            self._write(sys.stderr, self._styled(text, "dim"))
            self._notice = erased
        if self.count_every_s:
            threading.Thread(target=self._count, args=(text, erased), daemon=True).start()

    def _count(self, text: str, erased: threading.Event) -> None:
        began = time.monotonic()
        while not erased.wait(self.count_every_s):
            with self._lock:
                if not erased.is_set():
                    line = f"{text} {round(time.monotonic() - began)} s"
                    self._write(sys.stderr, "\r\x1b[K" + self._styled(line, "dim"))

    def read_line(self, prompt: str, style: Style = "") -> str:
        """The line that the person types after the prompt; "" where they have left, by Ctrl-D."""
        self.end_line()
        self.piece(prompt, style)
        line = sys.stdin.readline()
        if line:
            self._open = None  # Enter has ended it
        return line

    def interrupted(self) -> None:
        """Note that the terminal has shown ^C in the middle of a line."""
        if self.live:
            self._open = self._open or sys.stderr

    def end_line(self) -> None:
        """End an open line, or erase the notice."""
        with self._lock:
            if self._notice:
                self._notice.set()
                self._notice = None
                self._write(sys.stderr, "\r\x1b[K")
            if self._open:
                self._write(self._open, "\n")
                self._open = None

    def _put(self, stream: TextIO, text: str) -> None:
        if not text:
            return
        with self._lock:
            if self._notice or (self._open and self._open is not stream):
                self.end_line()
            self._write(stream, text)
            self._open = stream
            if text.endswith(("\n", "\n\x1b[0m")):
                self._open = None

    def _styled(self, text: str, style: Style) -> str:
        if style and self.live:
            return _add_style(text, style)
        return text

    def _write(self, stream: TextIO, text: str) -> None:
        with _until_nobody_reads(stream):
            stream.write(text)
            stream.flush()


@contextmanager
def _until_nobody_reads(stream: TextIO) -> Iterator[None]:
    """From then on the stream leads to nowhere: the turn goes on, the log has it.

    So it does where standard error can't be written, as on a full disk; an answer that is lost so
    is told by OutputFailed.
    """
    try:
        yield
    except OutputFailed:
        raise
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


@contextmanager
def showing_warnings(screen: Screen) -> Iterator[None]:
    """Show the warnings that Treadle logs as yellow lines of this screen."""

    class ScreenHandler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            screen.note(make_visible(self.format(record)), "yellow")

    handler = ScreenHandler(logging.WARNING)
    log = logging.getLogger("treadle")
    log.addHandler(handler)
    try:
        yield
    finally:
        log.removeHandler(handler)
