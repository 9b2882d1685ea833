"""The waits that providers ask for, wherever they say so."""

import time
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from treadle.core.errors import ModelUnavailable
from treadle.models.provider_errors import http_error, to_model_error
from treadle.models.retry_after import find_wait_s, parse_reset, wait_in_error

GOOGLE = {
    "code": 429,
    "message": "quota",
    "details": [
        {"@type": "type.googleapis.com/google.rpc.QuotaFailure", "violations": []},
        {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "3.5s"},
    ],
}


@pytest.mark.parametrize(
    ("error", "wait_s"),
    [
        (GOOGLE, 3.5),
        ({"message": "Rate limit reached. Please try again in 2.5s. Visit x."}, 2.5),
        ({"message": "Please try again in 1m26.4s."}, 86.4),
        ({"message": "Please try again in 998ms."}, 0.998),
        ({"message": "Please retry after 20 seconds."}, 20),
        ({"message": "Please retry in 38.29s."}, 38.29),
        ({"message": "try again in 1h2m3s"}, 3723),
        ({"message": "Wait 1 minute and 30 seconds, then retry."}, 90),
        ({"message": "try again in 6 milliseconds"}, 0.006),
        ("try again in 2 min", 120),
        ({"message": "busy", "retry_after": 7}, 7),
        ({"message": "busy", "metadata": {"retry_after_ms": "1500"}}, 1.5),
        ({"message": "try again later"}, None),
        ({"message": "no more than 3 seconds of video"}, None),
        ({"message": "try again", "retry_after": "soon"}, None),
        ({"message": "try again", "retry_after": True}, None),
        ({"details": [{"retryDelay": "never"}, 3, None]}, None),
        ([], None),
        (None, None),
    ],
)
def test_a_wait_is_read_from_the_error(error, wait_s):
    assert wait_in_error(error) == (None if wait_s is None else pytest.approx(wait_s))


@pytest.mark.parametrize(
    ("headers", "wait_s"),
    [
        ({"x-ratelimit-remaining-tokens": "0", "x-ratelimit-reset-tokens": "7.66s"}, 7.66),
        ({"X-RateLimit-Remaining-Requests": "0", "X-RateLimit-Reset-Requests": "2m59.56s"}, 179.56),
        ({"x-ratelimit-remaining-tokens": "9", "x-ratelimit-reset-tokens": "6m0s"}, None),
        ({"x-ratelimit-reset": "30"}, 30),
        ({"ratelimit-reset": "30", "ratelimit-remaining": "0"}, 30),
        (
            {
                "x-ratelimit-remaining-requests": "0",
                "x-ratelimit-reset-requests": "1s",
                "x-ratelimit-remaining-tokens": "0",
                "x-ratelimit-reset-tokens": "20ms",
            },
            1,
        ),
        ({"x-ratelimit-reset": "soon"}, None),
        ({}, None),
    ],
)
def test_a_limit_that_is_used_up_is_waited_for(headers, wait_s):
    assert parse_reset(headers) == (None if wait_s is None else pytest.approx(wait_s))


def test_a_reset_may_be_a_moment():
    at = time.time() + 100
    moments = (
        {"x-ratelimit-reset": str(int(at))},
        {"X-RateLimit-Reset": str(int(at * 1000)), "X-RateLimit-Remaining": "0"},
        {"anthropic-ratelimit-tokens-reset": datetime.fromtimestamp(at, UTC).isoformat()},
    )
    for headers in moments:
        assert 90 <= (parse_reset(headers) or 0) <= 101
    body = {"message": "limit", "metadata": {"headers": moments[1]}}
    assert 90 <= (wait_in_error(body) or 0) <= 101


def test_the_header_for_it_wins_and_resets_count_for_rate_limits_alone():
    reset = {"x-ratelimit-reset": "9"}
    assert find_wait_s({"retry-after": "1"} | reset, GOOGLE, True) == 1
    assert find_wait_s(reset, GOOGLE, True) == 3.5
    assert find_wait_s(reset, {}, True) == 9
    assert find_wait_s(reset, {}, False) is None


def test_the_wait_reaches_the_error_from_a_response_and_from_a_stream():
    body = b'[{"error": {"code": 429, "details": [{"retryDelay": "3.5s"}]}}]'
    for error in (http_error(429, {}, body), to_model_error(GOOGLE)):
        assert isinstance(error, ModelUnavailable)
        assert error.retry_after_s == 3.5


json_like = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=9),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["message", "details", "metadata", "headers", "retry_after"]), inner
        )
    ),
    max_leaves=8,
)


@given(json_like, st.dictionaries(st.sampled_from(["x-ratelimit-reset", "retry-after"]), st.text()))
def test_no_body_and_no_header_breaks_it(error: Any, headers: dict[str, str]):
    wait_s = find_wait_s(headers, error, True)
    assert wait_s is None or 0 <= wait_s < float("inf")
