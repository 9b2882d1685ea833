"""The prompt cache of OpenAI, for servers in tests.

Prompt caching, https://developers.openai.com/api/docs/guides/prompt-caching, read 2026-11-27:
prefixes of at least 1,024 tokens are found again, in steps of 128, if they are the same.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

LEAST_TOKENS = 1024
STEP_TOKENS = 128
BYTES_PER_TOKEN = 4


@dataclass
class PromptCache:
    """Remembers prompts; `count` says how many tokens a new one has, and how many are read."""

    prompts: dict[str, list[bytes]] = field(default_factory=dict)
    """By cache key, all prompts so far, each in one piece."""
    shares: list[float] = field(default_factory=list)
    """Of each request, the part of its bytes that an earlier one began with."""

    def count(self, parts: Sequence[Any], body: Any) -> tuple[int, int]:
        """The tokens of the prompt, and those that are read from the cache."""
        prompt = b"".join(json.dumps(each).encode() for each in parts)
        earlier = self.prompts.setdefault(body.get("prompt_cache_key", ""), [])
        same = max((_same_bytes(prompt, each) for each in earlier), default=0)
        earlier.append(prompt)
        self.shares.append(same / len(prompt))
        tokens = same // BYTES_PER_TOKEN // STEP_TOKENS * STEP_TOKENS
        return len(prompt) // BYTES_PER_TOKEN + 1, tokens if tokens >= LEAST_TOKENS else 0


def _same_bytes(one: bytes, other: bytes) -> int:
    """How many bytes both begin with: found by halving, since comparing slices is fast."""
    low, high = 0, min(len(one), len(other))
    while low < high:
        middle = (low + high + 1) // 2
        if one[:middle] == other[:middle]:
            low = middle
        else:
            high = middle - 1
    return low
