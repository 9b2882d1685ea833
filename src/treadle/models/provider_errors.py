"""Turns a provider's error, from an HTTP response or inside a stream, into the right ModelError.

The patterns are from OpenAI, Anthropic, Gemini, Mistral, Groq, xAI, llama.cpp, vLLM, TGI, Ollama
and LM Studio. No provider has a status of its own for a prompt that is too long, so only the words
tell.
"""

import email.utils
import re
import time
from collections.abc import Mapping
from typing import Any

import msgspec

from ..core.errors import ContextOverflow, ModelDenied, ModelError, ModelRejected, ModelUnavailable

_OVERFLOW = re.compile(
    r"context.?(length|size|window|limit)|exceed_context|context the overflows"
    r"|maximum (model|prompt) length|(prompt|input|inputs) (is|are) too (long|large)"
    r"|too many tokens|token count .{0,40}exceeds|request too large"
    r"|`inputs` tokens \+ `max_new_tokens`|string_above_max_length|request_too_large",
    re.I,
)
_NO_MONEY = re.compile(
    r"insufficient_quota|insufficient.balance|billing_(hard_limit|not_active)"
    r"|credit balance is too low|spend_limit_reached|reached your specified api usage limits",
    re.I,
)
_BAD_KEY = re.compile(
    r"(invalid|incorrect|missing|not valid|no).{0,20}api.?key|api.?key.{0,20}(invalid|not valid)",
    re.I,
)
_STATUS_OF = {
    "invalid_request_error": 400,
    "BadRequestError": 400,
    "authentication_error": 401,
    "billing_error": 402,
    "permission_error": 403,
    "not_found_error": 404,
    "request_too_large": 413,
}
"""The status for a kind of error, since one inside a stream has no HTTP status.

An error of another kind, without a status, is tried again.
"""


def to_model_error(
    error: Any, status: int | None = None, retry_after_s: float | None = None
) -> ModelError:
    """The exception for a provider's error, by its HTTP status or, in a stream, by its code.

    `error` is what `read_error` gave.
    """
    if isinstance(error, str):
        error = {"message": error}
    elif not isinstance(error, dict):
        error = {"message": _text(error)}
    message = str(error.get("message") or error.get("detail") or _text(error))[:2000]
    kind = f"{error.get('code') or ''} {error.get('type') or ''} {error.get('status') or ''}"[:200]
    status = status or _status_in(kind)
    words = f"{kind} {message} {_text(error.get('details') or '')[:2000]}"
    if status:
        message = f"{message} (HTTP {status})"
    if _NO_MONEY.search(words):
        return ModelDenied(message)
    if status == 413 or (status not in (401, 402, 403, 404) and _OVERFLOW.search(words)):
        return ContextOverflow(message)
    if status in (401, 402, 403) or (status in (400, None) and _BAD_KEY.search(words)):
        return ModelDenied(message)
    if status is None or status in (408, 409, 425, 429) or status >= 500:
        return ModelUnavailable(message, retry_after_s=retry_after_s)
    return ModelRejected(message)


def http_error(status: int, headers: Mapping[str, str], body: bytes) -> ModelError:
    """The exception for an HTTP response that is no success.

    `body` may be cut off, and of any type.
    """
    if 300 <= status < 400:
        location = headers.get("location")
        return ModelRejected(
            f"the server redirects to {location!r}, which isn't followed; set that as the base URL"
        )
    error = read_error(body) or "no reason given"
    return to_model_error(error, status, parse_retry_after(headers))


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


def read_error(data: bytes) -> Any:
    """The error in a response body, JSON or other: the object or text for `to_model_error`."""
    try:
        error = msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return data.decode("utf8", "replace").strip()[:500]
    if isinstance(error, list) and error:  # as Gemini does
        error = error[0]
    if isinstance(error, dict):
        return error.get("error") or error
    return error


def _status_in(kind: str) -> int | None:
    found = re.search(r"(?<!\w)[1-5]\d\d(?!\w)", kind, re.ASCII)
    if found:
        return int(found[0])
    for word, status in _STATUS_OF.items():
        if word in kind:
            return status
    return None


def _text(value: Any) -> str:
    try:
        return msgspec.json.encode(value).decode()
    except (RecursionError, TypeError, OverflowError, ValueError):
        return "an error that can't be shown"
