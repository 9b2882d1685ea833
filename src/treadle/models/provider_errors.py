"""What a provider's "no" means: from an HTTP status, headers and body, or an error inside a stream, to our exception.

The wordings are those of OpenAI, Anthropic, Gemini, Mistral, Groq, xAI, llama.cpp, vLLM, TGI, Ollama and LM Studio:
a context that is too small has a status of its own nowhere, so its words are all there is to go by.
"""

import email.utils
import re
import time
from collections.abc import Mapping
from typing import Any

import msgspec

from ..core.errors import ContextOverflow, ModelDenied, ModelError, ModelRejected, ModelUnavailable

_OVERFLOW = re.compile(
    r"context.?(length|size|window|limit)|exceed_context|context the overflows|maximum (model|prompt) length"
    r"|(prompt|input|inputs) (is|are) too (long|large)|too many tokens|token count .{0,40}exceeds|request too large"
    r"|`inputs` tokens \+ `max_new_tokens`|string_above_max_length|request_too_large",
    re.I,
)
_NO_MONEY = re.compile(
    r"insufficient_quota|insufficient.balance|billing_(hard_limit|not_active)", re.I
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
"""An error inside a stream has no HTTP status, only its kind. A kind that isn't here may pass: try again."""


def to_model_error(
    error: Any, status: int | None = None, retry_after_s: float | None = None
) -> ModelError:
    """The exception for what a provider called an error, by its HTTP status or, in a stream, by its code."""
    error = (
        error
        if isinstance(error, dict)
        else {"message": error if isinstance(error, str) else _text(error)}
    )
    message = str(error.get("message") or error.get("detail") or _text(error))[:2000]
    kind = f"{error.get('code') or ''} {error.get('type') or ''} {error.get('status') or ''}"[:200]
    status = status or _status_in(kind)
    said = f"{message} (HTTP {status})" if status else message
    if _NO_MONEY.search(f"{kind} {message}"):
        return ModelDenied(said)
    if status == 413 or (
        status not in (401, 402, 403, 404) and _OVERFLOW.search(f"{kind} {message}")
    ):
        return ContextOverflow(said)
    if status in (401, 402, 403) or (
        status in (400, None) and _BAD_KEY.search(f"{kind} {message}")
    ):
        return ModelDenied(said)
    if status is None or status in (408, 409, 425, 429) or status >= 500:
        return ModelUnavailable(said, retry_after_s=retry_after_s)
    return ModelRejected(said)


def http_error(status: int, headers: Mapping[str, str], body: bytes) -> ModelError:
    """The exception for an HTTP answer that is no success. `body` may be cut, and of any kind."""
    if 300 <= status < 400:
        location = headers.get("location")
        return ModelRejected(
            f"the server redirects to {location!r}, which isn't followed; set that as the base URL"
        )
    error = read_error(body) or "no reason given"
    return to_model_error(error, status, parse_retry_after(headers))


def parse_retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds that `retry-after-ms` or `retry-after` (seconds or a date, RFC 9110) ask for; None for nonsense."""
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
    """What JSON text, or any other, says went wrong: the object or words for `error_of`."""
    try:
        error = msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return data.decode("utf8", "replace").strip()[:500]
    if isinstance(error, list) and error:  # as Gemini does
        error = error[0]
    return error.get("error") or error if isinstance(error, dict) else error


def _status_in(kind: str) -> int | None:
    found = re.search(r"(?<!\w)[1-5]\d\d(?!\w)", kind, re.ASCII)
    if found:
        return int(found[0])
    return next((status for word, status in _STATUS_OF.items() if word in kind), None)


def _text(value: Any) -> str:
    try:
        return msgspec.json.encode(value).decode()
    except (RecursionError, TypeError, OverflowError, ValueError):
        return "an error that can't be shown"
