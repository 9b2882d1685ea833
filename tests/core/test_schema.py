import dataclasses
import enum
import json
import math
import typing
from collections.abc import Callable, Iterable
from typing import Annotated, Any, Literal

import pydantic
import pytest

from treadle import Context, ToolError, tool
from treadle.core.errors import UsageError


class Colour(enum.Enum):
    RED = "red"


class Address(pydantic.BaseModel):
    title: str
    street: str = ""


def made(function: Any) -> Any:
    return tool(function)


def test_arguments_are_coerced_to_the_annotated_types():
    def many(
        number: int, ratio: float, flag: bool, colour: Colour, tags: list[str], home: Address
    ) -> None: ...

    text = (
        '{"number": "3", "ratio": 2, "flag": "yes", "colour": "red", "tags": ["a", 1],'
        ' "home": {"title": "x"}}'
    )
    assert made(many).arguments_of(text) == {
        "number": 3,
        "ratio": 2.0,
        "flag": True,
        "colour": Colour.RED,
        "tags": ["a", "1"],
        "home": Address(title="x"),
    }


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"b": 1}', r"a: .*required.*it takes: a, b"),
        ('{"a": "x"}', r"a: .*integer"),
        ('{"a": 1, "c": 2}', r"c: Extra"),
        ('{"a": 1', r"not valid JSON"),
        ("[1]", r"a JSON list"),
        ("null", r"a: .*required"),
        ('"[1]"', r"a JSON list"),
        ("7", r"a JSON int"),
        ("", r"a: .*required"),
        ('{"a": NaN}', r"NaN is no JSON"),
        ('{"a": 1, "a": 2}', r"'a' comes twice"),
        ('{"a": ' + "9" * 6000 + "}", "more than 300 digits"),
        ('{"a": ' + "[" * 100_000, "more than 100 deep"),
    ],
)
def test_what_does_not_fit_is_told_with_the_place_and_what_the_tool_takes(text, said):
    def add(a: int, b: int = 2) -> int:
        return a + b

    with pytest.raises(ToolError, match=said):
        made(add).arguments_of(text)


@pytest.mark.parametrize("hint", [Iterable[float], typing.Iterable[float], Iterable[float] | None])
def test_an_iterable_is_a_list_whose_items_are_checked_before_the_call(hint):
    def add(numbers):
        return sum(numbers)

    add.__annotations__ = {"numbers": hint}
    assert tool(add).arguments_of('{"numbers": ["1", 2]}') == {"numbers": [1.0, 2.0]}
    for wrong in ('["x"]', '["nan"]'):
        with pytest.raises(ToolError, match="bad arguments: numbers"):
            tool(add).arguments_of(f'{{"numbers": {wrong}}}')


def test_what_the_model_sent_is_not_echoed_in_the_error():
    def add(a: int) -> int:
        return a

    with pytest.raises(ToolError) as caught:
        made(add).arguments_of('{"a": "my-secret-value"}')
    assert "my-secret-value" not in str(caught.value)


@pytest.mark.parametrize(
    "name", ["json", "_hidden", "model_config", "schema", "copy", "self_", "class_", "p_a"]
)
def test_any_parameter_name_will_do(name):
    scope: dict[str, Any] = {}
    exec(f"def odd({name}: int) -> int:\n    return {name}", scope)
    odd = made(scope["odd"])
    assert list(odd.parameters["properties"]) == [name]
    assert odd.arguments_of(f'{{"{name}": 1}}') == {name: 1}


def test_a_property_called_title_stays_while_pydantic_s_titles_go():
    def post(title: str, home: Address) -> None: ...

    schema = made(post).parameters
    assert set(schema["properties"]) == {"title", "home"}
    assert "title" not in schema
    assert "title" not in schema["properties"]["home"]
    assert set(schema["$defs"]["Address"]["properties"]) == {"title", "street"}


def test_annotations_carry_constraints_and_choices():
    def pick(
        size: Literal["s", "m"],
        count: Annotated[int, pydantic.Field(ge=1, le=3, description="How many.")],
    ): ...

    properties = made(pick).parameters["properties"]
    assert properties["size"]["enum"] == ["s", "m"]
    assert properties["count"] == {
        "type": "integer",
        "minimum": 1,
        "maximum": 3,
        "description": "How many.",
    }
    with pytest.raises(ToolError, match="count"):
        made(pick).arguments_of('{"size": "s", "count": 4}')


