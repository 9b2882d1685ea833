"""The words that name secrets, and those that stand in a secret's place and are none. Pure."""

import re
from itertools import pairwise

SECRET_NAME = (
    # The first letters of all of these: no others are tried at most places, which is twice as fast.
    r"(?=[PpKk_][AaSsWwRrEeUu]?|[SsWw][EeIiUuHhAa]|[Tt][Oo]|[CcMm][OoRrAa]|[Aa][PpCcUu]|[EeLl][NnIi]|"  # noqa: S105  # a pattern, no secret
    r"[FfDd][UuEe]|[Oo][Tt]|[п密パП])(?:"
    r"(?i:pass(?:word|wd|phrase|code|wort)|passwd|pwd|kennwort|wachtwoord|contrase(?:ñ|n)a|"
    r"mot[_ ]?de[_ ]?passe|senha|пароль|密码|パスワード|"
    r"secret|token|credentials?|sessionid|session_id|"
    r"(?:api|access|account|private|secret|signing|encryption|shared|auth|master|license|"
    r"subscription|functions?|deploy|consumer|session|webhook)"
    r"[ _-]?key|sharedaccesskey|signature)|(?<=[A-Z0-9])_KEY|"
    r"(?<=[?&])(?:key|sig|auth|pass|pw)|"
    r"(?<![A-Za-z0-9])(?i:pass|psw|pw|otp|totp)|"
    r"(?i:(?<=user)|(?<=root)|(?<=admin)|(?<=db))(?i:pass)|"
    r"(?<=[a-z0-9])Pass|(?<=[A-Z0-9])_AUTH|(?<![A-Za-z0-9])_auth)"
)
"""The end of a name of something secret, such as `DB_PASSWORD` or `x-api-key`."""

NO_TOKENS = ("page", "next", "continuation", "sync", "cursor", "prompt", "completion")
"""Before `token`: one that is no secret."""
NO_PASSES = (
    *("low", "high", "band", "all", "first", "second", "last"),
    *("one", "two", "single", "multi"),
)
"""Before `pass`: one that is no password, such as a filter's."""

_WORDS = """
none null nil true false undefined str string bytes text int integer number bool boolean
object any optional required mandatory missing invalid valid expired wrong incorrect correct
empty unset set not redacted hidden value changeme example yes no on off ok enabled disabled
default unknown accepted rejected denied failed changed updated reset created deleted revoked
strong weak basic bearer digest prompt input field passed skipped
"""
WORDS = frozenset(_WORDS.split())
"""What is said of a secret, or stands in its place."""


_PLACEHOLDER = re.compile(
    r"(?i)\.\.\.|…|\*\*\*|xxx|^your|^<|\$?\{[\w.!: ]*\}|%\w+%|%\(\w+\)s|^%[a-z]$|^\$\w*$|^\$\(|^\[|"
    r"://|^--?[a-z]"
)
_TERM = re.compile(rf"(?:(?:access|refresh|id|auth|bearer|api|db|user)[_-]?)?(?:{SECRET_NAME}|key)")
"""What stands for a secret in a description of fields."""
_SECRET_WORD = re.compile(rf"{SECRET_NAME}|(?i:key|auth|cookie)")
PATH = re.compile(r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*")
"""A name in code, such as `settings.password`."""
_TYPE = re.compile(
    r"(?i)u?(?:int|float|varchar|char|utf|str|bytes)-?\d+|(?:sha|md|base|hs|rs)-?\d+"
)
_PROSE = re.compile(r"[\d.,%-]*-?[A-Za-z]+(?:[-/'][A-Za-z]+)*[.,:!?)]*|[\d.,:%/-]+")
"""A word or a number as prose has them, such as `8-character`."""
_CLASS = re.compile(r"(?:[A-Z][a-z]+){2,}")
"""A name of a class, such as `SecretStr`."""


def is_placeholder(value: str) -> bool:
    """Whether it only stands for a secret, or names one."""
    bare = value.strip(".,:;!?").lower()
    if bare in WORDS or _TYPE.fullmatch(bare) or _PLACEHOLDER.search(value):
        return True
    return _TERM.fullmatch(bare) is not None


def names_variable(value: str) -> bool:
    """Whether code means a variable by it, such as `args.password`."""
    return bool(PATH.fullmatch(value) and _SECRET_WORD.search(value))


def speaks_of_secrets(value: str) -> bool:
    """Whether a word for a secret is in it, as in `My API key`."""
    return _SECRET_WORD.search(value) is not None


def is_plain_word(value: str) -> bool:
    """Whether it could be a weak password: four characters or more, and no name of a class."""
    return len(value) >= 4 and _CLASS.fullmatch(value) is None and "." not in value.rstrip(".")


def looks_random(value: str) -> bool:
    """Whether the characters are mixed as those of no word and no number."""
    if re.fullmatch(r"[0-9a-f]{16,}", value) and re.search("[a-f]", value):
        return True
    if len(value) >= 12 and _changes_case_often(value):
        return True
    if len(value) < 6 or _PROSE.fullmatch(value) or "://" in value:
        return False
    letters = re.search(r"[A-Za-z]", value) is not None
    digits = re.search(r"\d", value) is not None
    marks = re.search(r"[!@#$%^*~+]", value.rstrip("!?")) is not None
    if letters and (digits or marks):
        return re.fullmatch(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)+", value) is None
    return len(value) >= 20 and re.search(r"[a-z][A-Z][a-z]*[A-Z]", value) is not None


def _changes_case_often(value: str) -> bool:
    """More than twice in five letters, as no name in camel case does."""
    if not value.isalnum():
        return False
    changes = sum(
        a.isupper() != b.isupper() for a, b in pairwise(value) if a.isalpha() and b.isalpha()
    )
    return changes * 5 > len(value) * 2
