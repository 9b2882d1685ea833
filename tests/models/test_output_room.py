"""Refusals of the asked-for output, in the words of many providers."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from treadle.models.output_room import OutputRoom, find_output_room

PROMPT = 50
"""Our estimate of the prompt's tokens."""


@pytest.mark.parametrize(
    ("error", "asked", "room"),
    [
        # limits of replies
        (
            "max_tokens is too large: 20000. This model supports at most 16384 completion tokens,"
            " whereas you provided 20000. (HTTP 400)",
            20000,
            OutputRoom(16384),
        ),
        (
            "max_tokens: 20000 > 4096, which is the maximum allowed number of output tokens for"
            " claude-3-haiku-20240307",
            20000,
            OutputRoom(4096),
        ),
        ("Invalid max_tokens value, the valid range of max_tokens is [1, 8192]", 20000, 8192),
        (
            "`max_tokens` must be less than or equal to `8192`, the maximum value for `max_tokens`"
            " is less than the `context_window` for this model",
            20000,
            8192,
        ),
        (
            "Unable to submit request because it has a maxOutputTokens value of 70000 but the"
            " supported range is from 1 (inclusive) to 65537 (exclusive).",
            70000,
            65536,
        ),
        (
            "The maximum tokens you requested exceeds the model limit of 4096. Try again with a"
            " maximum tokens value that is lower than 4096.",
            8192,
            4095,
        ),
        (
            "This request requires more credits, or fewer max_tokens. You requested up to 8192"
            " tokens, but can only afford 1,234.",
            8192,
            1234,
        ),
        ("max_tokens is too large (HTTP 422, request req-4000)", 8192, 4096),
        # what the prompt leaves of a context
        (
            "'max_tokens' is too large: 8192. This model's maximum context length is 8192 tokens"
            " and your request has 40 input tokens (HTTP 400)",
            8192,
            OutputRoom(8152, 8192),
        ),
        (
            "This model's maximum context length is 8192 tokens. However, you requested 8232 tokens"
            " (40 in the messages, 8192 in the completion). Please reduce the length.",
            8192,
            OutputRoom(8152, 8192),
        ),
        (
            "This endpoint's maximum context length is 8192 tokens. However, you requested about"
            " 8232 tokens (40 of text input, 8192 in the output).",
            8192,
            OutputRoom(8152, 8192),
        ),
        (
            "input length and `max_tokens` exceed context limit: 190000 + 20000 > 200000, decrease"
            " input length or `max_tokens` and try again",
            20000,
            OutputRoom(10000, 200000),
        ),
        (
            "max_tokens=8192 is too large (8192 > 8192 - 40)",
            8192,
            OutputRoom(8152, 8192),
        ),
        (
            "Input validation error: `inputs` tokens + `max_new_tokens` must be <= 4096. Given: 40"
            " `inputs` tokens and 8192 `max_new_tokens`",
            8192,
            OutputRoom(4056, 4096),
        ),
        (
            "max_tokens 8192 exceeds the context window of 4096 tokens",
            8192,
            OutputRoom(4096 - PROMPT, 4096),
        ),
        # what a minute allows
        (
            "Request too large for model `m` on tokens per minute (TPM): Limit 6000, Requested 8500,"
            " please reduce your message size and try again.",
            8192,
            OutputRoom(5692, 6000),
        ),
        (
            "Invalid request: Your request exceeded model token limit: 8192 (requested: 9000)",
            8192,
            OutputRoom(7384, 8192),
        ),
        # about something else
        ("tokens in request more than max tokens allowed", 8192, None),
        ("Your request exceeded model token limit: 8192 (requested: 17000)", 8192, None),
        ("max_tokens: Field required", 8192, None),
        ("Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead.", 8192, None),
        ("This model's maximum context length is 8192 tokens, your prompt has 9000", 8192, None),
        ("prompt is too long: 210000 tokens > 200000 maximum", 8192, None),
        (
            "maximum context length is 8192 tokens. However, you requested 17192 tokens (9000 in the"
            " messages, 8192 in the completion)",
            8192,
            None,
        ),
        (
            "Rate limit reached on tokens per min (TPM): Limit 30000, Used 29000, Requested 4000.",
            8192,
            None,
        ),
        ("the tool's name is too large", 8192, None),
    ],
)
def test_what_a_refusal_leaves(error, asked, room):
    if isinstance(room, int):
        room = OutputRoom(room)
    assert find_output_room(error, asked, PROMPT) == room


@given(st.text(st.sampled_from("max_tokens 0123456789>+[](),.'<= contextlength"), max_size=80))
def test_whatever_a_provider_says_the_room_is_smaller_than_what_was_asked_for(words):
    room = find_output_room(f"max_tokens too large {words}", 1000, PROMPT)
    assert room is None or 16 <= room.tokens < 1000
