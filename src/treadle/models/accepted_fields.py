"""Which request fields a model accepts, by provider and model family.

What the table doesn't have, remote_model.py learns from a refusal.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class AcceptedFields:
    """What must be known of a model before the first request."""

    output_limit: str = "max_tokens"
    """The field for the most tokens of a reply."""
    with_tools: Mapping[str, Any] = field(default_factory=dict)
    """Fields that a request with tools must have, or the model refuses it."""
    always: Mapping[str, Any] = field(default_factory=dict)
    """Fields that Treadle adds to every request."""
    cache_key: str = ""
    """The field that names requests with a common beginning, for the provider's cache; "" if it
    has none."""
    output_format: bool = False
    """Anthropic Messages: the model can be held to a JSON Schema (`output_config.format`)."""
    bound_thoughts: bool = False
    """Anthropic Messages: a thought is refused if anything before it has changed."""


_ANY = ("",)
_OPENAI = ("api.openai.com", ".openai.azure.com", ".services.ai.azure.com")

_REFUSALS = {
    "include": r"\binclude\b|encrypted.content is not supported",
    "reasoning": r"summar|parameter: 'reasoning'",
}
"""The words by which providers refuse a field that Treadle adds, where they don't say its name."""

_TABLE: tuple[tuple[tuple[str, ...], str, dict[str, Any]], ...] = (
    # Each row: suffixes of the host, a pattern for the start of the model's name, and what they
    # accept. OpenAI's newer models refuse `max_tokens`; most other servers know only that.
    (_OPENAI, r"", {"output_limit": "max_completion_tokens"}),
    # Azure serves models of others too, which refuse it.
    (("api.openai.com",), r"", {"cache_key": "prompt_cache_key"}),
    # "Function tools with reasoning_effort are not supported for gpt-5.6-luna in
    # /v1/chat/completions. To use function tools, use /v1/responses or set reasoning_effort to
    # 'none'." These models say so even if no effort was sent, since they reason by default.
    (
        _OPENAI,
        r"(ft:)?gpt-(5\.[6-9]|5\.\d\d|[6-9]|\d\d)",
        {"with_tools": {"reasoning_effort": "none"}},
    ),
    # Claude, also behind a gateway. What isn't known is taken for newer than these rows.
    # platform.claude.com/docs: structured-outputs (from 4.5 on), preserved-thinking (from 5.1 on).
    (_ANY, r".*claude-", {"output_format": True, "bound_thoughts": True}),
    (_ANY, r".*claude-(\d|(opus|sonnet)-4(?![-.][5-9]))", {"output_format": False}),
    (
        _ANY,
        r".*claude-(\d|\w+-4|mythos-preview|\w+-5(?![-.]\d(?!\d)))",
        {"bound_thoughts": False},
    ),
)


def find_accepted_fields(host: str, model: str) -> AcceptedFields:
    """What the model accepts at this host. All matching rows count; later ones win."""
    fields: dict[str, Any] = {}
    for hosts, family, row in _TABLE:
        if host.endswith(hosts) and re.match(family, model):
            fields |= row
    return AcceptedFields(**fields)


def find_refused_field(error: str, added: Mapping[str, Any]) -> str | None:
    """Which of these fields of Treadle's own an error of the provider is about, if any."""
    for name in added:
        if re.search(_REFUSALS.get(name, re.escape(name)), error, re.I):
            return name
    return None
