from decimal import Decimal
from typing import Any

import pytest

from treadle import ToolError, tool
from treadle.core.exact_numbers import refuse_rounded

LONG = "12345678901234567.89"


@tool
def pay(amounts: list[Decimal], rate: float = 1.0) -> str:
    """Pay."""
    return f"{amounts} {rate}"


@pytest.mark.parametrize(
    ("arguments", "amounts"),
    [
        (f'{{"amounts": ["{LONG}"]}}', [Decimal(LONG)]),
        ('{"amounts": [1.1, 12345678901234567890123]}', [Decimal("1.1"), 12345678901234567890123]),
        (
            '{"amounts": [0.30000000000000004, 1e-30]}',
            [Decimal("0.30000000000000004"), Decimal("1e-30")],
        ),
        (f'{{"amounts": [2], "rate": {LONG}}}', [2]),
    ],
)
def test_a_decimal_has_all_digits_of_its_text(arguments: str, amounts: list[Any]):
    assert pay.arguments_of(arguments)["amounts"] == amounts


@pytest.mark.parametrize(
    "arguments",
    [
        f'{{"amounts": [1, {LONG}]}}',
        f'{{"amounts": "[{LONG}]"}}',
        '{"amounts": [0.1000000000000000055511151231257827]}',
    ],
)
def test_a_decimal_that_would_be_rounded_is_wanted_as_a_text(arguments: str):
    with pytest.raises(ToolError, match="too many digits for a number of JSON; write it as a text"):
        pay.arguments_of(arguments)


def test_a_text_in_a_text_is_read_as_far_as_it_is_json():
    deep = '"' + "[" * 100_000 + f'{LONG}"'
    assert refuse_rounded(deep, Decimal(1)) == 1
