"""What stands for a prompt in the log: a hash of what was said, not of a dialect's bytes. Pure."""

import hashlib
from collections.abc import Iterable, Sequence
from typing import Any

from .growing import go_on
from .model import Message, ToolSchema

_HASH_OF_SAID = "said:"


def prompt_hash(messages: Sequence[Message], tools: Iterable[ToolSchema]) -> str:
    """A mark and 16 hex digits, the same for the same messages and tool schemas."""
    whole = go_on("hash", _add_digests, hashlib.blake2b(digest_size=8), messages).copy()
    for tool in tools:
        whole.update(tool.digest)
    return _HASH_OF_SAID + whole.hexdigest()


def _add_digests(before: Any, messages: Sequence[Message]) -> Any:
    whole = before.copy()
    for message in messages:
        whole.update(message.digest)
    return whole


def hash_prefixes(messages: Iterable[Message], tools: Iterable[ToolSchema]) -> list[str]:
    """For each message, the `prompt_hash` of those before it."""
    after = b"".join(tool.digest for tool in tools)
    before = hashlib.blake2b(digest_size=8)
    hashes: list[str] = []
    for message in messages:
        whole = before.copy()
        whole.update(after)
        hashes.append(_HASH_OF_SAID + whole.hexdigest())
        before.update(message.digest)
    return hashes


def is_hash_of_said(prompt_hash: str) -> bool:
    """Whether this hash can be compared with one of today.

    Older ones, without the mark, are of the bytes of chat completions.
    """
    return prompt_hash.startswith(_HASH_OF_SAID)