@pytest.mark.parametrize("style", ["google", "sphinx", "numpy"])
def test_docstrings_of_three_styles_describe_parameters(style):
    def find(city): ...

    find.__doc__ = {
        "google": "Find.\n\nArgs:\n    city: Where.\n",
        "sphinx": "Find.\n\n:param city: Where.\n",
        "numpy": "Find.\n\nParameters\n----------\ncity : str\n    Where.\n",
    }[style]
    assert made(find).parameters["properties"]["city"]["description"] == "Where."


def positional(a, /): ...
def star(*rest): ...
def keywords(**rest): ...


@pytest.mark.parametrize("function", [positional, star, keywords])
def test_parameters_without_a_name_in_json_are_refused(function):
    with pytest.raises(UsageError, match="has no name in JSON"):
        made(function)


def test_a_type_without_a_schema_is_refused():
    def odd(a: object, b: type(lambda: 0)) -> None: ...

    def called(a: Callable[[], int]) -> None: ...

    with pytest.raises(UsageError, match=r"parameter b has a type without a JSON .*ctx\.deps"):
        made(odd)
    with pytest.raises(UsageError, match=r"parameter a has a type .* give it: Cannot generate"):
        made(called)


def test_an_annotation_that_cannot_be_read_is_refused():
    def odd(a: "Nowhere") -> None: ...  # noqa: F821

    with pytest.raises(UsageError, match="can't be read"):
        made(odd)


def test_a_function_without_a_readable_signature_is_refused():
    with pytest.raises(UsageError):
        made(max)


def test_methods_leave_out_self_and_the_context_has_any_name():
    class Shop:
        def buy(self, item: str, ctx: Context) -> str:
            return item

    bought = made(Shop().buy)
    assert list(bought.parameters["properties"]) == ["item"]
    assert bought.context == "ctx"


def test_defaults_are_not_shared_between_calls():
    def collect(items: list[int] = []) -> list[int]:  # noqa: B006
        return items

    first = made(collect).arguments_of("{}")["items"]
    first.append(1)
    assert made(collect).arguments_of("{}") == {"items": []}


class Reading(pydantic.BaseModel):
    value: float
    limit: float = math.inf


@dataclasses.dataclass
class Point:
    x: float
    y: float = math.nan


@pytest.mark.parametrize("word", ["nan", "NaN", "inf", "-Infinity", "1e999"])
@pytest.mark.parametrize(
    ("hint", "argument"),
    [
        (float, "{}"),
        (float | None, "{}"),
        (list[list[float]], "[[1, {}]]"),
        (dict[str, float], '{{"k": {}}}'),
        (dict[float, int], "{{{}: 1}}"),
        (tuple[float, ...], "[{}]"),
        (Reading, '{{"value": {}}}'),
        (list[Reading], '[{{"value": 1, "limit": {}}}]'),
        (Point, '{{"x": {}}}'),
        (Annotated[float, pydantic.AllowInfNan(True)], "{}"),
        (complex, "{}"),
    ],
)
def test_a_text_that_a_type_takes_for_nan_or_an_infinity_is_refused(hint, argument, word):
    def pay(amount: hint) -> None: ...  # type: ignore[valid-type]

    with pytest.raises(ToolError, match="amount"):
        made(pay).arguments_of('{"amount": ' + argument.format(f'"{word}"') + "}")


def test_a_default_may_be_infinite_and_a_name_may_be_nan():
    def find(name: str, reading: Reading, at: Point, most: float = math.inf) -> None: ...

    found = made(find).arguments_of('{"name": "NaN", "reading": {"value": 1}, "at": {"x": 2}}')
    assert (found["name"], found["most"], found["reading"].limit) == ("NaN", math.inf, math.inf)
    assert math.isnan(found["at"].y)


def test_a_schema_is_json_whatever_the_defaults_are():
    def find(most: float = math.inf, least: float = math.nan, point: Point = Point(1)) -> None: ...  # noqa: B008

    json.dumps(made(find).parameters, allow_nan=False)
