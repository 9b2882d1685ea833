from dataclasses import replace
from typing import Any

import pytest

from treadle import Limits, Rule, Tool, tool
from treadle.core.arguments import parse_json_object
from treadle.core.describe import describe_tool
from treadle.core.errors import ToolError, UsageError
from treadle.core.tool_kind import HandOver, OfChild, OfFunction, Question
from treadle.tools.ask import ask_user


def test_a_tool_takes_its_name_description_and_schema_from_the_function():
    @tool
    def weather(city: str, days: int = 1) -> str:
        """The forecast for a city.

        Only for this week.

        Args:
            city: Its English name.
        """
        return city

    assert weather.name == "weather"
    assert weather.description == "The forecast for a city.\n\nOnly for this week."
    assert weather.parameters == {
        "type": "object",
        "properties": {
            "city": {"type": "string", "description": "Its English name."},
            "days": {"type": "integer", "default": 1},
        },
        "required": ["city"],
        "additionalProperties": False,
    }


def test_settings_win_over_what_the_function_says():
    @tool(name="forecast", description="d", timeout_s=3, parallel=True)
    def weather(city: str) -> str:
        return city

    assert (weather.name, weather.description, weather.timeout_s, weather.parallel) == (
        "forecast",
        "d",
        3,
        True,
    )


def test_a_read_only_tool_is_idempotent():
    assert tool(read_only=True)(lambda_named()).idempotent
    assert not tool(lambda_named()).idempotent


async def later(arguments):
    return True


def lambda_named():
    def look() -> str:
        return "x"

    return look


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"retries": 1}, "isn't idempotent"),
        ({"name": "has space"}, "letters, digits"),
        ({"name": "n" * 65}, "letters, digits"),
        ({"name": ""}, "letters, digits"),
        ({"timeout": 3}, r"no setting \['timeout'\]; there are: name, description"),
        ({"on_demand": True}, r"no setting \['on_demand'\]"),
        ({"retry_on": ValueError}, "it must be a tuple of classes of errors"),
        ({"retry_on": ("x",)}, "it must be a tuple of classes of errors"),
        ({"labels": "private"}, r"labels is a text; give a list, such as \['private'\]"),
        ({"labels": ["secret"]}, r"Tool\('look', labels='secret'\): it must be 'untrusted'"),
        ({"check": 5}, "check is an int, not a function"),
        ({"poll": 5}, "poll is an int, not a function"),
        ({"needs_approval": later}, "needs_approval is an async function, and nobody awaits it"),
        ({"parameters": {"type": "string"}}, "type object"),
    ],
)
def test_settings_that_cannot_be_are_refused_with_a_reason(settings, said):
    with pytest.raises(UsageError, match=said):
        tool(**settings)(lambda_named())


def test_a_tool_made_by_hand_checks_that_its_arguments_are_an_object():
    made = Tool("x", "d", {"type": "object", "properties": {}}, lambda **arguments: arguments)
    assert made.arguments_of('{"a": 1}') == {"a": 1}
    assert made.arguments_of("") == {}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "not valid JSON"),
        ("[1]", "a JSON list"),
        ('"x"', "a JSON str"),
        ("[" * 100_000, "not valid JSON"),
        ('{"a": ' + "1" * 5000 + "}", "not valid JSON"),
        ('{"a": "\\ud800"}', "not valid JSON"),
    ],
)
def test_what_is_no_object_is_told_to_the_model(text, said):
    with pytest.raises(ToolError, match=said):
        parse_json_object(text)


@pytest.mark.parametrize(
    "text", ["{}", '{"question": " "}', '{"question": 1}', '{"question": "a", "b": 1}', "[]"]
)
def test_a_question_to_the_person_must_say_something(text):
    with pytest.raises(ToolError):
        ask_user.arguments_of(text)


def test_a_schema_costs_tokens():
    assert ask_user.schema.tokens > 20


def test_labels_go_into_the_log_and_not_to_the_model():
    made = Tool("a", "", {"type": "object"}, dict, dict, labels=["untrusted", "outward"])
    assert made.schema.labels == ("untrusted", "outward")
    assert b"untrusted" not in made.schema.said
    with pytest.raises(UsageError, match="'secret'"):
        Tool("a", "", {"type": "object"}, dict, dict, labels=["secret"])


def test_what_a_tool_is_is_one_of_four_and_the_log_says_which():
    @tool
    def look() -> str:
        return "seen"

    function: Any = look.function
    child = replace(look, name="helper", special=OfChild(Limits(steps=3)))
    billing = Tool("billing", "", {"type": "object"}, special=HandOver("billing"))
    kinds = [OfFunction(function), OfChild(Limits(steps=3)), HandOver("billing"), Question()]
    assert [each.kind for each in (look, child, billing, ask_user)] == kinds
    told = [describe_tool(each) for each in (look, child, billing, ask_user)]
    assert [(bool(each.child), each.hands_to, each.asks) for each in told] == [
        (False, "", False),
        (True, "", False),
        (False, "billing", False),
        (False, "", True),
    ]


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: Tool("look", "Looks.", None, print), "must be a JSON Schema of type object"),
        (lambda: Tool("look", "Looks.", {"type": "object"}, 5), "function is an int"),
        (lambda: Rule("pay", "allow", arguments={"amount": 100}), "give a pattern, as a text"),
        (lambda: Rule("pay", "allow", arguments="7"), "is the text '7'; give patterns, as {"),
    ],
)
def test_what_is_of_a_wrong_kind_is_said_in_words(make, said):
    with pytest.raises(UsageError, match=said):
        make()


def test_a_tool_is_not_made_twice() -> None:
    with pytest.raises(UsageError, match=r"is a tool already.*dataclasses\.replace\(it, \.\.\.\)"):
        tool(tool(len_of))


def len_of(text: str) -> int:
    """Its length."""
    return len(text)
