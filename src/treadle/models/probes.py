"""Tiny requests that show what a model takes: a text, a tool, a picture, a schema. Pure.

Each asks for something that shows in the reply whether the model has really used what it was given:
a server may take a picture, say, and throw it away.
"""

import base64
import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from ..core.arguments import parse_json_object
from ..core.errors import ToolError
from ..core.model import Message, Model, Reply, Request, ToolSchema
from ..core.strict_json import value_of
from ..core.values import Image

ProbeName = Literal["text", "tool", "picture", "schema"]
MAX_TOKENS = 1024
"""Of a reply: a model that thinks first needs some room for that."""
_SHOWN_CHARS = 80
_TOOL = ToolSchema(
    "keep_word",
    "Keep a word.",
    {
        "type": "object",
        "properties": {"word": {"type": "string"}},
        "required": ["word"],
        "additionalProperties": False,
    },
)
_SCHEMA = {
    "type": "object",
    "properties": {"colour": {"type": "string"}, "legs": {"type": "integer"}},
    "required": ["colour", "legs"],
    "additionalProperties": False,
}


@dataclass(frozen=True)
class Probe:
    """A request, and how to tell by its reply whether the model has done as asked."""

    name: ProbeName
    request: Request
    judge: Callable[[Reply], str]
    """What the reply did instead; "" if it did as asked."""


def make_probes(model: Model) -> tuple[Probe, ...]:
    """The requests for this model, the plainest one first."""
    most = min(MAX_TOKENS, model.max_output_tokens)
    picture = ("Which colour is this picture? Answer with one word.", Image(_red_square()))
    legs = "Which colour has fresh grass, and how many legs has a cat?"
    return (
        Probe("text", Request((_said("Say the word: loom"),), (), most), _judge_text),
        Probe(
            "tool",
            Request((_said("Call the tool keep_word with the word: loom"),), (_TOOL,), most),
            _judge_tool,
        ),
        Probe("picture", Request((Message("user", picture),), (), most), _judge_picture),
        Probe("schema", Request((_said(legs),), (), most, _SCHEMA), _judge_schema),
    )


def _said(text: str) -> Message:
    return Message("user", text)


def _judge_text(reply: Reply) -> str:
    return "" if reply.text.strip() else _describe_reply(reply)


def _judge_tool(reply: Reply) -> str:
    if not reply.calls:
        return f"it called no tool; {_describe_reply(reply)}"
    call = reply.calls[0]
    if call.name != _TOOL.name:
        return f"it called {call.name!r}, which isn't the tool's name"
    try:
        word = parse_json_object(call.arguments).get("word")
    except ToolError:
        word = None
    if not isinstance(word, str):
        return f"it called the tool with what doesn't fit its schema: {_short(call.arguments)}"
    return ""


def _judge_picture(reply: Reply) -> str:
    if "red" in reply.text.lower():
        return ""
    return f"the picture is red; {_describe_reply(reply)}"


def _judge_schema(reply: Reply) -> str:
    try:
        value = value_of(reply.text)
    except ValueError:
        return f"its answer isn't JSON alone; {_describe_reply(reply)}"
    fits = (
        isinstance(value, dict)
        and value.keys() == _SCHEMA["properties"].keys()  # type: ignore[attr-defined]
        and isinstance(value["colour"], str)
        and isinstance(value["legs"], int)
    )
    return "" if fits else f"its answer doesn't fit the schema; {_describe_reply(reply)}"


def _describe_reply(reply: Reply) -> str:
    if reply.refusal:
        return f"it refused: {_short(reply.refusal)}"
    said = f"it said {_short(reply.text)}" if reply.text.strip() else "it said nothing"
    if reply.finish_reason == "length":
        return f"{said}, cut off after {reply.usage.output_tokens} tokens"
    return said


def _short(text: str) -> str:
    return repr(text if len(text) <= _SHOWN_CHARS else f"{text[:_SHOWN_CHARS]}…")


def _red_square(side: int = 64) -> str:
    """A red PNG as a data: URL. Some providers refuse smaller ones."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        checksum = zlib.crc32(kind + data)
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", checksum)

    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    rows = (b"\0" + b"\xff\0\0" * side) * side
    png = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header)
    png += chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    return f"data:image/png;base64,{base64.b64encode(png).decode()}"
