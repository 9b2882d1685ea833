"""The notation of the calculator: its characters and names, and how it is split into tokens."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from ...core.errors import ToolError
from .operations import CONSTANTS, FUNCTIONS
from .units import COMMON_NAMES

_WORDS = ["of", *sorted(FUNCTIONS), *sorted(CONSTANTS), *COMMON_NAMES.split()]
EXPRESSION_PATTERN = rf"^([0-9+*/%(). ,<>=!-]|{'|'.join(_WORDS)}){{1,200}}$"
"""What the embedded model can write, enforced by its sampler.

The calculator reads other text too, or refuses it with a reason.
"""

ALLOWED_HINT = (
    "Allowed: numbers, + - * / // % **, ( ), < <= > >= == !=, 15% of 200, "
    f"{', '.join(sorted(CONSTANTS))}, and the functions {', '.join(sorted(FUNCTIONS))}"
)
_SPELLINGS = str.maketrans(
    {
        "×": "*",  # noqa: RUF001
        "·": "*",
        "÷": "/",
        "−": "-",  # noqa: RUF001
        "–": "-",  # noqa: RUF001
        "π": "pi",
        "≤": "<=",
        "≥": ">=",
        "≠": "!=",
    }
)
SUGGESTIONS = {
    "^": "use ** for power",
    "=": "use == to compare",
    "!": "write factorial(5) for 5!",
    "x": "use * for times",
    "mod": "use % for the remainder",
    "percent": "write 15% of 200",
} | dict.fromkeys("$€£", "write amounts without the currency")
_TOKEN = re.compile(
    r"(?P<based>0(?:x[0-9a-f_]+|b[01_]+|o[0-7_]+)\b)"
    r"|(?P<number>(?:[0-9]+(?:_[0-9]+)*\.?(?:[0-9]+(?:_[0-9]+)*)?|\.[0-9]+(?:_[0-9]+)*)"
    r"(?:e[+-]?[0-9]+)?)|(?P<name>[a-z_][a-z0-9_]*)"
    r"|(?P<operator>\*\*|//|[<>=!]=|[-+*/%(),<>])|(?P<wrong>\S)"
)


@dataclass(frozen=True)
class Token:
    """A piece of the expression. The spaces around it tell `10% - 3` from `10 % -3`."""

    kind: str
    text: str
    space_before: bool
    space_after: bool


def tokenize(expression: str) -> Iterator[Token]:
    """The tokens in order, the last one of kind "end". Raises ToolError for any other character."""
    text = expression.translate(_SPELLINGS).lower().replace("math.", "")
    for match in _TOKEN.finditer(text):
        if match.lastgroup == "wrong":
            reason = SUGGESTIONS.get(match[0], "it is not arithmetic")
            raise ToolError(f"can't calculate with {match[0]!r}: {reason}. {ALLOWED_HINT}")
        before = text[: match.start()][-1:]
        after = text[match.end() :][:1]
        kind, token = match.lastgroup or "", match[0]
        if kind == "based":
            kind, token = "number", str(_read_based(token))
        elif kind == "number":
            token = token.replace("_", "")
        yield Token(kind, token, before.isspace(), after.isspace())
    yield Token("end", "", False, False)


def _read_based(text: str) -> int:
    """The whole number that 0xff, 0b101 or 0o17 stands for."""
    try:
        return int(text, 0)
    except ValueError:
        raise ToolError(f"{text!r} is no number; write it as in 0xff_ff") from None
