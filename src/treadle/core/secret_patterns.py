"""Finds secrets in a text by their shape: known kinds of keys, headers, URLs and assignments. Pure.

1. No pattern can fail after an unbounded number of characters, so the time is linear in the text.
   And none ends in the midst of a run of its characters: what is left beside a mark has no shape.
2. A key of a known kind is found anywhere. An assignment such as `password = hunter2` is found by
   its name (secret_names.py).
"""

import re
from collections.abc import Iterator

from .secret_names import find_named
from .secret_words import looks_random

_SHAPES = re.compile(
    r"(?<![A-Za-z0-9])(?:"
    r"sk-[A-Za-z0-9_-]{16,}|"  # OpenAI, Anthropic, OpenRouter, Langfuse
    r"[spr]k_(?:live|test|prod)_[A-Za-z0-9]{8,}|whsec_[A-Za-z0-9+/=]{16,}|"  # Stripe
    r"sk_[A-Za-z0-9]{32,}|"
    r"gh[opsru]_[A-Za-z0-9]{20,}|github_pat_[A-Za-z0-9_]{20,}|gl[a-z]{2,5}-[A-Za-z0-9_-]{16,}|"
    r"(?:hf|gsk|lsv2|npm|r8|fw|dckr_pat|dckr_oat|rubygems|lin_api|ntn|secret|figd|hvs|hvb|"
    r"dop_v1|doo_v1|shpat|shpss|shpca|sntrys|sntryu|pat|tvly|ATATT)[_.][A-Za-z0-9_-]{20,}|"
    r"(?:pypi|xai|pplx|tvly|csk|nvapi|PMAK|key|sq0[a-z]{3}|dapi|jina)-?[_-][A-Za-z0-9_-]{20,}|"
    r"AGE-SECRET-KEY-[A-Z0-9]{20,}|"
    r"xox[a-z]-[A-Za-z0-9-]{10,}|xapp-[A-Za-z0-9-]{10,}|AIza[A-Za-z0-9_-]{30,}|"
    r"ya29\.[A-Za-z0-9_-]{20,}|SG\.[A-Za-z0-9_-]{16,}\.[A-Za-z0-9_-]{16,}|"
    r"(?:AKIA|ASIA)[A-Z0-9]{16,}|[0-9]{8,10}:AA[A-Za-z0-9_-]{30,}|"  # the last: Telegram
    r"eyJ[A-Za-z0-9_-]{8,512}\.[A-Za-z0-9_-]{4,}(?:\.[A-Za-z0-9_-]*)?"  # a JWT (RFC 7519)
    r")"
)
_SCHEME = re.compile(  # RFC 6750, RFC 7617
    r"(?i:\b(?:bearer|basic))[ \t]{1,8}([A-Za-z0-9._~+/=-]{8,})"
)
_AUTHORIZATION = re.compile(
    r"(?i:\bauthorization)(?:\\{0,3}[\"'])?[ \t]{0,8}[:=][ \t]{0,8}(?:\\{0,3}[\"'])?"
    r"(?:[A-Za-z][A-Za-z0-9-]{0,30}[ \t]{1,8})?([A-Za-z0-9._~+/=:-]{8,})"
)
_COOKIE = re.compile(
    r"(?i:\b(?:set-)?cookie2?)(?:\\{0,3}[\"'])?[ \t]{0,8}:[ \t]{0,8}(?:\\{0,3}[\"'])?"
    r"([!#$%&*+.^_`|~0-9A-Za-z-]{1,128}=(?:\"[^\r\n\"]+\"|[^\r\n\"'\\]+))"
)
_PASSWORD_IN_URL = re.compile(r"://[^\s:/?#@\"'<>]{0,256}:([^\s/\"'<>]+)@")
"""Up to the last @ of the host's part. No two matches share a character, so it is linear."""
_USER_IN_URL = re.compile(r"://([A-Za-z0-9_~.-]{16,256})(?::[^\s/@\"'<>]{0,256})?@")
_WEBHOOK = re.compile(
    r"(?i:hooks\.slack(?:-gov)?\.com/(?:services|workflows|triggers)/|"
    r"discord(?:app)?\.com/api/webhooks/|\.webhook\.office\.com/webhookb2/|"
    r"outlook\.office(?:365)?\.com/webhook/|hooks\.zapier\.com/hooks/catch/|"
    r"api\.telegram\.org/(?:file/)?bot)([A-Za-z0-9_@/:-]{8,})"
)
_USER_OF_CURL = re.compile(
    r"(?<![\w-])(?:-u|-U|--user|--proxy-user)[ \t=]{0,4}\\{0,3}[\"']?"
    r"[^\s:\"']{1,128}:([^\s\"'\\/][^\s\"'\\]*)"
)
_PASSWORD_OF_COMMAND = re.compile(
    r"\b(?:sshpass\b[^\n|;]{0,64}?[ \t]-p[ \t]{0,4}|"
    r"docker[ \t]login\b[^\n|;]{0,128}?[ \t]-p[ \t=]{1,4}|"
    r"(?:mysql|mysqldump|mysqladmin|mariadb)\b[^\n|;]{0,128}?[ \t]-p)[\"']?([^\s\"'-][^\s\"']*)"
)
_PEM = re.compile(
    r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----"
    r"(?:(?!-----END)[\s\S])*(?:-----END[A-Z0-9 ]{0,40}-----)?"
)


def find_secret_shapes(text: str) -> Iterator[tuple[int, int]]:
    """Where a secret stands, by its shape: starts and ends, in no order, maybe overlapping."""
    patterns = (_SHAPES, _COOKIE, _PASSWORD_IN_URL, _USER_IN_URL, _WEBHOOK, _PEM)
    for pattern in patterns:
        for found in pattern.finditer(text):
            yield found.span(found.lastindex or 0)
    for found in _SCHEME.finditer(text):
        in_prose = found[0][0] == "b" or found[0][:5] == "Basic"
        word = found[1].isalpha() and found[1].islower() and len(found[1]) < 20
        if (
            not (in_prose and word)
            or "uthorization" in text[max(0, found.start() - 20) : found.start()]
        ):
            yield found.span(1)
    for found in _AUTHORIZATION.finditer(text):
        if looks_random(found[1]):
            yield found.span(1)
    for found in _USER_OF_CURL.finditer(text):
        line = text[max(0, found.start() - 200) : found.start()].rpartition("\n")[2]
        if not found[1].isdigit() and ("curl" in line or looks_random(found[1])):
            yield found.span(1)
    for found in _PASSWORD_OF_COMMAND.finditer(text):
        if found[1][0] not in "$<":
            yield found.span(1)
    yield from find_named(text)
