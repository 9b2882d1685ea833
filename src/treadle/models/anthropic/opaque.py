"""What of a message's own fields belongs to this dialect. Pure.

Blocks keep the provider's fields under the `type` that they came with. So what another dialect has
left in a log, under the same model's name, is told apart and isn't sent.
"""

import re
from collections.abc import Mapping
from typing import Any

from ...core.events import Call, ProviderCall, Thinking

_LEGAL_ID = re.compile(r"[a-zA-Z0-9_-]{1,128}")
_ILLEGAL = re.compile(r"[^a-zA-Z0-9_-]")


def own_fields(opaque: Mapping[str, Any], block_type: str) -> dict[str, Any]:
    """The fields that came with a block of this type; none if another dialect has left them."""
    if opaque.get("type") != block_type:
        return {}
    return dict(opaque)


def thinking_block(block: Thinking, takes_unsigned: bool = False) -> dict[str, Any] | None:
    """A signed or redacted thought as it came; None if it is neither, and so can't go back.

    `takes_unsigned`: the server takes its thoughts back with an empty signature.
    """
    redacted = own_fields(block.opaque, "redacted_thinking")
    if redacted:
        return redacted
    fields = own_fields(block.opaque, "thinking")
    if not isinstance(fields.get("signature"), str):
        is_foreign = bool(block.opaque) and not fields
        if is_foreign or not takes_unsigned:
            return None
        fields["signature"] = ""
    return {"type": "thinking", "thinking": block.text} | fields


def provider_blocks(call: ProviderCall) -> list[dict[str, Any]]:
    """The blocks of a tool that the provider ran, as they came; or one of a type not known here."""
    blocks = call.opaque.get("blocks")
    if not isinstance(blocks, list):
        return []
    return [block for block in blocks if isinstance(block, dict) and "type" in block]


def sent_id(call: Call) -> str:
    """The id that a call is sent back with: the provider's own, else ours."""
    if _LEGAL_ID.fullmatch(call.provider_id):
        return call.provider_id
    return _ILLEGAL.sub("_", call.id) or "_"
