"""What a model accepts in a request, by provider and model family: the table of docs/models.md.

What the table doesn't have, refusals.py reads from a refusal, and learned.py remembers.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

EFFORT = "reasoning_effort"
"""Chat completions' name of the effort, by which the table knows it."""


@dataclass(frozen=True)
class AcceptedFields:
    """What must be known of a model to write its requests."""

    output_limit: str = "max_tokens"
    """The field for the most tokens of a reply."""
    output_cap: int | None = None
    """The most that this field may say; None: not known, or no such limit."""
    context_tokens: int | None = None
    """The most tokens of prompt and reply together, where a refusal has told."""
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
    unsigned_thoughts: bool = False
    """Anthropic Messages: thoughts go back unsigned, and each reply with calls must have one."""
    left_out: frozenset[str] = frozenset()
    """Fields that Treadle sends to other models by itself."""
    json_schema: Literal["always", "without tools", "never"] = "always"
    """When it takes a JSON Schema for the answer. Treadle tells the model of it in words too."""
    system_role: Literal["system", "developer", "user"] = "system"
    """Who speaks the system prompt. `user`: it stands before what the person says first."""
    reply_fields: Mapping[str, str | None] = field(default_factory=dict)
    """Fields of the model's earlier replies: "" adds one where it is missing, None removes it."""
    wants_signed_calls: bool = False
    """Chat completions of Gemini: in each reply with calls, the first one has a signature."""
    plain_names: bool = False
    """Chat completions: parameters have only names of ASCII letters, digits, `_`, `.` and `-`."""
    bridges_results: bool = False
    """Chat completions: words of the model stand between results and what a person says."""
    takes_null: bool = True
    """Whether a reply of calls alone may have the content null; else it is an empty text."""
    takes_sound: bool = True
    """Responses: whether a message may hold a sound; else words stand in its place."""
    takes_empty: bool = False
    """Whether a message of a person may be empty."""


_ANY = ("",)
OPENAI_HOSTS = ("api.openai.com", ".openai.azure.com", ".services.ai.azure.com")
_ANTHROPIC = ("api.anthropic.com",)
_DEEPSEEK = ("api.deepseek.com",)
_GROQ = ("api.groq.com",)
_MISTRAL = ("api.mistral.ai",)
_MOONSHOT = ("api.moonshot.ai", "api.moonshot.cn")
_GOOGLE = ("generativelanguage.googleapis.com",)
_VERTEX = ("aiplatform.googleapis.com",)

_REFUSALS = {
    "include": r"\binclude\b|encrypted.content is not supported",
    "reasoning": r"summar|parameter: 'reasoning'",
}
"""The words by which providers refuse a field that Treadle adds, where they don't say its name."""

Table = Sequence[tuple[tuple[str, ...], str, dict[str, Any]]]
"""Each row: suffixes of the host, a pattern for the start of the model's name, and what they
accept. All matching rows count; later ones win."""

_TABLE: Table = (
    # OpenAI's newer models refuse `max_tokens`; most other servers know only that.
    (OPENAI_HOSTS, r"", {"output_limit": "max_completion_tokens", "takes_empty": True}),
    # Azure serves models of others too, which refuse it.
    (("api.openai.com",), r"", {"cache_key": "prompt_cache_key"}),
    # "Function tools with reasoning_effort are not supported for gpt-5.6-luna in
    # /v1/chat/completions. To use function tools, use /v1/responses or set reasoning_effort to
    # 'none'." These models say so even if no effort was sent, since they reason by default.
    # Azure writes gpt-3.5 as gpt-35, and people name deployments gpt-41.
    (
        OPENAI_HOSTS,
        r"(ft:)?gpt-(5\.[6-9]|5\.\d\d|[6-9]|1\d)",
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
    # https://developers.openai.com/api/docs/models: "max output tokens" of each.
    (OPENAI_HOSTS, r"(ft:)?gpt-3\.?5|(ft:)?gpt-4-(turbo|1106|0125|vision)", {"output_cap": 4096}),
    # "o1-mini and o1-preview: user and assistant messages only, system messages are not supported".
    (OPENAI_HOSTS, r"o1-(mini|preview)", {"system_role": "user", "json_schema": "never"}),
    (OPENAI_HOSTS, r"gpt-3\.?5|gpt-4(-|$)", {"json_schema": "never"}),
    # https://platform.claude.com/docs/en/api/openai-sdk: response_format is ignored there; the
    # oldest models write no longer replies.
    (_ANTHROPIC, r"claude-3-(haiku|opus|sonnet)", {"output_cap": 4096}),
    # https://api-docs.deepseek.com/api/create-chat-completion: `text` or `json_object`.
    # "Missing `reasoning_content` field in the assistant message", where that called a tool;
    # elsewhere the field is ignored (https://api-docs.deepseek.com/guides/thinking_mode).
    (_DEEPSEEK, r"", {"json_schema": "never", "reply_fields": {"reasoning_content": ""}}),
    # In Messages: "The `content[].thinking` in the thinking mode must be passed back to the API."
    ((*_DEEPSEEK, *_MOONSHOT), r"", {"unsigned_thoughts": True}),
    # https://console.groq.com/docs/structured-outputs: "streaming and tool use are not currently
    # supported with Structured Outputs", and Treadle streams.
    (_GROQ, r"", {"json_schema": "never", "output_limit": "max_completion_tokens"}),
    # It sends its counts without `stream_options`, and has refused that field.
    (_MISTRAL, r"", {"left_out": frozenset(("stream_options",))}),
    # "thinking is enabled but reasoning_content is missing in assistant tool call message".
    (
        _MOONSHOT,
        r"kimi-(k2-thinking|k2\.[5-9]|k[3-9])",
        {"reply_fields": {"reasoning_content": ""}},
    ),
    # "Developer instruction is not enabled for models/gemma-3-27b-it".
    (_GOOGLE, r"(models/)?gemma-[1-3]", {"system_role": "user", "json_schema": "never"}),
    # "Function call is missing a thought_signature in functionCall parts", as in another model's
    # replies: https://ai.google.dev/gemini-api/docs/thought-signatures
    (
        (*_GOOGLE, *_VERTEX),
        r"(models/|google/)?gemini-([3-9]|\d\d)",
        {"wants_signed_calls": True},
    ),
    # "Function calling with a response mime type: 'application/json' is unsupported".
    (_GOOGLE, r"(models/)?gemini-(1|2)", {"json_schema": "without tools"}),
)


def find_accepted_fields(host: str, model: str, table: Table = _TABLE) -> AcceptedFields:
    """What the model accepts at this host."""
    fields: dict[str, Any] = {}
    for hosts, family, row in table:
        if host.endswith(hosts) and re.match(family, model):
            fields |= row
    return AcceptedFields(**fields)


def find_refused_field(error: str, added: Mapping[str, Any]) -> str | None:
    """Which of these fields of Treadle's own an error of the provider is about, if any."""
    for name in added:
        if re.search(_REFUSALS.get(name, re.escape(name)), error, re.I):
            return name
    return None
