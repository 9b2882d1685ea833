r"""Joins characters that a server has cut in two between the events of its stream. Pure.

A gateway in JavaScript may cut a text between the halves of an emoji, and writes each half as an
escape of its own: `"a\ud83d"` and `"\ude0b"`. Alone they are no text, and readers of JSON refuse
them.
"""

import re

_HIGH = rb"\\u[dD][89abAB][0-9a-fA-F]{2}"
_LOW = rb"\\u[dD][c-fC-F][0-9a-fA-F]{2}"
_ESCAPE = re.compile(rb"(?P<pair>%s%s)|(?P<high>%s)|(?P<low>%s)|\\." % (_HIGH, _LOW, _HIGH, _LOW))
_UNKNOWN = rb"\ufffd"


class SurrogateJoiner:
    """Takes JSON texts in their order; a first half waits for the text that begins with the other.

    A half without its other is left out, or stands as U+FFFD.
    """

    def __init__(self) -> None:
        self._held = b""

    def join(self, data: bytes) -> bytes:
        """The JSON text with whole characters alone."""
        if rb"\ud" not in data and rb"\uD" not in data:  # as nearly every event
            return data
        return _ESCAPE.sub(self._mend, data)

    def _mend(self, found: re.Match[bytes]) -> bytes:
        if found["high"]:
            self._held = found[0]
            return b""
        if found["low"]:
            held, self._held = self._held, b""
            return held + found[0] if held else _UNKNOWN
        return found[0]
