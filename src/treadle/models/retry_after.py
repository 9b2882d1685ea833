"""How long a provider asks to be left alone, wherever it says so. Pure but for the clock.

Sources: RFC 9110 for `retry-after`; the rate-limit pages of OpenAI, Anthropic, Groq and OpenRouter,
google.rpc.RetryInfo for Google's `retryDelay`.
"""

import email.utils
import re
import time
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

_UNITS_S = {"ms": 0.001, "mi": 60.0, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
"""By the beginnings of their names; the longer ones first."""
_DURATION = re.compile(
    r"(\d{1,9}(?:\.\d{0,9})?)\s*"
    r"(ms|milliseconds?|s|secs?|seconds?|m|mins?|minutes?|h|hrs?|hours?|d|days?)(?![a-z])",
    re.I | re.ASCII,
)
_ASKED = re.compile(
    rf"(?:try again|retry|wait)\D{{0,30}}?((?:{_DURATION.pattern},?\s*(?:and\s+)?)+)",
    re.I | re.ASCII,
)
_RESET = re.compile(r"(?:x-|anthropic-)?ratelimit-(?:.*-)?reset(?:-.*)?", re.I)
_FIELDS = {"retry_after": 1.0, "retry_after_seconds": 1.0, "retry_after_ms": 0.001}
_NUMBER = re.compile(r"\d{1,15}(\.\d{0,9})?", re.ASCII)
_MS_FROM = 1e11
_EPOCH_FROM = 1e9
"""Higher numbers are moments and not durations: of milliseconds, and of seconds."""


def find_wait_s(
    headers: Mapping[str, str], error: Any, is_rate_limit: bool = False
) -> float | None:
    """The seconds to wait, by the headers, else by the error in the body; None if neither says."""
    waits = (parse_retry_after(headers), wait_in_error(error))
    for wait_s in waits:
        if wait_s:
            return wait_s
    if is_rate_limit:
        return parse_reset(headers)
    return None


def parse_retry_after(headers: Mapping[str, str]) -> float | None:
    """The seconds to wait, from `retry-after-ms` or `retry-after` (RFC 9110: seconds or a date).

    None if neither header makes sense.
    """
    for name, unit in (("retry-after-ms", 1000), ("retry-after", 1)):
        text = headers.get(name, "").strip()
        if re.fullmatch(r"[0-9]{1,12}(\.[0-9]*)?", text, re.ASCII):
            return float(text) / unit
        try:
            date = email.utils.parsedate_tz(text)
            if date:
                return max(0.0, email.utils.mktime_tz(date) - time.time())
        except (ValueError, OverflowError, IndexError, TypeError):
            continue
    return None


def wait_in_error(error: Any) -> float | None:
    """The wait that an error's own fields or words ask for; None if they ask for none."""
    if isinstance(error, str):
        return _parse_words(error)
    if not isinstance(error, dict):
        return None
    metadata = error.get("metadata")
    if not isinstance(metadata, dict):
        metadata = {}
    for fields in (error, metadata):
        for name, unit_s in _FIELDS.items():
            wait_s = _parse_moment(fields.get(name))
            if wait_s is not None:
                return wait_s * unit_s
    details = error.get("details")
    if isinstance(details, list):
        for detail in details:
            delay = detail.get("retryDelay") if isinstance(detail, dict) else None
            if isinstance(delay, str) and (wait_s := _parse_duration(delay)) is not None:
                return wait_s
    wait_s = _parse_words(str(error.get("message") or ""))
    given = metadata.get("headers")  # OpenRouter has them in the body
    if wait_s is None and isinstance(given, dict):
        wait_s = parse_reset({str(name): str(value) for name, value in given.items()})
    return wait_s


def parse_reset(headers: Mapping[str, str]) -> float | None:
    """The seconds until what is used up comes back, by the `ratelimit-reset` headers.

    Of several, those count whose `remaining` is 0, or isn't said.
    """
    values = {name.lower(): value for name, value in headers.items()}
    return max(_find_resets(values), default=None)


def _find_resets(values: Mapping[str, str]) -> Iterator[float]:
    for name, value in values.items():
        if not _RESET.fullmatch(name):
            continue
        remaining = values.get(name.replace("reset", "remaining"), "0").strip()
        wait_s = _parse_moment(value)
        if wait_s is not None and remaining in ("0", "0.0"):
            yield wait_s


def _parse_moment(value: Any) -> float | None:
    """The seconds until then: of a duration, of seconds, or of a moment in one of its forms."""
    text = str(value).strip() if isinstance(value, str | int | float) else ""
    if _NUMBER.fullmatch(text):
        number = float(text)
        if number > _MS_FROM:
            number /= 1000
        if number > _EPOCH_FROM:
            number = max(0.0, number - time.time())
        return number
    wait_s = _parse_duration(text)
    if wait_s is not None:
        return wait_s
    try:
        return max(0.0, datetime.fromisoformat(text).timestamp() - time.time())
    except (ValueError, OverflowError, OSError):
        return None


def _parse_duration(text: str) -> float | None:
    """The seconds of `3.5s`, `2m59.56s`, `500ms`, `1 minute and 30 seconds`; None for no duration.

    Whatever else stands in the text is no duration either.
    """
    rest = _DURATION.sub("", text)
    if re.sub(r"and|[,\s]", "", rest):
        return None
    total_s = 0.0
    for number, unit in _DURATION.findall(text):
        name = unit.lower()
        start = name[:2] if name[:2] in ("ms", "mi") else name[:1]
        total_s += float(number) * _UNITS_S["ms" if name.startswith("milli") else start]
    if _DURATION.search(text):
        return total_s
    return None


def _parse_words(text: str) -> float | None:
    found = _ASKED.search(text)
    if found is None:
        return None
    return _parse_duration(found[1])
