"""Which request fields a model accepts on the Responses API, by provider and model family.

`include` asks for encrypted reasoning: without it a reasoning model that stores nothing would begin
each step anew. Summaries of reasoning are asked for where it is known that they exist.
"""

import re
from typing import Any

from ..accepted_fields import AcceptedFields

ENCRYPTED_REASONING = "reasoning.encrypted_content"
_OPENAI = ("api.openai.com", ".openai.azure.com", ".services.ai.azure.com")
_INCLUDE = {"include": [ENCRYPTED_REASONING]}

_TABLE: tuple[tuple[tuple[str, ...], str, dict[str, Any]], ...] = (
    # Each row: suffixes of the host, a pattern for the start of the model's name, and what they
    # accept; later rows win. Open Responses has `include` and `prompt_cache_key`, so a server of
    # another host is sent the first; the second only where it is known to help.
    (("",), r"", {"always": _INCLUDE}),
    (("api.openai.com",), r"", {"cache_key": "prompt_cache_key"}),
    # Their published OpenAPI has texts, pictures and files alone (`InputContent`). OpenRouter's
    # Responses take `input_audio`.
    (_OPENAI, r"", {"takes_sound": False}),
    # "Encrypted content is not supported with this model": these don't reason.
    (_OPENAI, r"(ft:)?(gpt-4|gpt-3|chatgpt-|gpt-5[\d.]*-chat)", {"always": {}}),
    (
        _OPENAI,
        r"(ft:)?(o\d|gpt-([5-9]|1\d)(?![\d.]*-chat))",
        {"always": _INCLUDE | {"reasoning": {"summary": "auto"}}},
    ),
)


def find_accepted_fields(host: str, model: str) -> AcceptedFields:
    """What the model accepts at this host. All matching rows count; later ones win."""
    fields: dict[str, Any] = {"output_limit": "max_output_tokens"}
    for hosts, family, row in _TABLE:
        if host.endswith(hosts) and re.match(family, model):
            fields |= row
    return AcceptedFields(**fields)
