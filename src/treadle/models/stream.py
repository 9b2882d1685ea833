"""Reads the bytes of a streamed chat completion, strictly. Does no I/O: it is fed, and says what came.

1. A reply is whole only when its finish_reason came. A stream that just ends is an error, never an answer.
2. Lines end with \n, \r\n or \r and nothing else: U+2028 and U+0085 are data (WHATWG, server-sent events).
3. A server that answers with one JSON body instead of a stream is understood; a page of HTML is refused.
4. Nothing but a ModelError is raised, whatever came.
"""

import re
from typing import Literal

import msgspec

from ..core.errors import ModelRejected, ModelUnavailable
from ..core.events import Thinking, Usage
from ..core.model import Reply
from .pieces import ReplyBuilder
from .provider_errors import read_error, to_model_error

MAX_BYTES = 64 * 1024 * 1024
"""Of one reply, decompressed. Far above any real one; below what hurts."""

_LINE = re.compile(rb"\r\n|\n|\r")
_SPACE_OR_BOM = b" \t\r\n\xef\xbb\xbf"


class ReplyReader:
    """Feed it the body; it returns the visible text that came; `finish()` gives the whole Reply."""

    def __init__(self, max_bytes: int = MAX_BYTES) -> None:
        self._max_bytes = max_bytes
        self.done = False
        """The server said that nothing more will come."""
        self._kind: Literal["unknown", "stream", "body"] = "unknown"
        self._seen = 0
        self._body = bytearray()  # of a server that doesn't stream
        self._rest: list[
            bytes
        ] = []  # of a line that hasn't ended; a list, since adding to bytes is quadratic
        self._after_cr = False
        self._event = b""
        self._data: list[bytes] = []
        self._assembly = ReplyBuilder()

    @property
    def whole(self) -> bool:
        """All of the reply came; what may follow is its price."""
        return self._assembly.finish_reason is not None

    def feed(self, data: bytes) -> list[str | Thinking]:
        """The text and the thinking in these bytes. Raises a ModelError for what is no chat completion."""
        self._seen += len(data)
        if self._seen > self._max_bytes:
            raise ModelRejected(
                f"the reply is larger than {self._max_bytes} bytes; nothing of it was used"
            )
        if self._kind == "unknown":
            data = data.lstrip(_SPACE_OR_BOM)
            if not data:
                return []
            # A stream starts with a field's name (data, event, id, retry) or a comment.
            self._kind = "stream" if data[:1] in b"deir:" else "body"
        if self._kind == "body":
            self._body += data
            return []
        thought, said = len(self._assembly.thinking), len(self._assembly.text)
        for line in self._lines(data):
            self._line(line)
        thinking = "".join(self._assembly.thinking[thought:])
        text = "".join(self._assembly.text[said:])
        pieces: list[str | Thinking] = [Thinking(thinking)] if thinking else []
        if text:
            pieces.append(text)
        return pieces

    def finish(self, prompt_tokens: int) -> Reply:
        """The whole reply. `prompt_tokens` stands in where the server didn't count. Raises ModelError if it was cut."""
        if self._kind == "body":
            self._whole(bytes(self._body))
        else:
            self._last_line()
        if not self.whole:
            raise ModelUnavailable(
                f"the stream ended before the reply did, after {self._seen} bytes"
            )
        return self._assembly.reply(self.usage_so_far(prompt_tokens))

    def usage_so_far(self, prompt_tokens: int) -> Usage:
        """What a stream has cost that may have broken off: the server's count, else an estimate."""
        return self._assembly.usage or Usage(
            prompt_tokens if self._seen else 0, self._seen // 40, estimated=True
        )

    def _lines(self, data: bytes) -> list[bytes]:
        """The lines that end in these bytes. A \\r ends one at once; a \\n right after it is its other half."""
        if self._after_cr and data.startswith(b"\n"):
            data = data[1:]
            self._after_cr = False
        if data:
            self._after_cr = data.endswith(b"\r")
        first, *others = (
            _LINE.split(data) if b"\r" in data else data.split(b"\n")
        )  # the second is 30 times as fast
        self._rest.append(first)
        if not others:
            return []
        lines = [b"".join(self._rest), *others[:-1]]
        self._rest = [others[-1]]
        return lines

    def _last_line(self) -> None:
        """An event that no blank line ended is taken if it is whole: some servers leave that line out."""
        rest = b"".join(self._rest)
        if rest:
            self._line(rest)
        try:
            msgspec.json.decode(b"\n".join(self._data))
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return
        self._line(b"")

    def _line(self, line: bytes) -> None:
        if line:
            name, _, value = line.partition(b":")
            if name == b"data":
                self._data.append(value.removeprefix(b" "))
            elif name == b"event":
                self._event = value.strip()
            return
        data, self._data = b"\n".join(self._data).strip(), []
        event, self._event = self._event, b""
        if self.done or not data:
            return
        if data.startswith(b"[DONE]"):
            self.done = True
        elif event == b"error":
            raise to_model_error(read_error(data))
        else:
            self._assembly.add(data)

    def _whole(self, body: bytes) -> None:
        if not body.startswith(b"{"):
            start = body[:200].decode("utf8", "replace")
            raise ModelRejected(
                f"this is no chat completion; is the base URL right? The answer starts {start!r}"
            )
        self._assembly.add(body)
        if not self.whole:
            raise ModelUnavailable(
                "the server's answer has no choices, or no message in the first one"
            )
