import base64
import json
import struct
from typing import Any

import pytest

from treadle.core.errors import ModelUnavailable
from treadle.models.aws_stream import AWSStream


def frame(payload: Any, **headers: str) -> bytes:
    """One frame as AWS writes it; checksums are 0."""
    named = {f":{name.replace('_', '-')}": value for name, value in headers.items()}
    head = b"".join(
        bytes([len(name)])
        + name.encode()
        + b"\x07"
        + struct.pack(">H", len(value))
        + value.encode()
        for name, value in named.items()
    )
    head += b"\x04flag\x00"  # a header that is no text
    body = json.dumps(payload).encode()
    return struct.pack(">III", 16 + len(head) + len(body), len(head), 0) + head + body + bytes(4)


def chunk(event: Any) -> bytes:
    data = base64.b64encode(json.dumps(event).encode()).decode()
    return frame({"bytes": data, "p": "abc"}, message_type="event", event_type="chunk")


def test_events_come_as_server_sent_ones_however_they_are_cut():
    data = chunk({"type": "ping"}) + chunk({"type": "message_stop"})
    wanted = b'data: {"type": "ping"}\n\ndata: {"type": "message_stop"}\n\n'
    stream = AWSStream()
    assert b"".join(stream.feed(data[at : at + 1]) for at in range(len(data))) == wanted
    assert AWSStream().feed(data) == wanted


def test_an_exception_is_an_error_of_the_stream():
    sent = frame(
        {"message": "Slow"}, message_type="exception", exception_type="throttlingException"
    )
    name, data = AWSStream().feed(sent).split(b"\n", 1)
    assert name == b"event: error"
    assert json.loads(data.removeprefix(b"data: ")) == {
        "type": "error",
        "error": {"type": "throttlingException", "message": "Slow"},
    }


@pytest.mark.parametrize(
    "data",
    [
        b"<html>nothing here",
        bytes(12),
        struct.pack(">III", 2**31, 0, 0),
        struct.pack(">III", 20, 0, 0) + b"nope" + bytes(4),
        struct.pack(">III", 20, 4, 0) + b"\xffabc" + bytes(4),
    ],
)
def test_what_is_no_frame_is_an_outage(data):
    with pytest.raises(ModelUnavailable, match="frame"):
        AWSStream().feed(data)
