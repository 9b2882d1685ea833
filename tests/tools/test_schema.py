import enum
from typing import Annotated, Any, Literal

import pydantic
import pytest

from treadle import Context, ToolError, tool
from treadle.errors import UsageError


class Colour(enum.Enum):
    RED = "red"


class Address(pydantic.BaseModel):
    title: str
    street: str = ""


def made(function: Any) -> Any:
    return tool(function)


def test_arguments_are_coerced_to_the_annotated_types():
    def many(number: int, ratio: float, flag: bool, colour: Colour, tags: list[str], home: Address) -> None: ...

    text = '{"number": "3", "ratio": 2, "flag": "yes", "colour": "red", "tags": ["a", 1], "home": {"title": "x"}}'
    assert made(many).check(text) == {
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
        ('{"a": 1', r"bad arguments"),
        ("[1]", r"bad arguments"),
        ("null", r"bad arguments"),
        ("7", r"bad arguments"),
        ("", r"a: .*required"),
        ('{"a": ' + "9" * 6000 + "}", "bad arguments"),
        ('{"a": ' + "[" * 5000, "bad arguments"),
    ],
)
def test_what_does_not_fit_is_told_with_the_place_and_what_the_tool_takes(text, said):
    def add(a: int, b: int = 2) -> int:
        return a + b

    with pytest.raises(ToolError, match=said):
        made(add).check(text)


def test_what_the_model_sent_is_not_echoed_in_the_error():
    def add(a: int) -> int:
        return a

    with pytest.raises(ToolError) as caught:
        made(add).check('{"a": "my-secret-value"}')
    assert "my-secret-value" not in str(caught.value)


@pytest.mark.parametrize("name", ["json", "_hidden", "model_config", "schema", "copy", "self_", "class_", "p_a"])
def test_any_parameter_name_will_do(name):
    scope: dict[str, Any] = {}
    exec(f"def odd({name}: int) -> int:\n    return {name}", scope)
    odd = made(scope["odd"])
    assert list(odd.parameters["properties"]) == [name]
    assert odd.check(f'{{"{name}": 1}}') == {name: 1}


def test_a_property_called_title_stays_while_pydantic_s_titles_go():
    def post(title: str, home: Address) -> None: ...

    schema = made(post).parameters
    assert set(schema["properties"]) == {"title", "home"}
    assert "title" not in schema
    assert "title" not in schema["properties"]["home"]
    assert set(schema["$defs"]["Address"]["properties"]) == {"title", "street"}


def test_annotations_carry_constraints_and_choices():
    def pick(size: Literal["s", "m"], count: Annotated[int, pydantic.Field(ge=1, le=3, description="How many.")]): ...

    properties = made(pick).parameters["properties"]
    assert properties["size"]["enum"] == ["s", "m"]
    assert properties["count"] == {"type": "integer", "minimum": 1, "maximum": 3, "description": "How many."}
    with pytest.raises(ToolError, match="count"):
        made(pick).check('{"size": "s", "count": 4}')


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

    with pytest.raises(UsageError, match="no JSON Schema"):
        made(odd)


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

    first = made(collect).check("{}")["items"]
    first.append(1)
    assert made(collect).check("{}") == {"items": []}
