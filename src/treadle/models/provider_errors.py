"""Turns a provider's error, from an HTTP response or inside a stream, into the right ModelError.

The patterns are from OpenAI, Anthropic, Gemini, Mistral, Groq, xAI, Moonshot, Zhipu, DashScope,
llama.cpp, vLLM, TGI, Ollama and LM Studio. No provider has a status of its own for a prompt that is
too long, so only the words tell.
"""

import re
from collections.abc import Mapping
from typing import Any

import msgspec

from ..core.errors import ContextOverflow, ModelDenied, ModelError, ModelRejected, ModelUnavailable
from ..core.finish_reasons import MALFORMED_CALL
from .known_secrets import redact_known
from .retry_after import find_wait_s, wait_in_error

_OVERFLOW = re.compile(
    r"context.?(length|size|window|limit)|exceed_context|context the overflows"
    r"|maximum (model|prompt) length|(prompt|input|inputs) (is|are) too (long|large)"
    r"|too many tokens|token count .{0,40}exceeds|request too large"
    r"|`inputs` (tokens \+ `max_new_tokens`|must have less)|string_above_max_length"
    r"|request_too_large|prompt (too long|exceeds max length)|exceeded model token limit"
    r"|range of input length|tokens in request more than",
    re.I,
)
_TOO_LARGE = re.compile(r"request.?too.?large|context.?(length|size|window)|must be reduced", re.I)
"""What no waiting mends, though it comes as a rate limit (OpenAI, Groq)."""
_WAIT = re.compile(
    r"(please|and|must) wait|wait (before|for|until|\d)|(retry|try again) (after|in|later)",
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
_NO_PAGE = re.compile(
    r"(404 )?((page|file|url) )?not found|method not allowed|no reason given|invalid url .*", re.I
)
"""How servers say that they know nothing at this address, and not that they lack the model."""
_STATUS_OF = {
    "invalid_request_error": 400,
    "BadRequestError": 400,
    "authentication_error": 401,
    "billing_error": 402,
    "permission_error": 403,
    "not_found_error": 404,
    "request_too_large": 413,
    "validationException": 400,  # Bedrock
}
"""The status for a kind of error, since one inside a stream has no HTTP status.

An error of another kind, without a status, is tried again.
"""


_PASSING = frozenset(
    (
        *(408, 409, 425, 429),
        424,  # Bedrock's and TGI's, of a model that failed
        498,  # Groq's, of a flex tier without room
        499,  # Google's and gateways', of a request that was given up on their side
    )
)
"""Statuses below 500 of what may be mended by the time of another try."""
MAX_BODY_CHARS = 4000
"""How much of a provider's error is kept as `ModelError.body`."""
_UNREAD = {
    "tool_use_failed": MALFORMED_CALL,  # Groq
    "json_validate_failed": "stop",  # Groq
    "content_filter": "content_filter",  # Azure, of a prompt
    "data_inspection_failed": "content_filter",  # DashScope
}
"""Codes of errors that stand for a reply, and what finish_reason that gets."""
_REQUEST_IDS = (
    "x-request-id",
    "request-id",  # Anthropic
    "apim-request-id",  # Azure
    "x-amzn-requestid",
    "x-generation-id",  # OpenRouter
    "cf-ray",
)


class UnreadReply(ModelRejected):
    """An error that stands for a reply. For RemoteModel alone.

    The model wrote what the provider couldn't read: that is in the error, with a fault that the
    model can mend. Or the provider's filter refuses the prompt.
    """

    said: str = ""
    finish_reason: str = MALFORMED_CALL


def to_model_error(
    error: Any, status: int | None = None, retry_after_s: float | None = None
) -> ModelError:
    """The exception for a provider's error, by its HTTP status or, in a stream, by its code.

    `error` is what `read_error` gave.
    """
    made = _make_error(error, status, retry_after_s)
    made.status = status
    if status is None and isinstance(error, dict):
        made.status = _status_in(_kind_of(error))
    if not made.body:
        made.body = _cut(error if isinstance(error, str) else _text(error), MAX_BODY_CHARS)
    return made


def _make_error(error: Any, status: int | None, retry_after_s: float | None) -> ModelError:
    if isinstance(error, str):
        error = {"message": error}
    elif not isinstance(error, dict):
        error = {"message": _text(error)}
    message = _cut(str(error.get("message") or error.get("detail") or _text(error)), 2000)
    kind = _kind_of(error)
    status = status or _status_in(kind)
    words = without_urls(f"{kind} {message} {_text(error.get('details') or '')[:2000]}")
    unread = _find_unread(error, message)
    if unread:
        return unread
    if status:
        message = f"{message} (HTTP {status})"
    if _NO_MONEY.search(words):
        return ModelDenied(message)
    is_early = _is_early(status, kind, words)
    may_overflow = status not in (401, 402, 403, 404) and not is_early
    if status == 413 or (may_overflow and _OVERFLOW.search(words)):
        return ContextOverflow(message)
    if status in (401, 402, 403) or (status in (400, None) and _BAD_KEY.search(words)):
        return ModelDenied(message)
    if is_early or status is None or status in _PASSING or status >= 500:
        # No wait at all, or a date that is past by our clock, would use up all tries at once.
        asked_s = retry_after_s or wait_in_error(error) or None
        return ModelUnavailable(message, retry_after_s=asked_s)
    return ModelRejected(message)


def without_urls(text: str) -> str:
    """An error's text without addresses: the words of a page's aren't what the error says."""
    return re.sub(r"https?://[^\s\"]+", "", text)


def _is_early(status: int | None, kind: str, words: str) -> bool:
    """Whether the provider says to wait, as Bedrock: too many tokens are those of this minute."""
    if status in (401, 402, 403, 404, 413) or _TOO_LARGE.search(words):
        return False
    if "throttl" in words.lower():
        return True
    is_limit = status is None or status == 429 or status >= 500
    if not is_limit:
        is_limit = bool(re.search(r"rate.?limit|too.?many.?requests", kind, re.I))
    return bool(is_limit and _WAIT.search(words))


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
    made = to_model_error(error, status, find_wait_s(headers, error, status == 429))
    made.body = _cut(body.decode("utf8", "replace").strip(), MAX_BODY_CHARS)
    made.request_id = _find_request_id(headers, error)
    text = str(made).removesuffix(f" (HTTP {status})")
    if status in (404, 405) and _NO_PAGE.fullmatch(text):
        text += "; is the base URL right? Most end in /v1"
        made.args = (f"{text} (HTTP {status})",)
    if made.request_id:
        made.args = (f"{text} (HTTP {status}, request {made.request_id})",)
    return made


def read_error(data: bytes) -> Any:
    """The error in a response body, JSON or other: the object or text for `to_model_error`."""
    try:
        error = msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return _cut(data.decode("utf8", "replace").strip(), 500)
    if isinstance(error, list) and error:  # as Gemini does
        error = error[0]
    if isinstance(error, dict):
        inner = error.get("error") or error
        if isinstance(inner, dict) and error.get("request_id"):  # Anthropic has it beside the error
            return {"request_id": error["request_id"]} | inner
        return inner
    return error


def no_answer_error(body: bytes, lacks: str) -> ModelError:
    """The exception for an answer that is none, though it came as a success: with what it says.

    Gateways, and MiniMax (`base_resp`), send their errors so.
    """
    error = to_model_error(read_error(body))
    error.args = (f"{lacks}: {str(error)[:500]}",)
    return error


def _find_unread(error: Mapping[str, Any], message: str) -> UnreadReply | None:
    finish_reason = _UNREAD.get(str(error.get("code")))
    if finish_reason is None:
        return None
    unread = UnreadReply(message)
    unread.said = str(error.get("failed_generation") or "")
    unread.finish_reason = finish_reason
    return unread


def _find_request_id(headers: Mapping[str, str], error: Any) -> str:
    for name in _REQUEST_IDS:
        if headers.get(name):
            return str(headers.get(name))[:200]
    given = error.get("request_id") if isinstance(error, dict) else None
    return given[:200] if isinstance(given, str) else ""


def _kind_of(error: Mapping[str, Any]) -> str:
    return f"{error.get('code') or ''} {error.get('type') or ''} {error.get('status') or ''}"[:200]


def _status_in(kind: str) -> int | None:
    found = re.search(r"(?<!\w)[1-5]\d\d(?!\w)", kind, re.ASCII)
    if found:
        return int(found[0])
    for word, status in _STATUS_OF.items():
        if word in kind:
            return status
    return None


def _cut(text: str, most: int) -> str:
    """The beginning of a text, without secrets: half of one isn't known as such later."""
    return redact_known(text)[:most]


def _text(value: Any) -> str:
    try:
        return msgspec.json.encode(value).decode()
    except (RecursionError, TypeError, OverflowError, ValueError):
        return "an error that can't be shown"
