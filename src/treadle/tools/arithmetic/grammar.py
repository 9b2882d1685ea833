"""Evaluates an expression exactly, with a small grammar and recursive descent.

Never evaluates Python.

1. `15%` is 0.15 and `15% of 80` is 12. Added or subtracted, a percentage is of the value before it:
   `200 + 10%` is 220. Between two operands, `%` is the remainder, as in `17 % 5`.
2. Commas group digits by threes (2,847) or separate a function's arguments.
3. Ambiguous expressions are refused, with both spellings. Length and depth are bounded.
"""

import re
from dataclasses import dataclass
from fractions import Fraction

from ...core.errors import ToolError
from .notation import ALLOWED_HINT, SUGGESTIONS, Token, tokenize
from .numbers import Number, format_number
from .operations import CONSTANTS, FUNCTIONS, OPERATORS, Function, calculate, compare

MAX_CHARS = 1000
MAX_DEPTH = 40
MAX_EXPONENT = 308


@dataclass(frozen=True)
class Percentage:
    fraction: Number
    """0.15 for 15%."""


@dataclass(frozen=True)
class Comparison:
    """`a < b < c`: the values and the signs between them."""

    values: tuple[Number, ...]
    signs: tuple[str, ...]

    @property
    def holds(self) -> bool:
        pairs = zip(self.values, self.signs, self.values[1:], strict=False)
        return all(compare(left, sign, right) for left, sign, right in pairs)

    def __str__(self) -> str:
        text = format_number(self.values[0])
        for sign, value in zip(self.signs, self.values[1:], strict=True):
            text += f" {sign} {format_number(value)}"
        return text


Value = Number | Percentage | Comparison


def evaluate_expression(expression: str) -> Number | Comparison:
    """The exact value. Raises ToolError for the model if it is no arithmetic, or too large."""
    if len(expression) > MAX_CHARS:
        raise ToolError(
            f"the expression has {len(expression)} characters, at most {MAX_CHARS} can be read;"
            " split it"
        )
    reader = _Reader(list(tokenize(expression)))
    value = reader.comparison()
    if reader.next.kind != "end":
        raise reader.unexpected()
    if isinstance(value, Percentage):
        return value.fraction
    return value


