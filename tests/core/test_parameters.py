from typing import Annotated, Any

import pytest
from pydantic import Field

from treadle import Context, Tool, ToolError, tool
from treadle.core.context import find_context
from treadle.core.errors import UsageError
from treadle.core.function_tool import make_tool


def properties(function: Any) -> Any:
    return make_tool(function).parameters["properties"]


def test_a_field_as_a_default_gives_its_default_bounds_and_description():
    @tool
    def find(
        city: str,
        limit: int = Field(default=5, ge=1, le=10, description="at most so many"),
        day: str = Field(..., description="which day"),
        tags: list[str] = Field(default_factory=list),  # noqa: B008 -- as users write it
        both: Annotated[int, Field(ge=2)] = Field(default=3, le=4),
    ) -> str:
        return city

    assert find.parameters["properties"]["limit"] == {
        "type": "integer",
        "default": 5,
        "minimum": 1,
        "maximum": 10,
        "description": "at most so many",
    }
    assert find.parameters["properties"]["both"]["minimum"] == 2
    assert find.parameters["required"] == ["city", "day"]
    assert find.arguments_of('{"city": "Bern", "day": "today"}') == {
        "city": "Bern",
        "limit": 5,
        "day": "today",
        "tags": [],
        "both": 3,
    }
    with pytest.raises(ToolError, match=r"limit: .*greater than or equal to 1"):
        find.arguments_of('{"city": "Bern", "day": "today", "limit": 0}')


def test_a_field_may_give_the_parameter_another_name_for_the_model():
    @tool
    def find(query: str = Field(alias="q")) -> str:
        return query

    assert find.arguments_of('{"q": "lamp"}') == {"query": "lamp"}
    with pytest.raises(ToolError, match=r"it takes: q$"):
        find.arguments_of("{}")


class Doc:
    """As in PEP 727."""

    documentation = "the shop's own word"


def test_a_text_beside_the_type_is_its_description_at_any_depth():
    def search(
        query: Annotated[str, "What to look for"],
        tags: list[Annotated[str, "One tag"]],
        prices: dict[str, Annotated[float, "In francs"] | None],
        shop: Annotated[str, Doc()],
        limit: Annotated[int, "At most so many", Field(ge=1)] = 10,
        word: Annotated[str, "nearer"] = "",
    ):
        """Search.

        Args:
            word: farther
        """

    shown = properties(search)
    assert shown["query"] == {"type": "string", "description": "What to look for"}
    assert shown["tags"]["items"] == {"type": "string", "description": "One tag"}
    assert "In francs" in str(shown["prices"])
    assert shown["shop"]["description"] == "the shop's own word"
    assert shown["limit"]["description"] == "At most so many"
    assert (shown["limit"]["default"], shown["limit"]["minimum"]) == (10, 1)
    assert shown["word"]["description"] == "nearer"


@pytest.mark.parametrize(
    "kind", [Context, Context | None, Annotated[Context, "x"], Annotated[Context | None, "x"]]
)
def test_the_context_may_be_optional_and_annotated(kind):
    def work(item: str, context: Any = None): ...

    work.__annotations__["context"] = kind
    made = make_tool(work)
    assert made.context == "context"
    assert list(made.parameters["properties"]) == ["item"]


def test_a_type_that_only_may_be_a_context_is_an_argument():
    assert find_context({"a": str | Context | None, "return": Context}) == ""


class Shop:
    def __init__(self) -> None:
        self.prices = {"lamp": 12}

    @tool(read_only=True)
    def price(self, item: str) -> int:
        """The price."""
        return self.prices[item]

    @classmethod
    @tool(read_only=True)
    def above(cls, item: str) -> str:
        return f"{cls.__name__} {item}"

    @tool(read_only=True)
    @classmethod
    def below(cls, item: str) -> str:
        return f"{cls.__name__} {item}"

    @tool(read_only=True)
    @staticmethod
    def alone(item: str) -> str:
        return item

    def plain(self, item: str) -> str:
        return item


def test_a_method_under_tool_is_a_tool_of_its_object():
    made: Any = Shop().price
    assert (made.name, made.description, made.read_only) == ("price", "The price.", True)
    assert list(made.parameters["properties"]) == ["item"]
    assert made.function(item="lamp") == 12


@pytest.mark.parametrize("name", ["above", "below", "alone", "plain"])
@pytest.mark.parametrize("owner", [Shop, Shop()])
def test_every_kind_of_method_takes_only_what_the_model_gives(owner, name):
    if (owner, name) == (Shop, "plain"):
        return
    made = getattr(owner, name)
    if not isinstance(made, Tool):
        made = make_tool(made)
    assert list(made.parameters["properties"]) == ["item"]
    assert made.function(item="x").endswith("x")


@pytest.mark.parametrize("method", [Shop.price, Shop.plain])
def test_a_method_without_its_object_is_refused(method):
    with pytest.raises(UsageError, match=r"is a method.*Shop\(\)\."):
        make_tool(method)


def generator(n: int):
    yield n


async def async_generator(n: int):
    yield n


class Yields:
    def __call__(self, n: int):
        yield n


@pytest.mark.parametrize("function", [generator, async_generator, Yields()])
def test_a_generator_is_refused_when_the_tool_is_made(function):
    with pytest.raises(UsageError, match="is a generator: it has a `yield`"):
        make_tool(function)
    with pytest.raises(UsageError, match="is a generator"):
        Tool("t", "", {"type": "object"}, function)
