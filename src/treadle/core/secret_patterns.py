"""Finds secrets in a text by their shape: known kinds of keys, headers, URLs and assignments. Pure.

1. No pattern can fail after an unbounded number of characters, so the time is linear in the text.
2. A key of a known kind is found anywhere. An assignment such as `password = hunter2` is found by
   its name, and its value must look like a secret: code and prose that speak of passwords stay.
"""

import re
from collections.abc import Iterator

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
    r"(?:AKIA|ASIA)[A-Z0-9]{16}|[0-9]{8,10}:AA[A-Za-z0-9_-]{30,}|"  # the last: Telegram
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
    r"([!#$%&*+.^_`|~0-9A-Za-z-]{1,128}=[^\r\n\"'\\]+)"
)
_PASSWORD_IN_URL = re.compile(r"://[^\s:/?#@\"'<>]{0,256}:((?:[^\s/@\"'<>]{1,256}@){1,4})")
_USER_IN_URL = re.compile(r"://([A-Za-z0-9_~.-]{16,256})(?::[^\s/@\"'<>]{0,256})?@")
_WEBHOOK = re.compile(
    r"(?i:hooks\.slack(?:-gov)?\.com/(?:services|workflows|triggers)/|"
    r"discord(?:app)?\.com/api/webhooks/|\.webhook\.office\.com/webhookb2/|"
    r"hooks\.zapier\.com/hooks/catch/)([A-Za-z0-9_@/-]{8,})"
)
_PEM = re.compile(
    r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----"
    r"(?:(?!-----END)[\s\S])*(?:-----END[A-Z0-9 ]{0,40}-----)?"
)
_NAME = (
    r"(?i:pass(?:word|wd|phrase)|passwd|pwd|secret|token|credentials?|sessionid|session_id|"
    r"(?:api|access|account|private|secret|signing|encryption|shared|auth|master|license)"
    r"[ _-]?key|sharedaccesskey|signature)|(?<=[A-Z0-9])_KEY|(?<=[?&])(?:key|sig|auth|pass|pw)"
)
_ASSIGNMENT = re.compile(
    rf"({_NAME})(?:\\{{0,3}}[\"'])?"
    r"(?:([ \t]{0,8}(?:=>|:=|:|=)[ \t]{0,8})|(?<=[a-z])([ \t]{1,8}))"
    r"(?:\\{0,3}([\"'])([^\"'\n\\]+)|([^\s\"'\\<>&;,(){}\[\]]+))"
)
_ELEMENT = re.compile(rf"<[\w:-]{{0,64}}(?:{_NAME})>([^<>\s]+)</")

