"""A passing line of the terminal says how long it stands, and leaves nothing behind."""

import os
import struct
import sys
import threading
from contextlib import redirect_stderr
from io import StringIO

import pytest

from treadle.cli.load_model import progress_bar
from treadle.cli.terminal import Screen, width_of


class Terminal(StringIO):
    """Standard error as a terminal; `counted` is set once a notice has been written again."""

    def __init__(self) -> None:
        super().__init__()
        self.counted = threading.Event()

    def isatty(self) -> bool:
        return True

    def write(self, text: str) -> int:
        if " s\x1b[0m" in text:
            self.counted.set()
        return super().write(text)


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    return Terminal()


def test_a_notice_counts_its_seconds_until_the_next_output(terminal: Terminal) -> None:
    with redirect_stderr(terminal):
        screen = Screen(count_every_s=0.001)
        screen.notice("asking…")
        assert terminal.counted.wait(10)
        screen.note("asked")
    *_, last = terminal.getvalue().split("\r\x1b[K")
    assert last == "asked\n"
    assert "\r\x1b[K\x1b[2masking… 0 s\x1b[0m" in terminal.getvalue()


def test_it_stands_still_where_a_person_types_below_it(terminal: Terminal) -> None:
    before = set(threading.enumerate())
    with redirect_stderr(terminal):
        Screen(count_every_s=0).notice("asking…")
    assert set(threading.enumerate()) <= before  # those of other tests may end meanwhile
    assert terminal.getvalue() == "\x1b[2masking…\x1b[0m"


def test_after_the_bar_it_says_what_goes_on(terminal: Terminal) -> None:
    with redirect_stderr(terminal):
        with progress_bar(Screen(count_every_s=0)) as progress:
            progress(1, 2)
            progress(2, 2)
            assert terminal.getvalue().endswith("\x1b[2mstarting the embedded model…\x1b[0m")
        assert terminal.getvalue().endswith("\r\x1b[K")


@pytest.mark.skipif(sys.platform == "win32", reason="pseudoterminals are POSIX's")
def test_a_stream_is_as_wide_as_its_own_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    import fcntl
    import termios

    monkeypatch.delenv("COLUMNS", raising=False)
    ours, theirs = os.openpty()
    with os.fdopen(ours, "rb"), os.fdopen(theirs, "w") as stream:
        assert width_of(stream) == 80  # it doesn't say how many it has
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 37, 0, 0))
        assert width_of(stream) == 37
        monkeypatch.setenv("COLUMNS", "52")
        assert width_of(stream) == 52
    assert width_of(StringIO()) is None


def test_a_notice_fits_a_narrow_terminal(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "20")
    with redirect_stderr(terminal):
        Screen(count_every_s=0).notice("… a-model-with-a-long-name")
    assert terminal.getvalue() == "\x1b[2m… a-model-wi\x1b[0m"
