"""A process on a terminal of its own, so that Ctrl-C, prompts and colours are the real ones."""

import os
import select
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

PATIENCE_S = 60.0
_CONTROLLING = (
    "import fcntl, os, sys, termios\n"
    "fcntl.ioctl(0, termios.TIOCSCTTY, 0)\n"
    "os.execv(sys.executable, [sys.executable, '-m', 'treadle', *sys.argv[1:]])"
)


class Terminal:
    """`treadle` with these words. What it shows is read as it comes; nothing sleeps."""

    def __init__(self, words: Sequence[str], environ: Mapping[str, str]) -> None:
        self._ours, theirs = os.openpty()
        source = str(Path(__file__).parents[2] / "src")
        path = os.pathsep.join((environ.get("PYTHONPATH", ""), source))
        self._process = subprocess.Popen(
            [sys.executable, "-c", _CONTROLLING, *words],
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
            env={"TERM": "xterm", "PROMPT_TOOLKIT_NO_CPR": "1", **environ, "PYTHONPATH": path},
        )
        os.close(theirs)
        self.shown = ""
        """All of it so far."""
        self._read_to = 0

    def until(self, text: str) -> str:
        """What it showed from where the last call ended up to this text."""
        deadline = time.monotonic() + PATIENCE_S
        while (found := self.shown.find(text, self._read_to)) < 0:
            assert self._more(deadline), (
                f"{text!r} didn't come; there was: {self.shown[self._read_to :]!r}"
            )
        start, self._read_to = self._read_to, found + len(text)
        return self.shown[start : self._read_to]

    def prompt(self) -> None:
        """Until the chat's prompt is up: it asks for pastes in brackets, then draws itself."""
        self.until("\x1b[?2004h")
        self.until(">")

    def type(self, keys: str) -> None:
        os.write(self._ours, keys.encode("utf8", "surrogateescape"))

    def press_until(self, key: str, text: str) -> None:
        """Press this key, again where nothing came of it for two seconds, until this is shown."""
        for _ in range(10):
            self.type(key)
            deadline = time.monotonic() + 2.0
            while text not in self.shown[self._read_to :] and self._more(deadline):
                pass
            if text in self.shown[self._read_to :]:
                break
        self.until(text)

    def ended(self) -> int:
        """Its exit code, once it has ended by itself."""
        deadline = time.monotonic() + PATIENCE_S
        while self._more(deadline):
            pass
        return self._process.wait(PATIENCE_S)

    def close(self) -> None:
        self._process.kill()
        self._process.wait()
        os.close(self._ours)

    def _more(self, deadline: float) -> bool:
        if not select.select([self._ours], [], [], max(0.0, deadline - time.monotonic()))[0]:
            return False
        try:
            data = os.read(self._ours, 65536)
        except OSError:  # how Linux says that the other end is closed
            return False
        self.shown += data.decode("utf8", "replace")
        return bool(data)