_PASSWORD = re.compile(r"(?i)pass|pwd")
_PAGE = re.compile(r"(?i)(?:page|next|continuation|sync|cursor|csrf|prompt|completion)[_-]?$")
"""Before `token`: one that is no secret."""
_WORDS = frozenset(
    [
        "none",
        "null",
        "nil",
        "true",
        "false",
        "undefined",
        "str",
        "string",
        "bytes",
        "text",
        "int",
        "integer",
        "number",
        "bool",
        "boolean",
        "object",
        "any",
        "optional",
        "required",
        "missing",
        "invalid",
        "expired",
        "wrong",
        "incorrect",
        "empty",
        "unset",
        "redacted",
        "hidden",
        "value",
        "changeme",
        "example",
    ]
)
_PLACEHOLDER = re.compile(r"(?i)\.\.\.|…|\*\*\*|xxx|^your|^<|[${%]\w*[}%]|^\$|^\[|://|^--?[a-z]")
_TERM = re.compile(rf"(?:(?:access|refresh|id|auth|bearer|api|db|user)[_-]?)?(?:{_NAME}|key)")
"""What stands for a secret in a description of fields."""
_SECRET_WORD = re.compile(rf"{_NAME}|(?i:key|auth|cookie)")
_PATH = re.compile(r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*")
"""A name in code, such as `settings.password`."""
_TYPE = re.compile(
    r"(?i)u?(?:int|float|varchar|char|utf|str|bytes)-?\d+|(?:sha|md|base|hs|rs)-?\d+"
)
_PROSE = re.compile(r"[\d.,%-]*-?[A-Za-z]+(?:[-/'][A-Za-z]+)*[.,:!?)]*|[\d.,:%/-]+")
"""A word or a number as prose has them, such as `8-character`."""


def find_secret_shapes(text: str) -> Iterator[tuple[int, int]]:
    """Where a secret stands, by its shape: starts and ends, in no order, maybe overlapping."""
    patterns = (_SHAPES, _SCHEME, _COOKIE, _USER_IN_URL, _WEBHOOK, _PEM)
    for pattern in patterns:
        for found in pattern.finditer(text):
            yield found.span(found.lastindex or 0)
    for found in _PASSWORD_IN_URL.finditer(text):
        yield found.start(1), found.end(1) - 1  # without the @
    for found in _AUTHORIZATION.finditer(text):
        if _looks_random(found[1]):
            yield found.span(1)
    for found in _ELEMENT.finditer(text):
        if not _is_placeholder(found[1]):
            yield found.span(1)
    yield from _find_assigned(text)


def names_secret(name: str, value: str) -> bool:
    """Whether a field of this name has a secret as its value, e.g. `api_key` in a JSON object."""
    found = re.search(rf"({_NAME})$", name)
    if found is None or _PAGE.search(name[: found.start()]):
        return False
    return _is_quoted_secret(name, value)


def _find_assigned(text: str) -> Iterator[tuple[int, int]]:
    at = 0
    while found := _ASSIGNMENT.search(text, at):
        at = found.end()
        before = text[max(0, found.start() - 64) : found.start()]
        name, sign, space, quote, quoted, bare = found.groups()
        if _PAGE.search(before):
            continue
        prefix = re.search(r"[\w.-]*$", before)
        whole = f"{prefix[0] if prefix else ''}{name}"
        if space is not None and not whole.startswith("--"):
            at = found.end(1)  # no assignment: what follows may be one
            continue
        if quote:
            if _is_quoted_secret(whole, quoted):
                yield found.span(5)
            continue
        url_before = before[: len(before) - len(whole) + len(name)][-1:]
        following = text[found.end() : found.end() + 1]
        tight = sign == "=" or (space is not None)
        if _is_bare_secret(whole, bare, tight, url_before, following):
            yield found.span(6)


def _is_quoted_secret(name: str, value: str) -> bool:
    if len(value) < 4 or _is_placeholder(value):
        return False
    if " " in value:
        return "phrase" in name.lower() or any(map(_looks_random, value.split()))
    return True


def _is_bare_secret(name: str, value: str, tight: bool, before: str, following: str) -> bool:
    """Whether a value without quotes is a secret. `tight`: there is no space around its `=`."""
    if _is_placeholder(value):
        return False
    if before not in ("?", "&") and _names_variable(value):
        return False
    if re.search(r"(?i)pwd$", name) and value.startswith(("/", "~", ".")):
        return False  # a working directory
    if tight and (before in ("?", "&") or name.isupper()):
        return True
    if following in ("(", "[", "{") and _PATH.fullmatch(value):
        return False  # a call
    if _looks_random(value):
        return True
    if not tight or len(value) < 4 or following in (",", ")", "]", "}"):
        return False  # a word, or a keyword argument
    if value.isdigit():
        return _PASSWORD.search(name) is not None
    return "." not in value.rstrip(".")


def _is_placeholder(value: str) -> bool:
    """Whether it only stands for a secret, or names one."""
    bare = value.strip(".,:;!?").lower()
    if bare in _WORDS or _TYPE.fullmatch(bare) or _PLACEHOLDER.search(value):
        return True
    return _TERM.fullmatch(bare) is not None


def _names_variable(value: str) -> bool:
    """Whether code means a variable by it, such as `args.password`."""
    return bool(_PATH.fullmatch(value) and _SECRET_WORD.search(value))


def _looks_random(value: str) -> bool:
    """Whether the characters are mixed as those of no word and no number."""
    if len(value) < 6 or _PROSE.fullmatch(value) or "://" in value:
        return False
    letters = re.search(r"[A-Za-z]", value) is not None
    digits = re.search(r"\d", value) is not None
    marks = re.search(r"[!@#$%^*~+]", value.rstrip("!?")) is not None
    if letters and (digits or marks):
        return re.fullmatch(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)+", value) is None
    return len(value) >= 20 and re.search(r"[a-z][A-Z][a-z]*[A-Z]", value) is not None
