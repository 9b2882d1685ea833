"""Which request fields a model accepts on the Responses API, by provider and model family.

`include` asks for encrypted reasoning: without it a reasoning model that stores nothing would begin
each step anew. Summaries of reasoning are asked for where it is known that they exist.
"""

from .. import accepted_fields
from ..accepted_fields import OPENAI_HOSTS, AcceptedFields, Table

ENCRYPTED_REASONING = "reasoning.encrypted_content"
_INCLUDE = {"include": [ENCRYPTED_REASONING]}

_TABLE: Table = (
    # Open Responses has `include` and `prompt_cache_key`, so a server of another host is sent the
    # first; the second only where it is known to help.
    (("",), r"", {"output_limit": "max_output_tokens", "always": _INCLUDE}),
    (("api.openai.com",), r"", {"cache_key": "prompt_cache_key"}),
    # Their published OpenAPI has texts, pictures and files alone (`InputContent`). OpenRouter's
    # Responses take `input_audio`.
    (OPENAI_HOSTS, r"", {"takes_sound": False}),
    # "Encrypted content is not supported with this model": these don't reason.
    (OPENAI_HOSTS, r"(ft:)?(gpt-4|gpt-3|chatgpt-|gpt-5[\d.]*-chat)", {"always": {}}),
    (
        OPENAI_HOSTS,
        r"(ft:)?(o\d|gpt-([5-9]|1\d)(?![\d.]*-chat))",
        {"always": _INCLUDE | {"reasoning": {"summary": "auto"}}},
    ),
)


def find_accepted_fields(host: str, model: str) -> AcceptedFields:
    """What the model accepts at this host."""
    return accepted_fields.find_accepted_fields(host, model, _TABLE)
