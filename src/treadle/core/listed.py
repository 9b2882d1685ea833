"""Whether a value of an argument is one that a rule lists. Pure.

An attacker may choose the value, so it is read as what the pattern is a pattern of, and each part
of it is compared whole:

1. `*@ours.example` is a pattern of addresses: the value is one address, and its domain this one.
   `*@*.ours.example` takes the domains below that.
2. `https://ours.example/docs/*` is a pattern of URLs: scheme, host and port are these; the path
   matches, and leaves no folder. `https://*.ours.example/*` takes the hosts below that.
3. All other patterns are globs as a permission has them (argument_globs.py), of one value: what a
   `*` stands for has no comma, semicolon or space, unless the pattern has one. `*` alone is
   anything at all.
4. Of several values, such as the recipients of a mail, each must be listed. None, or no value at
   all, is listed: the tool was given nothing.
5. A value of a type of the tool's own (a URL of pydantic, a Path, an Enum) is what its text says,
   by the same three rules. One with parts that nothing names, such as a dict, is never listed.
"""

import re
from collections.abc import Collection, Iterable
from enum import Enum
from fnmatch import fnmatchcase
from typing import Any
from urllib.parse import SplitResult, urlsplit

from .argument_globs import ANYTHING, fits_glob

Patterns = str | tuple[str, ...]
"""What an argument may be: a pattern, or several of which one must fit."""

_ADDRESS = re.compile(r"[\w.+'-]+@[\w.-]+", re.ASCII)
_ADDRESSES = re.compile(r"[^@\s]+@[^@\s]+")
"""A pattern of them."""
_BETWEEN_VALUES = re.compile(r"[,;|\s]")
_HOST = re.compile(r"[\w.-]+(:\d+)?|\[[\da-f:.]+\](:\d+)?", re.I)
"""One host: where several may stand, such as in a database's URL, each would have to be listed."""
_UNSAFE_IN_URL = re.compile(r"[\s\\\x00-\x1f\x7f]")


def is_listed(value: Any, patterns: Patterns) -> bool:
    """Whether the value, or each of several, fits one of the patterns."""
    each_pattern = (patterns,) if isinstance(patterns, str) else patterns
    if ANYTHING in each_pattern or value is None:
        return True
    if isinstance(value, Enum):
        return is_listed(value.value, patterns)
    if isinstance(value, list | tuple | set | frozenset):
        return all(is_listed(each, patterns) for each in value)
    return any(_fits(value, pattern) for pattern in each_pattern)


def _fits(value: Any, pattern: str) -> bool:
    if isinstance(value, int | float):
        return fits_glob(value, pattern)
    if not isinstance(value, str):
        if isinstance(value, Collection):  # a dict, bytes
            return False
        value = str(value)
    if "://" in pattern:
        return _fits_url(value, pattern)
    if _ADDRESSES.fullmatch(pattern):
        return _fits_address(value, pattern)
    if _BETWEEN_VALUES.search(value) and not _BETWEEN_VALUES.search(pattern):
        return False
    return fits_glob(value, pattern)


def _fits_address(value: str, pattern: str) -> bool:
    if not _ADDRESS.fullmatch(value):
        return False
    name, domain = value.split("@")
    listed_name, listed_domain = pattern.split("@")
    return _fits_host(domain.lower(), listed_domain.lower()) and fnmatchcase(name, listed_name)


def _fits_url(value: str, pattern: str) -> bool:
    try:
        url, listed = urlsplit(value), urlsplit(pattern)
        port, listed_port = url.port, listed.port
    except ValueError:  # no URL, or no port
        return False
    if _UNSAFE_IN_URL.search(value) or (url.netloc and not _HOST.fullmatch(url.netloc)):
        return False
    if (url.scheme.lower(), port) != (listed.scheme.lower(), listed_port):
        return False
    return _fits_host(url.hostname or "", listed.hostname or "") and _fits_path(url, listed)


def _fits_host(host: str, listed: str) -> bool:
    if listed.startswith("*."):
        return host.endswith(listed[1:]) and len(host) > len(listed) - 1
    return host == listed


def _fits_path(url: SplitResult, listed: SplitResult) -> bool:
    path = listed.path or "/"
    rest = _after_path(url)
    if rest and not path.endswith(ANYTHING):
        return rest == _after_path(listed)
    return fits_glob(url.path or "/", path)


def _after_path(url: SplitResult) -> str:
    return f"?{url.query}#{url.fragment}" if url.query or url.fragment else ""


def fits_all(given: dict[str, Any], listed: dict[str, Patterns], known: Iterable[str]) -> bool:
    """Whether a call's arguments are those that a rule lists; the others may be anything.

    `known` are the names of the tool's arguments: a rule that names another one lists no call of
    it, as nothing would be compared. Nor is one listed that isn't there while the tool's own check
    gives one of another name: it may be the same.
    """
    names, is_renamed = set(known), not set(given) <= set(known)
    if not set(listed) <= names or (is_renamed and not set(listed) <= set(given)):
        return False
    return all(is_listed(given.get(name), patterns) for name, patterns in listed.items())
