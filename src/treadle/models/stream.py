"""Reads the bytes of a streamed chat completion, strictly. Does no I/O: it is fed, and says what came.

1. A reply is whole only when its finish_reason came. A stream that just ends is an error, never an answer.
2. Lines end with \\n, \\r\\n or \\r and nothing else: U+2028 and U+0085 are data (WHATWG, server-sent events).
3. A server that answers with one JSON body instead of a stream is understood; a page of HTML is refused.
4. What this module doesn't know of a message (reasoning and the like) is kept as it is and goes back verbatim.
"""

import re
from typing import Any

import msgspec

from ..errors import ContextOverflow, ModelDenied, ModelError, ModelRejected, ModelUnavailable
from ..events import Call, Usage
from .model import Reply

MAX_BYTES = 64 * 1024 * 1024
"""Of one reply, decompressed. Far above any real one; below what hurts."""

_LINE = re.compile(rb"\r\n|\n|\r")
_OVERFLOW = re.compile(
    r"context.?(length|size|window)|maximum.{0,20}tokens|prompt is too long|too many tokens|exceed_context", re.I
)
_KNOWN = frozenset(("role", "content", "tool_calls", "function_call", "refusal"))


class ReplyReader:
    """Feed it the body; it returns the visible text that came; `finish()` gives the whole Reply."""

    def __init__(self) -> None:
        self._buffer = b""
        self._event: list[bytes] = []
        self._seen = 0
        self._body: bytearray | None = None  # one JSON body in place of a stream
        self._text: list[str] = []
        self._refusal: list[str] = []
        self._calls: list[dict[str, Any]] = []
        self._opaque: dict[str, Any] = {}
        self._finish_reason: str | None = None
        self._usage: Usage | None = None

    def feed(self, data: bytes) -> str:
        """The visible text in these bytes. Raises a ModelError for what is no chat completion."""
        start = len(self._text)
        self._seen += len(data)
        if self._seen > MAX_BYTES:
            raise ModelRejected(f"the reply is larger than {MAX_BYTES} bytes; nothing of it was used")
        if self._body is not None:
            self._body += data
            return ""
        self._buffer += data
        head = self._buffer.lstrip()[:1]
        if self._seen == len(self._buffer) and head in (b"{", b"<", b"n", b"["):
            self._body = bytearray(self._buffer)
            return ""
        # A \r at the very end may be half of a \r\n: keep it for the next bytes.
        whole, keep = (self._buffer[:-1], self._buffer[-1:]) if self._buffer.endswith(b"\r") else (self._buffer, b"")
        *lines, rest = _LINE.split(whole)
        self._buffer = rest + keep
        for line in lines:
            self._line(line)
        return "".join(self._text[start:])

    def finish(self, prompt_tokens: int) -> Reply:
        """The whole reply. `prompt_tokens` stands in where the server didn't count. Raises ModelError if it was cut."""
        if self._body is not None:
            self._whole(bytes(self._body))
        elif self._buffer or self._event:
            self._line(self._buffer.rstrip(b"\r"))
            self._line(b"")
        if self._finish_reason is None:
            raise ModelUnavailable(f"the stream ended before the reply did, after {self._seen} bytes")
        return Reply(
            text="".join(self._text),
            calls=tuple(_call(raw) for raw in self._calls),
            usage=self._usage or self.so_far(prompt_tokens),
            finish_reason=self._finish_reason,
            refusal="".join(self._refusal),
            opaque=self._opaque,
        )

    def so_far(self, prompt_tokens: int) -> Usage:
        """What a stream has cost that may have broken off: the server's count, else an estimate."""
        return self._usage or Usage(prompt_tokens if self._seen else 0, self._seen // 40, estimated=True)

    def _line(self, line: bytes) -> None:
        if line:
            field, _, value = line.partition(b":")
            if field == b"data":
                self._event.append(value.removeprefix(b" "))
            return
        data, self._event = b"\n".join(self._event), []
        if data and not data.startswith(b"[DONE]"):
            self._chunk(_object(data))

    def _whole(self, body: bytes) -> None:
        head = body.lstrip()[:200]
        if not head.startswith(b"{"):
            raise ModelRejected(f"the server's answer is no chat completion; it starts {head.decode('utf8', 'replace')!r}")
        self._chunk(_object(body))

    def _chunk(self, chunk: dict[str, Any]) -> None:
        if chunk.get("error"):
            raise error_of(chunk["error"])
        if chunk.get("usage"):
            self._usage = _usage(chunk["usage"])
        for choice in chunk.get("choices") or ():
            if choice.get("index", 0) == 0:
                self._delta(choice.get("delta") or choice.get("message") or {})
                self._finish_reason = choice.get("finish_reason") or self._finish_reason

    def _delta(self, delta: dict[str, Any]) -> None:
        if delta.get("content"):
            self._text.append(_visible(delta["content"]))
        if delta.get("refusal"):
            self._refusal.append(delta["refusal"])
        if delta.get("function_call"):  # the form before tool calls; some servers still use it
            self._piece({"index": 0, "function": delta["function_call"]})
        for piece in delta.get("tool_calls") or ():
            self._piece(piece)
        for key, value in delta.items():
            if key not in _KNOWN and value is not None:
                self._opaque[key] = _joined(self._opaque.get(key), value)

    def _piece(self, piece: dict[str, Any]) -> None:
        """Add a piece to its call: the one with its index, unless its id says that it is another's."""
        function = piece.get("function") or {}
        index, call_id = piece.get("index"), piece.get("id")
        if index is None:
            same = [raw for raw in self._calls if call_id and raw["id"] == call_id]
            same = same or (self._calls[-1:] if not call_id else [])
        else:
            same = [raw for raw in self._calls if raw["index"] == index and (not call_id or raw["id"] in ("", call_id))]
        if not same:
            same = [{"index": index, "id": call_id or "", "name": "", "arguments": "", "opaque": {}}]
            self._calls += same
        raw = same[-1]
        raw["name"] += function.get("name") or ""
        arguments = function.get("arguments") or ""
        raw["arguments"] += arguments if isinstance(arguments, str) else msgspec.json.encode(arguments).decode()
        for key, value in piece.items():
            if key not in ("index", "id", "type", "function"):
                raw["opaque"][key] = _joined(raw["opaque"].get(key), value)


def error_of(error: Any, status: int | None = None, retry_after_s: float | None = None) -> ModelError:
    """The exception for what a provider called an error, by its HTTP status or, in a stream, by its code."""
    error = error if isinstance(error, dict) else {"message": str(error)}
    message = str(error.get("message") or error)[:2000]
    code = f"{error.get('code') or ''} {error.get('type') or ''}"
    if status is None:
        status = next((int(word) for word in code.split() if word.isdigit()), None)
    said = f"{message} (HTTP {status})" if status else message
    if status == 413 or (status in (400, 422, None) and _OVERFLOW.search(f"{code} {message}")):
        return ContextOverflow(said)
    if status in (401, 403) or "insufficient_quota" in code or "invalid_api_key" in code:
        return ModelDenied(said)
    if status is None or status in (408, 409, 429) or status >= 500:
        return ModelUnavailable(said, retry_after_s=retry_after_s)
    return ModelRejected(said)


def _object(data: bytes) -> dict[str, Any]:
    try:
        value = msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ModelUnavailable(f"the server sent what is not JSON: {error}") from None
    if not isinstance(value, dict):
        raise ModelUnavailable(f"the server sent a JSON {type(value).__name__} where a completion belongs")
    return value


def _visible(content: Any) -> str:
    """Text, also where the server sends it in parts."""
    if isinstance(content, str):
        return content
    return "".join(part.get("text") or "" for part in content if isinstance(part, dict))


def _joined(old: Any, new: Any) -> Any:
    if isinstance(old, str) and isinstance(new, str):
        return old + new
    if isinstance(old, list) and isinstance(new, list):
        return old + new
    return new


def _usage(raw: dict[str, Any]) -> Usage:
    return Usage(
        raw.get("prompt_tokens") or 0,
        raw.get("completion_tokens") or 0,
        (raw.get("prompt_tokens_details") or {}).get("cached_tokens") or 0,
        (raw.get("completion_tokens_details") or {}).get("reasoning_tokens") or 0,
    )


def _call(raw: dict[str, Any]) -> Call:
    return Call(raw["id"], raw["name"], raw["arguments"], raw["opaque"])
