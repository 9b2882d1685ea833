"""Finds secrets by the name before them: assignments, fields of JSON, options of commands. Pure.

A name alone is not enough: the value must look like a secret, so that code and prose that speak of
passwords stay. How much it must look like one depends on the name and on what joins the two.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from .secret_words import (
    NO_PASSES,
    NO_TOKENS,
    PATH,
    SECRET_NAME,
    is_placeholder,
    is_plain_word,
    looks_random,
    names_variable,
    speaks_of_secrets,
)

_LOOK_BACK = 64
"""Characters of a name that are looked at before its secret word."""
_QUOTE = r"\\{0,3}[\"']"
_ASSIGNMENT = re.compile(
    rf"({SECRET_NAME})({_QUOTE})?"
    r"(?:([ \t]{0,8}(?:=>|:=|:|=)[ \t]{0,8})|(?<=[A-Za-z])([ \t]{1,8}))"
    r"(?:![\w:!-]{1,40}[ \t]{1,8})?"  # a tag of YAML
    r"(?:\\{0,3}([\"'])([^\"'\n\\]+)|([^\s\"'`\\<>&;,(){}\[\]]+))"
)
_ELEMENT = re.compile(rf"<[\w:-]{{0,64}}(?:{SECRET_NAME})>([^<>\s]+)</")
_PAIR = re.compile(  # ("x-api-key", "..."), as headers are shown
    rf"[\[(][ \t]{{0,4}}{_QUOTE}([\w.-]{{1,64}}){_QUOTE},\s{{0,4}}{_QUOTE}([^\"'\n\\]+){_QUOTE}"
    r"[ \t]{0,4}[\])]"
)
_NAME_AND_VALUE = re.compile(  # {"name": "X-Api-Key", "value": "..."}
    rf"(?i:(?<![a-z])(?:name|key|header)){_QUOTE}\s{{0,4}}:\s{{0,4}}{_QUOTE}([\w.-]{{1,64}}){_QUOTE}"
    rf"\s{{0,4}},\s{{0,16}}{_QUOTE}(?i:value){_QUOTE}\s{{0,4}}:\s{{0,4}}{_QUOTE}([^\"'\n\\]+)"
)
_NETRC = re.compile(
    r"\b(?:machine\s{1,8}\S{1,256}|(?<![^\n])default)\s{1,16}(?:login|user)\s{1,8}\S{1,128}"
    r"(?:\s{1,16}account\s{1,8}\S{1,128})?\s{1,16}password\s{1,8}(\S+)"
)
_NAME_AT_END = re.compile(rf"(?:{SECRET_NAME})$")
_PASSWORD = re.compile(
    r"(?i)pass|pwd|psw|\bpw$|otp$|senha|kennwort|wachtwoord|contrase|пароль|密码"
)
_COMPOUND = re.compile(r"[A-Za-z0-9][_-][A-Za-z]|[a-z][A-Z]")
_IDENTIFIER = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-"


def names_secret(name: str, value: str) -> bool:
    """Whether a field of this name has a secret as its value, e.g. `api_key` in a JSON object."""
    found = _NAME_AT_END.search(name[-2 * _LOOK_BACK :])
    if found is None or _is_another(name[: len(name) - len(found[0])], found[0]):
        return False
    return _is_quoted_secret(name, value)


def names_password(name: str) -> bool:
    """Whether even a number in a field of this name is secret."""
    return names_secret(name, "1234") and _PASSWORD.search(name) is not None


def find_named(text: str) -> Iterator[tuple[int, int]]:
    """Where a secret stands behind its name: starts and ends, in no order, maybe overlapping."""
    for found in _ELEMENT.finditer(text):
        if not is_placeholder(found[1]):
            yield found.span(1)
    for found in _NETRC.finditer(text):
        yield found.span(1)
    for found in _PAIR.finditer(text):
        if looks_random(found[2]) and names_secret(found[1], found[2]):
            yield found.span(2)
    for found in _NAME_AND_VALUE.finditer(text):
        if names_secret(found[1], found[2]):
            yield found.span(2)
    yield from _find_assigned(text)


@dataclass(frozen=True)
class _Assigned:
    """A name with its value, and what stands around them."""

    name: str
    value: str
    before: str
    """The character before the name."""
    after: str
    """The character after the value."""
    tight: bool
    """No space stands around its `=`."""
    quoted_name: bool
    is_item: bool
    """It stands on a line, or between two commas, alone."""

    @property
    def in_query(self) -> bool:
        return self.before in ("?", "&")


def _find_assigned(text: str) -> Iterator[tuple[int, int]]:
    at = 0
    while found := _ASSIGNMENT.search(text, at):
        at = found.end()
        start = found.start()
        before = text[max(0, start - _LOOK_BACK) : start]
        word, quoted_name, sign, space, quote, quoted, bare = found.groups()
        prefix = before[len(before.rstrip(_IDENTIFIER)) :]
        if _is_another(prefix, word):
            continue
        name = prefix + word
        if space is not None:
            exported = re.search(r"\b(?:ENV|ARG|export|setenv|set)[ \t]+$", before[: -len(prefix)])
            if quote and exported is None and not looks_random(quoted):
                at = found.end(1)
                continue
            if not (quote or name.startswith("--") or (exported and prefix)):
                at = found.end(1)  # no assignment: what follows may be one
                continue
        if quote:
            if _is_quoted_secret(name, quoted, tight=sign == "="):
                yield found.span(6)
            continue
        assigned = _Assigned(
            name,
            bare,
            before[: len(before) - len(prefix)][-1:],
            text[found.end() : found.end() + 1],
            sign == "=" or space is not None,
            quoted_name is not None,
            sign is not None and ":" in sign and _is_item(text, start - len(prefix), found.end()),
        )
        if _is_bare_secret(assigned):
            yield found.span(7)


def _is_another(prefix: str, word: str) -> bool:
    """Whether a name means something else, such as `next_page_token` or `low_pass`."""
    start = prefix.rstrip("_-").lower()
    if word.lower() == "token":
        return start.endswith(NO_TOKENS)
    return word.lower() == "pass" and start.endswith(NO_PASSES)


def _is_item(text: str, start: int, end: int) -> bool:
    """Whether this part of the text is a whole line, or what stands between commas at its end."""
    before = text[max(0, start - _LOOK_BACK) : start].rstrip(" \t\"'-")
    after = text[end : end + _LOOK_BACK].lstrip(" \t\r")
    return (not before or before[-1] in "\n,;{|") and (not after or after[0] in "\n;|")


def _is_quoted_secret(name: str, value: str, tight: bool = False) -> bool:
    if len(value) < 4 or is_placeholder(value):
        return False
    if " " not in value:
        return not _is_weak_name(name) or looks_random(value)
    if tight and name.isupper():  # a variable of a shell
        return not speaks_of_secrets(value)
    return "phrase" in name.lower() or any(map(looks_random, value.split()))


def _is_bare_secret(found: _Assigned) -> bool:
    name, value = found.name, found.value
    if is_placeholder(value):
        return False
    if not found.in_query and names_variable(value):
        return False
    if re.search(r"(?i)pwd$", name) and value.startswith(("/", "~", ".")):
        return False  # a working directory
    if _is_weak_name(name) and not found.in_query:
        return _is_secret_of_weak_name(found)
    if found.tight and (found.in_query or name.isupper() or name.endswith("_auth")):
        return True
    if found.after in ("(", "[", "{") and PATH.fullmatch(value):
        return False  # a call
    if looks_random(value):
        return True
    if found.quoted_name and value.isdigit():
        return len(value) >= 4 and names_password(name)
    if found.is_item and (_PASSWORD.search(name) or _COMPOUND.search(name)):
        return is_plain_word(value) and not value.isdigit()
    if not found.tight or len(value) < 4 or found.after in (",", ")", "]", "}"):
        return False  # a word, or a keyword argument
    if value.isdigit():
        return _PASSWORD.search(name) is not None
    return "." not in value.rstrip(".")


def _is_weak_name(name: str) -> bool:
    """Whether the name often means something else: tests pass, and so do cars."""
    return name.lower() in ("pass", "pw") or re.search(r"_AUTH$", name) is not None


def _is_secret_of_weak_name(found: _Assigned) -> bool:
    if found.tight and not found.name.endswith("_AUTH"):
        return is_plain_word(found.value) and not found.value.isdigit()
    return looks_random(found.value) and (found.tight or found.is_item)
