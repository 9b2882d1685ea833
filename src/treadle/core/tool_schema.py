"""What a model is told of a tool."""

import hashlib
from functools import cached_property
from typing import Any

import msgspec

from .values import Label, encode_once

_encode = msgspec.json.Encoder().encode
TOOL_ENVELOPE_TOKENS = 16
"""For what providers write around a tool's name, description and parameters."""


class ToolSchema(msgspec.Struct, frozen=True, dict=True):
    """What the model is told of a tool."""

    name: str
    description: str
    parameters: dict[str, Any]
    """JSON Schema of an object."""
    labels: tuple[Label, ...] = ()
    """What the tool may do. For the log and for rules: the model isn't told."""

    encoded = encode_once

    @cached_property
    def said(self) -> bytes:
        """What the model is told of the tool, as JSON of our own."""
        return _encode(
            {"name": self.name, "description": self.description, "parameters": self.parameters}
        )

    @cached_property
    def digest(self) -> bytes:
        return hashlib.blake2b(self.said, digest_size=16).digest()

    @property
    def tokens(self) -> int:
        """An estimate, as of a message."""
        return round(len(self.said) / 3.5) + TOOL_ENVELOPE_TOKENS
