"""Turns the frames in which AWS streams into server-sent events: Claude on Bedrock. Pure.

A frame is its length and that of its headers, a checksum, the headers, the payload, a checksum:
https://smithy.io/2.0/aws/amazon-eventstream.html, read 2026-11-28. The connection is encrypted, so
the checksums aren't looked at.
"""

import base64
import binascii
import struct

import msgspec

from ..core.errors import ModelUnavailable

CONTENT_TYPE = "application/vnd.amazon.eventstream"
MAX_FRAME_BYTES = 24 * 1024 * 1024
_PRELUDE = struct.Struct(">III")
_CHECKSUM_BYTES = 4
_SIZES = {0: 0, 1: 0, 2: 1, 3: 2, 4: 4, 5: 8, 8: 8, 9: 16}
"""The bytes of a header's value, by its type; those of types 6 and 7 have their length before."""


class _Payload(msgspec.Struct):
    bytes: str = ""
    message: str = ""


class AWSStream:
    """Takes bytes as they come; gives server-sent events."""

    def __init__(self) -> None:
        self._rest = bytearray()

    def feed(self, data: bytes) -> bytes:
        """The events of the frames that end in these bytes. Raises ModelUnavailable for others."""
        self._rest += data
        made: list[bytes] = []
        while len(self._rest) >= _PRELUDE.size:
            length, headers_length, _ = _PRELUDE.unpack_from(self._rest)
            least = _PRELUDE.size + headers_length + _CHECKSUM_BYTES
            if not least <= length <= MAX_FRAME_BYTES:
                raise ModelUnavailable("the server sent what is no frame of an AWS event stream")
            if len(self._rest) < length:
                break
            frame = bytes(self._rest[_PRELUDE.size : length - _CHECKSUM_BYTES])
            del self._rest[:length]
            made.append(_read_frame(frame[:headers_length], frame[headers_length:]))
        return b"".join(made)


def _read_frame(headers: bytes, payload: bytes) -> bytes:
    try:
        known = _read_headers(headers)
        said = msgspec.json.decode(payload, type=_Payload) if payload else _Payload()
        if known.get(":message-type", "event") == "event":
            event = base64.b64decode(said.bytes, validate=True)
            return b"data: %s\n\n" % event.replace(b"\n", b" ") if event else b""
    except (msgspec.DecodeError, ValueError, struct.error, IndexError, binascii.Error):
        raise ModelUnavailable("the server sent a frame that can't be read") from None
    error = {
        "type": known.get(":exception-type") or known.get(":error-code") or "error",
        "message": said.message or known.get(":error-message", ""),
    }
    return b"event: error\ndata: %s\n\n" % msgspec.json.encode({"type": "error", "error": error})


def _read_headers(data: bytes) -> dict[str, str]:
    """The headers that are texts."""
    found: dict[str, str] = {}
    at = 0
    while at < len(data):
        name_end = at + 1 + data[at]
        name, kind = data[at + 1 : name_end].decode(), data[name_end]
        at = name_end + 1
        size = _SIZES.get(kind)
        if size is None:
            (size,) = struct.unpack_from(">H", data, at)
            at += 2
        if kind == 7:
            found[name] = data[at : at + size].decode()
        at += size
    return found
