"""Reads the bytes of a streamed chat completion, strictly. Does no I/O.

1. A reply is complete only with its finish_reason. A stream that just ends is an error, never a
   reply.
2. Only \n, \r\n and \r end a line; U+2028 and U+0085 are data (WHATWG, server-sent events).
3. One JSON body instead of a stream is read too; a page of HTML is refused.
4. Raises nothing but ModelErrors, whatever the bytes are.
"""

import re
from typing import Literal

import msgspec

from ..core.errors import ModelRejected, ModelUnavailable
from ..core.events import Thinking, Usage
from ..core.model import Reply
from .provider_errors import read_error, to_model_error
from .reply_builder import ReplyBuilder

MAX_BYTES = 64 * 1024 * 1024
"""The most bytes of one reply, decompressed: far more than any real reply has."""

_LINE = re.compile(rb"\r\n|\n|\r")
_SPACE_OR_BOM = b" \t\r\n\xef\xbb\xbf"


class ReplyReader:
    """Takes the body's bytes with `feed`, which gives the new visible text;

    `finish` gives the Reply.
    """

    def __init__(self, max_bytes: int = MAX_BYTES) -> None:
        self._max_bytes = max_bytes
        self.done = False
        """Whether the server has sent `[DONE]`."""
        self._kind: Literal["unknown", "stream", "body"] = "unknown"
        self._seen = 0
        self._body = bytearray()  # if the server doesn't stream
        self._rest: list[bytes] = []
        """The pieces of a line that hasn't ended.

        A list, since adding to bytes takes quadratic time.
        """
        self._after_cr = False
        self._event = b""
        self._data: list[bytes] = []
        self._builder = ReplyBuilder()

    @property
    def whole(self) -> bool:
        """Whether all of the reply has come; only its usage may follow."""
        return self._builder.finish_reason is not None

    def feed(self, data: bytes) -> list[str | Thinking]:
        """The text and the thinking in these bytes.

        Raises a ModelError if this is no chat completion.
        """
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
        said, thought = len(self._builder.text), len(self._builder.thinking)
        for line in self._split_lines(data):
            self._read_line(line)
        pieces: list[str | Thinking] = []
        if thinking := "".join(self._builder.thinking[thought:]):
            pieces.append(Thinking(thinking))
        if text := "".join(self._builder.text[said:]):
            pieces.append(text)
        return pieces

    def finish(self, prompt_tokens: int) -> Reply:
        """The whole reply. Raises a ModelError if it is incomplete.

        `prompt_tokens` is an estimate, used if the server didn't count.
        """
        if self._kind == "body":
            self._read_body(bytes(self._body))
        else:
            self._read_last_event()
        if not self.whole:
            raise ModelUnavailable(
                f"the stream ended before the reply did, after {self._seen} bytes"
            )
        return self._builder.reply(self.usage_so_far(prompt_tokens))

    def usage_so_far(self, prompt_tokens: int) -> Usage:
        """The tokens of a stream that may have broken off: the server's count, else an estimate."""
        if self._builder.usage:
            return self._builder.usage
        if not self._seen:
            prompt_tokens = 0
        return Usage(prompt_tokens, self._seen // 40, estimated=True)

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
        self._rest = [others[-1]]
        return lines

    def _read_last_event(self) -> None:
        """Read an event that no blank line ended, if it is complete: some servers omit it."""
        rest = b"".join(self._rest)
        if rest:
            self._read_line(rest)
        try:
            msgspec.json.decode(b"\n".join(self._data))
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return
        self._read_line(b"")

    def _read_line(self, line: bytes) -> None:
        if line:
            name, _, value = line.partition(b":")
            if name == b"data":
                self._data.append(value.removeprefix(b" "))
            elif name == b"event":
                self._event = value.strip()
            return
        data = b"\n".join(self._data).strip()
        event = self._event
        self._data = []
        self._event = b""
        if self.done or not data:
            return
        if data.startswith(b"[DONE]"):
            self.done = True
        elif event == b"error":
            raise to_model_error(read_error(data))
        else:
            self._builder.add(data)

    def _read_body(self, body: bytes) -> None:
        if not body.startswith(b"{"):
            start = body[:200].decode("utf8", "replace")
            raise ModelRejected(
                f"this is no chat completion; is the base URL right? The answer starts {start!r}"
            )
        self._builder.add(body)
        if not self.whole:
            raise ModelUnavailable(
                "the server's answer has no choices, or no message in the first one"
            )
