"""What a model takes on chat completions, by provider and family. One table; openai.py learns the rest by a refusal."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Takes:
    """What must be known of a model before it is asked."""

    output_limit: str = "max_tokens"
    """The field that says how long a reply may be."""
    with_tools: Mapping[str, Any] = field(default_factory=dict)
    """Fields that it wants in a request with tools, and refuses tools without."""


_OPENAI = ("api.openai.com", ".openai.azure.com", ".services.ai.azure.com")

_TABLE: tuple[tuple[tuple[str, ...], str, dict[str, Any]], ...] = (
    # The end of the address's host, the beginning of the model's name (a pattern), and what these take.
    # OpenAI's newer models refuse `max_tokens`; most other servers know nothing else.
    (_OPENAI, r"", {"output_limit": "max_completion_tokens"}),
    # "Function tools with reasoning_effort are not supported for gpt-5.6-luna in /v1/chat/completions. To use function
    # tools, use /v1/responses or set reasoning_effort to 'none'." Said also where none was set: they reason by default.
    (
        _OPENAI,
        r"(ft:)?gpt-(5\.[6-9]|5\.\d\d|[6-9]|\d\d)",
        {"with_tools": {"reasoning_effort": "none"}},
    ),
)


def takes(host: str, model: str) -> Takes:
    """What the model of this name takes at this host: all rows that fit, a later one over an earlier one."""
    known: dict[str, Any] = {}
    for hosts, family, facts in _TABLE:
        if host.endswith(hosts) and re.match(family, model):
            known |= facts
    return Takes(**known)