class _Reader:
    """Recursive descent: one method for each level of precedence, the lowest first."""

    def __init__(self, tokens: list[Token]) -> None:
        self.tokens = tokens
        self.at = 0
        self.depth = 0
        self.function: Function | None = None
        """The function whose arguments are being read."""
        self.separate_upto = 0
        """Up to this token, commas separate arguments even if they could group digits."""

    @property
    def next(self) -> Token:
        return self.tokens[self.at]

    def take(self, *texts: str) -> str:
        """Moves past the next token if it is one of these. Returns its text, else ""."""
        if self.next.kind == "number" or self.next.text not in texts:
            return ""
        self.at += 1
        return self.tokens[self.at - 1].text

    def comparison(self) -> Value:
        value = self.sum()
        values = [value]
        signs: list[str] = []
        while sign := self.take("<", "<=", ">", ">=", "==", "!="):
            signs.append(sign)
            values.append(self.sum())
        if not signs:
            return value
        return Comparison(tuple(map(_number, values)), tuple(signs))

    def sum(self) -> Value:
        left = self.product()
        while sign := self.take("+", "-"):
            right = self.product()
            if isinstance(right, Percentage) and not isinstance(left, Percentage):
                right = calculate("*", OPERATORS["*"], _number(left), right.fraction)
            left = calculate(sign, OPERATORS[sign], _number(left), _number(right))
        return left

    def product(self) -> Value:
        left = self.part()
        while sign := self.take("*", "/", "//", "%"):
            left = calculate(sign, OPERATORS[sign], _number(left), _number(self.part()))
        return left

    def part(self) -> Value:
        left = self.unary()
        if self.next.text != "of":
            return left
        if not isinstance(left, Percentage):
            raise ToolError(
                "'of' goes after a percentage, as in 15% of 200; use * for other shares"
            )
        self.take("of")
        self.depth += 1  # never undone: a chain of "of" nests without parentheses
        return calculate("of", OPERATORS["*"], left.fraction, _number(self.part()))

    def unary(self) -> Value:
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise ToolError(f"the expression is nested deeper than {MAX_DEPTH} levels; split it")
        sign = self.take("+", "-")
        value = self.unary() if sign else self.power()
        self.depth -= 1
        if sign != "-":
            return value
        if isinstance(value, Percentage):
            return Percentage(calculate("-", lambda x: -x, value.fraction))
        return calculate("-", lambda x: -x, _number(value))

    def power(self) -> Value:
        base = self.percentage()
        if not self.take("**"):
            return base
        return calculate("**", OPERATORS["**"], _number(base), _number(self.unary()))

    def percentage(self) -> Value:
        value = self.operand()
        if self.next.text != "%" or not self.ends_percentage():
            return value
        self.take("%")
        return Percentage(calculate("%", OPERATORS["/"], _number(value), Fraction(100)))

    def ends_percentage(self) -> bool:
        """Whether the next token, a `%`, ends a percentage; else it is a remainder."""
        sign = self.next
        following = self.tokens[self.at + 1]
        operand = following.kind in ("number", "name") or following.text == "("
        if following.text == "of" or not (operand or following.text in ("+", "-")):
            return True
        if not sign.space_before and sign.space_after == operand:
            raise ToolError(
                "this % can be read two ways: write 10% of 3, 10% + 3 or 10% - 3 for a percentage,"
                " and 10 % 3 or 10 % (-3) for a remainder"
            )
        return not operand and not sign.space_before

    def operand(self) -> Value:
        token = self.next
        if token.kind == "number":
            return self.number()
        if token.text in CONSTANTS:
            self.take(token.text)
            return CONSTANTS[token.text]
        if token.text in FUNCTIONS:
            return self.call(self.take(token.text))
        if not self.take("("):
            raise self.unexpected()
        outer = self.function
        self.function = None
        value = self.comparison()
        self.function = outer
        self.close()
        return value

    def call(self, name: str) -> Number:
        if not self.take("("):
            raise ToolError(
                f"{name} is a function: write its argument in parentheses, as in {name}(2)"
            )
        outer = self.function
        function = FUNCTIONS[name]
        self.function = function
        values: list[Number] = []
        if self.next.text != ")":
            values.append(_number(self.comparison()))
        while self.take(","):
            values.append(_number(self.comparison()))
        self.close()
        self.function = outer
        if not function.least <= len(values) <= function.most:
            raise ToolError(f"{name} takes {function.describe_count()}, not {len(values)}")
        return calculate(name, function.compute, *values)

    def close(self) -> None:
        if self.take(")"):
            return
        if self.next.kind == "end":
            raise ToolError("a ) is missing at the end")
        raise self.unexpected()

    def number(self) -> Number:
        """A literal, with the groups of digits that commas join to it."""
        start = self.at
        run = [self.next.text]
        self.at += 1
        while self.next.text == "," and not self.next.space_before and not self.next.space_after:
            if start < self.separate_upto or self.tokens[self.at + 1].kind != "number":
                break
            run.append(self.tokens[self.at + 1].text)
            self.at += 2
        if len(run) > 1 and not self.groups(start, run):
            self.separate_upto = self.at
            self.at = start + 1
            run = run[:1]
        literal = "".join(run)
        if abs(int(literal.partition("e")[2] or 0)) > MAX_EXPONENT:
            raise ToolError(
                f"{literal} is out of range: exponents go from -{MAX_EXPONENT} to {MAX_EXPONENT}"
            )
        return calculate("number", lambda: Fraction(literal))

    def groups(self, start: int, run: list[str]) -> bool:
        """Whether the commas in `run` group digits.

        Raises ToolError if they could separate arguments too.
        """
        numeral = ",".join(run)
        whole = re.fullmatch(r"[1-9][0-9]{0,2}(,[0-9]{3})+(\.[0-9]+)?", numeral) is not None
        if self.function is None or self.function.most == 1:
            return whole
        if not re.search(r"(^|,)[0-9]{1,3},[0-9]{3}(,|\.|$)", numeral):
            return False
        all_arguments = self.tokens[start - 1].text == "(" and self.next.text == ")"
        if whole and all_arguments and self.function.least > 1 and ",0" not in numeral:
            return (
                False  # max(100,200) would have a single argument, and there is no maximum of one
            )
        raise ToolError(
            f"{numeral} can be read two ways here: put a space after a comma that separates"
            f" arguments ({', '.join(run)}), and write no comma within a number"
        )

    def unexpected(self) -> ToolError:
        token = self.next
        if token.kind == "end":
            return ToolError("the expression ends too early: a number is missing at the end")
        if token.text in SUGGESTIONS:
            return ToolError(
                f"can't calculate with {token.text!r}: {SUGGESTIONS[token.text]}. {ALLOWED_HINT}"
            )
        if token.text == ",":
            return ToolError(
                "this comma neither separates arguments nor groups digits by threes,"
                " as in 1,234,567"
            )
        if token.text == ")" and self.depth == 0:
            return ToolError("there is a ) without a (; remove it")
        if token.kind == "name" and token.text not in (*CONSTANTS, *FUNCTIONS, "of"):
            return ToolError(f"there is no {token.text!r} here. {ALLOWED_HINT}")
        before = Token("start", "", False, False)
        if self.at:
            before = self.tokens[self.at - 1]
        if before.kind in ("number", "name") or before.text == ")":
            return ToolError(
                f"an operator is missing between {before.text!r} and {token.text!r};"
                " use * for times"
            )
        return ToolError(f"did not expect {token.text!r}. {ALLOWED_HINT}")


def _number(value: Value) -> Number:
    if isinstance(value, Comparison):
        raise ToolError(
            "a comparison can't be part of a calculation; calculate first, then compare"
        )
    if isinstance(value, Percentage):
        return value.fraction
    return value
