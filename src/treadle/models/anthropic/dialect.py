"""Anthropic Messages as a Dialect, and where Claude is at home."""

from collections.abc import Mapping

from ..dialect import Dialect
from ..service import Service
from .encode import SETTINGS, encode_request
from .reply_builder import MessagesReplyBuilder

VERSION = "2023-06-01"
"""The newer 2026-10-21 adds nothing and refuses temperature, top_p and top_k, which models before
Claude 4.7 take; some gateways don't know it. A user's `headers` may have it.
https://platform.claude.com/docs/en/api/migration-2026-10-21, read 2026-11-27
"""


def send_key(key: str) -> Mapping[str, str]:
    """The headers that carry a key, and the version of the API."""
    headers = {"anthropic-version": VERSION}
    if key:
        headers["x-api-key"] = key
    return headers


ANTHROPIC = Service(
    "https://api.anthropic.com",
    "ANTHROPIC_BASE_URL",
    "ANTHROPIC_API_KEY",
    send_key,
    "anthropic",
)
MESSAGES = Dialect(
    "messages",
    "/v1/messages",
    encode_request,
    MessagesReplyBuilder,
    SETTINGS,
    ANTHROPIC,
)
