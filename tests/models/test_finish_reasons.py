import pytest

from treadle.core.errors import ModelUnavailable
from treadle.models.finish_reasons import read_finish_reason


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ("stop", "stop"),
        ("tool_calls", "tool_calls"),
        ("pause_turn", "pause_turn"),
        ("eos_token", "eos_token"),
        ("length", "length"),
        ("model_length", "length"),
        ("MAX_TOKENS", "length"),
        ("max_output_tokens", "length"),
        ("model_context_window_exceeded", "length"),
        ("content_filter", "content_filter"),
        ("content_filter: RECITATION", "content_filter"),
        ("SAFETY", "content_filter"),
        ("IMAGE_SAFETY", "content_filter"),
        ("RECITATION", "content_filter"),
        ("PROHIBITED_CONTENT", "content_filter"),
        ("sensitive", "content_filter"),
        ("guardrail_intervened", "content_filter"),
        ("MALFORMED_FUNCTION_CALL", "malformed_call"),
        ("function_call_filter: UNEXPECTED_TOOL_CALL", "malformed_call"),
        ("x" * 1000, "x" * 64),
    ],
)
def test_each_provider_s_word_means_one_of_ours(theirs, ours):
    assert read_finish_reason(theirs) == ours


@pytest.mark.parametrize("theirs", ["error", "ERROR", "abort", "insufficient_system_resource"])
def test_a_reply_that_failed_is_none(theirs):
    with pytest.raises(ModelUnavailable, match="broke the reply off"):
        read_finish_reason(theirs)
