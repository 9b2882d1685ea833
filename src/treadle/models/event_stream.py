"""Splits the bytes of a stream into server-sent events. Knows no dialect and does no I/O.

Only \\n, \\r\\n and \\r end a line; U+2028 and U+0085 are data (WHATWG, server-sent events).
"""

import re

import msgspec

_LINE = re.compile(rb"\r\n|\n|\r")

Event = tuple[bytes, bytes]
"""The name of an event, b"" if it has none, and its data."""


class EventStream:
    """Takes bytes as they come; gives the events that are complete, without empty ones."""

    def __init__(self) -> None:
        self._rest: list[bytes] = []
        """The pieces of a line that hasn't ended.

        A list, since adding to bytes takes quadratic time.
        """
        self._after_cr = False
        self._name = b""
        self._data: list[bytes] = []

    def feed(self, data: bytes) -> list[Event]:
        """The events that end in these bytes."""
        events: list[Event] = []
        if self._is_between_events and data.endswith(b"\n\n") and b"\r" not in data:
            for block in data.split(b"\n\n"):
                self._read_whole(block, events)
            return events
        for line in self._split_lines(data):
            self._read_line(line, events)
        return events

    @property
    def _is_between_events(self) -> bool:
        return not (self._rest or self._data or self._name or self._after_cr)

    def _read_whole(self, block: bytes, events: list[Event]) -> None:
        """Read all lines of one event, without the blank line that ends it."""
        if block.startswith(b"data:") and b"\n" not in block:  # as most events
            if data := block[5:].strip():
                events.append((b"", data))
            return
        for line in block.split(b"\n"):
            self._read_line(line, events)
        self._read_line(b"", events)

    def finish(self) -> list[Event]:
        """The last event, if no blank line ended it but it is complete: some servers omit that.

        An error needs be no JSON, and `[DONE]` is none.
        """
        events: list[Event] = []
        rest = b"".join(self._rest)
        self._rest = []
        if rest:
            self._read_line(rest, events)
        data = b"\n".join(self._data)
        if self._name == b"error" or data.strip() == b"[DONE]" or _is_json(data):
            self._read_line(b"", events)
        return events

    def _split_lines(self, data: bytes) -> list[bytes]:
        """The lines that end in these bytes.

        A \\r ends a line at once; a \\n right after it belongs to it.
        """
        if self._after_cr and data.startswith(b"\n"):
            data = data[1:]
            self._after_cr = False
        if data:
            self._after_cr = data.endswith(b"\r")
        if b"\r" in data:
            first, *others = _LINE.split(data)
        else:
            first, *others = data.split(b"\n")  # 30 times as fast
        self._rest.append(first)
        if not others:
            return []
        lines = [b"".join(self._rest), *others[:-1]]
        self._rest = [others[-1]] if others[-1] else []
        return lines

    def _read_line(self, line: bytes, events: list[Event]) -> None:
        if line:
            name, _, value = line.partition(b":")
            if name == b"data":
                self._data.append(value.removeprefix(b" "))
            elif name == b"event":
                self._name = value.strip()
            elif name == b"error":  # no field of the standard, but llama.cpp and others send it
                self._name = name
                self._data.append(value.strip())
            elif line.startswith(b"{"):  # nor is this one: an error of a gateway in mid-stream
                self._data.append(line)
            return
        data = b"\n".join(self._data).strip()
        if data:
            events.append((self._name, data))
        self._data = []
        self._name = b""


def _is_json(data: bytes) -> bool:
    try:
        msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False
    return True
