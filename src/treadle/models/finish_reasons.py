"""Why a reply has ended: each provider's own words, in those of chat completions. Pure.

Sources: the API references of OpenAI, Anthropic, Mistral, DeepSeek, Zhipu, Cohere and Bedrock, and
the FinishReason of Gemini, whose compatible endpoint sends it as it is; read in November 2026.
"""

import re

from ..core.errors import ModelUnavailable
from ..core.finish_reasons import MALFORMED_CALL

_WORDS = {
    "length": r"(model_)?length|max_?(output_)?tokens|model_context_window_exceeded",
    "content_filter": r"content_?filter(ed)?\b.*|(image_)?safety|(image_)?recitation|blocklist"
    r"|(image_)?prohibited_content|spii|sensitive|guardrail_intervened|refusal|error_toxic",
    MALFORMED_CALL: r".*\b(malformed|unexpected).?(function|tool).?call|.*\btool_use_failed",
    "error": r"error|abort|network_error|insufficient_system_resource",
}
"""What each of ours is called elsewhere, in whatever case."""


def read_finish_reason(reason: str) -> str:
    """The reason in the words of chat completions; one that isn't known stays as it is.

    Raises ModelUnavailable if it says that the reply failed.
    """
    for ours, theirs in _WORDS.items():
        if re.fullmatch(theirs, reason, re.I | re.S):
            if ours == "error":
                raise ModelUnavailable(
                    f"the provider broke the reply off: finish_reason {reason[:64]!r}"
                )
            return ours
    return reason[:64]


def is_malformed_call(reason: str) -> bool:
    """Whether the provider couldn't read the call that the model wrote."""
    return re.fullmatch(_WORDS[MALFORMED_CALL], reason, re.I | re.S) is not None
