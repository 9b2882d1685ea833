import json

import pytest

from treadle import Agent, flow
from treadle.core.name_kind import name_kind, why_no_tool


class Shop:
    def price(self) -> int:
        return 1


@flow
async def ship() -> int:
    return 1


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (None, "None"),
        (Shop, "the class Shop"),
        ("add", "the text 'add'"),
        ("a" * 100, f"the text '{'a' * 40}…'"),
        (json, "the module json"),
        (Agent(name="helper"), "the Agent 'helper'"),
        (ship, "the Flow 'ship'"),
        (name_kind, "the function name_kind"),
        ({"key": "secret"}, "a dict"),
        (7, "an int"),
    ],
)
def test_a_value_is_named_in_a_few_words(value, words):
    assert name_kind(value) == words


@pytest.mark.parametrize("value", [Shop().price, len, lambda: 1])
def test_what_can_be_called_may_become_a_tool(value):
    assert why_no_tool(value) == ""
