"""Keeps the end of what a server writes to its standard error."""

import os
import threading
from typing import Any, TextIO

from ..models.known_secrets import redact_known

KEPT_BYTES = 16_000
SHOWN_CHARS = 2000
"""What is shown was cut after secrets were taken out: half of one isn't known as such."""


class StandardError:
    """A pipe whose last lines are kept. A thread reads it, so that the server never waits."""

    def __init__(self) -> None:
        reading, writing = os.pipe()
        self.writer: TextIO = os.fdopen(writing, "w")
        self._reader = os.fdopen(reading, "rb", buffering=0)
        self._kept = b""
        self._thread = threading.Thread(target=self._read, name="treadle-mcp-stderr", daemon=True)

    def __enter__(self) -> "StandardError":
        self._thread.start()
        return self

    def __exit__(self, *_: Any) -> None:
        self.writer.close()  # the thread ends once the server has closed its side too

    def tail(self) -> str:
        """The last words, without secrets, once the server has ended; what is there by now, if it
        still runs."""
        self._thread.join(0.2)
        said = self._kept.decode("utf8", "replace")
        if len(self._kept) == KEPT_BYTES:  # its first line is what is left of one
            said = said.partition("\n")[2] or said.partition(" ")[2]
        return redact_known(said.strip())[-SHOWN_CHARS:]

    def _read(self) -> None:
        with self._reader:
            while chunk := self._reader.read(65536):
                self._kept = (self._kept + chunk)[-KEPT_BYTES:]
