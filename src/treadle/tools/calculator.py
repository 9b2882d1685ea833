"""The calculator tool: exact arithmetic and conversions of units. Its parts are in arithmetic/."""

from typing import Annotated

from pydantic import Field

from ..core.errors import ToolError
from ..core.function_tool import tool
from .arithmetic.grammar import Comparison, evaluate_expression
from .arithmetic.notation import EXPRESSION_PATTERN
from .arithmetic.numbers import Number, format_number
from .arithmetic.operations import calculate, prints_exactly
from .arithmetic.real_functions import Approximate
from .arithmetic.units import convert, read_amounts, split_conversion


@tool(read_only=True, timeout_s=15.0)
def calculator(
    expression: Annotated[str, Field(json_schema_extra={"pattern": EXPRESSION_PATTERN})],
) -> str:
    """Work out arithmetic exactly (sums, percentages, powers, roots, comparisons), convert units.

    Use it for every calculation.

    Args:
        expression: For example 15% of 2,847 or 200 - 15% or (3 + 4) * 2 ** 10 or sqrt(2) or
            427.05 > 400 or 5 miles in km.
    """
    text = " ".join(expression.split())
    conversion = split_conversion(expression)
    if conversion:
        return f"{text} {_format(_converted(*conversion))} {conversion[1].strip()}"
    value = evaluate_expression(expression)
    if isinstance(value, Comparison):
        answer = f"{text}: {str(value.holds).lower()}"
        if str(value) != text:
            answer += f" ({value})"
        return answer
    return f"{text} {_format(value)}"


def evaluate(expression: str) -> int | float | bool:
    """The value of an expression. Any error but ToolError is a bug here."""
    conversion = split_conversion(expression)
    value = _converted(*conversion) if conversion else evaluate_expression(expression)
    if isinstance(value, Comparison):
        return value.holds
    if value.denominator == 1 and not isinstance(value, Approximate):
        return value.numerator
    return float(value)


def _format(value: Number) -> str:
    sign = "=" if prints_exactly(value) else "≈"
    return f"{sign} {format_number(value)}"


def _converted(amount: str, unit: str) -> Number:
    """The amount, of one part or several, in the unit."""
    amounts: list[tuple[Number, str]] = []
    approximate = False
    for sign, number, name in read_amounts(amount):
        value = evaluate_expression(f"{sign}({number})")
        if isinstance(value, Comparison):
            raise ToolError("a comparison has no unit; convert first, then compare")
        approximate = approximate or isinstance(value, Approximate)
        amounts.append((value, name))
    total = convert(amounts, unit)
    if approximate:
        total = Approximate(total)
    return calculate("conversion", lambda: total)
