"""Reads the bytes of one answer, in any dialect, strictly. Does no I/O.

1. A reply is complete only when its dialect says so. A stream that just ends is an error, never a
   reply.
2. One JSON body instead of a stream is read too. A page of HTML is refused; but where a model has
   answered before (`is_model`), it is the page of a proxy or of a maintenance, and passes.
3. Raises nothing but ModelErrors, whatever the bytes are.
"""

from typing import Literal

from ..core.errors import ModelRejected, ModelUnavailable
from ..core.events import Thinking, Usage
from ..core.model import Reply
from .dialect import Dialect
from .event_stream import EventStream
from .surrogates import SurrogateJoiner

MAX_BYTES = 64 * 1024 * 1024
"""The most bytes of one reply, decompressed: far more than any real reply has."""

_SPACE_OR_BOM = b" \t\r\n\xef\xbb\xbf"


class ReplyReader:
    """Takes the body's bytes with `feed`, which gives the new visible text;

    `finish` gives the Reply.
    """

    def __init__(
        self, dialect: Dialect, max_bytes: int = MAX_BYTES, *, is_model: bool = False
    ) -> None:
        self._max_bytes = max_bytes
        self._is_model = is_model
        self._kind: Literal["unknown", "stream", "body"] = "unknown"
        self._seen = 0
        self._body = bytearray()  # if the server doesn't stream
        self._events = EventStream()
        self._joiner = SurrogateJoiner()
        self._first: list[bytes] = []
        """The data of the first two events."""
        self._builder = dialect.build_reply()

    @property
    def done(self) -> bool:
        """Whether the server has said that nothing follows."""
        return self._builder.done

    @property
    def whole(self) -> bool:
        """Whether all of the reply has come; only its usage may follow."""
        return self._builder.whole

    def feed(self, data: bytes) -> list[str | Thinking]:
        """The text and the thinking in these bytes.

        Raises a ModelError if this is no answer in this dialect.
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
        self._add(self._events.feed(data))
        return self.take_pieces()

    def finish(self, prompt_tokens: int) -> Reply:
        """The whole reply. Raises a ModelError if it is incomplete.

        What came with the last bytes, or without a stream, is then left for `take_pieces`.
        `prompt_tokens` is an estimate, used if the server didn't count.
        """
        if self._kind == "body":
            self._read_body(bytes(self._body))
        else:
            self._add(self._events.finish())
        if not self.whole:
            raise ModelUnavailable(
                f"the stream ended before the reply did, after {self._seen} bytes{self._what_came}"
            )
        return self._builder.reply(self.usage_so_far(prompt_tokens))

    def usage_so_far(self, prompt_tokens: int) -> Usage:
        """The tokens of a stream that may have broken off: the server's count, else an estimate."""
        if self._builder.usage:
            return self._builder.usage
        if not self._seen:
            prompt_tokens = 0
        return Usage(prompt_tokens, self._seen // 40, estimated=True)

    @property
    def _what_came(self) -> str:
        """The only event of a stream that had no more: it may be an error of a form of its own."""
        if len(self._first) != 1:
            return ""
        return f"; all that came is {self._first[0][:200].decode('utf8', 'replace')!r}"

    def _add(self, events: list[tuple[bytes, bytes]]) -> None:
        for name, data in events:
            if self._builder.done:
                return
            if len(self._first) < 2 and data != b"[DONE]":
                self._first.append(data)
            self._builder.add(name, self._joiner.join(data))

    def take_pieces(self) -> list[str | Thinking]:
        """What is new of the text and the thinking, joined."""
        pieces = self._builder.pieces
        if len(pieces) < 2:
            self._builder.pieces = []
            return pieces
        self._builder.pieces = []
        return _join(pieces)

    def _read_body(self, body: bytes) -> None:
        if not body.startswith(b"{"):
            start = body[:200].decode("utf8", "replace")
            if self._is_model:
                raise ModelUnavailable(f"the server sent no answer of a model, but {start!r}")
            raise ModelRejected(
                f"this is no answer of a model; is the base URL right? The answer starts {start!r}"
            )
        self._builder.add_body(self._joiner.join(body))


def _join(pieces: list[str | Thinking]) -> list[str | Thinking]:
    """Neighbours of one kind as one piece."""
    joined: list[str | Thinking] = []
    texts: list[str] = []
    thinking = False
    for piece in pieces:
        is_thinking = isinstance(piece, Thinking)
        if texts and is_thinking != thinking:
            joined.append(_piece(texts, thinking))
            texts = []
        thinking = is_thinking
        texts.append(piece.text if isinstance(piece, Thinking) else piece)
    if texts:
        joined.append(_piece(texts, thinking))
    return joined


def _piece(texts: list[str], thinking: bool) -> str | Thinking:
    text = "".join(texts)
    return Thinking(text) if thinking else text
