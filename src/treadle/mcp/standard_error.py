"""Keeps the end of what a server writes to its standard error."""

import os
import threading
from typing import Any, TextIO

KEPT_BYTES = 2000


class StandardError:
    """A pipe whose last bytes are kept. A thread reads it, so that the server never waits."""

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
        """The last lines, once the server has ended; what is there by now, if it still runs."""
        self._thread.join(0.2)
        return self._kept.decode("utf8", "replace").strip()

    def _read(self) -> None:
        with self._reader:
            while chunk := self._reader.read(65536):
                self._kept = (self._kept + chunk)[-KEPT_BYTES:]
