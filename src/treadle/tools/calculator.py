"""The calculator tool: exact arithmetic. The grammar and the numbers are in arithmetic/."""

from typing import Annotated

from pydantic import Field

from ..core.tool import tool
from .arithmetic.grammar import Comparison, evaluate_expression
from .arithmetic.notation import EXPRESSION_PATTERN
from .arithmetic.operations import format_number, prints_exactly
from .arithmetic.real_functions import Approximate


@tool(read_only=True, timeout_s=5.0)
def calculator(
    expression: Annotated[str, Field(json_schema_extra={"pattern": EXPRESSION_PATTERN})],
) -> str:
    """Work out arithmetic exactly: sums, percentages, powers, roots, comparisons.

    Use it for every calculation.

    Args:
        expression: For example 15% of 2,847 or 200 - 15% or (3 + 4) * 2 ** 10 or sqrt(2) or
            427.05 > 400.
    """
    value = evaluate_expression(expression)
    text = " ".join(expression.split())
    if isinstance(value, Comparison):
        answer = f"{text}: {str(value.holds).lower()}"
        if str(value) != text:
            answer += f" ({value})"
        return answer
    sign = "=" if prints_exactly(value) else "≈"
    return f"{text} {sign} {format_number(value)}"


def evaluate(expression: str) -> int | float | bool:
    """The value of an expression. Any error but ToolError is a bug here."""
    value = evaluate_expression(expression)
    if isinstance(value, Comparison):
        return value.holds
    if value.denominator == 1 and not isinstance(value, Approximate):
        return value.numerator
    return float(value)
