"""What may be written in an expression, and how it falls into tokens. Computes nothing."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from ...core.errors import ToolError
from .numbers import CONSTANTS, FUNCTIONS

EXPRESSION_PATTERN = (
    rf"^([0-9+*/%(). ,<>=!-]|{'|'.join(['of', *sorted(FUNCTIONS), *sorted(CONSTANTS)])}){{1,200}}$"
)
"""What a local model can write: its sampler is bound to it. Any other text is read too, or refused in clear words."""

ALLOWED_HINT = (
    "Allowed: numbers, + - * / // % **, ( ), < <= > >= == !=, 15% of 200, "
    f"{', '.join(sorted(CONSTANTS))}, and the functions {', '.join(sorted(FUNCTIONS))}"
)
_SPELLINGS = str.maketrans(
    {"×": "*", "·": "*", "÷": "/", "−": "-", "–": "-", "π": "pi", "≤": "<=", "≥": ">=", "≠": "!="}  # noqa: RUF001
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
    r"(?P<number>(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:e[+-]?[0-9]+)?)|(?P<name>[a-z_][a-z0-9_]*)"
    r"|(?P<operator>\*\*|//|[<>=!]=|[-+*/%(),<>])|(?P<wrong>\S)"
)


@dataclass(frozen=True)
class Token:
    """A piece of the expression. Between two of them there may be space, which tells `10% - 3` from `10 % -3`."""

    kind: str
    text: str
    space_before: bool
    space_after: bool


def tokenize(expression: str) -> Iterator[Token]:
    """In order, with one of kind "end" behind. Raises ToolError at the first character that is none of them."""
    text = expression.translate(_SPELLINGS).lower().replace("math.", "")
    for match in _TOKEN.finditer(text):
        if match.lastgroup == "wrong":
            reason = SUGGESTIONS.get(match[0], "it is not arithmetic")
            raise ToolError(f"can't calculate with {match[0]!r}: {reason}. {ALLOWED_HINT}")
        before, after = text[: match.start()][-1:], text[match.end() :][:1]
        yield Token(match.lastgroup or "", match[0], before.isspace(), after.isspace())
    yield Token("end", "", False, False)
