from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, Field, TypeAdapter

from treadle.models.anthropic.output_schema import constrain_schema


class Item(BaseModel):
    name: str
    price: Annotated[float, Field(ge=0, description="In euros.")] = 0.0
    kind: Literal["a", "b"] | None = None


class Order(BaseModel):
    items: Annotated[list[Item], Field(min_length=1, max_length=9)]
    note: str | int


class Node(BaseModel):
    name: str
    children: "list[Node]" = []


def test_what_can_be_kept_is_what_anthropic_s_sdk_keeps():
    from anthropic import transform_schema  # slow: whoever runs other tests doesn't wait for it

    schema = Order.model_json_schema()
    ours = constrain_schema(schema)
    theirs = transform_schema(schema)
    assert ours is not None
    assert sorted(ours["$defs"]) == sorted(theirs["$defs"])
    for mine, judged in ((ours, theirs), (ours["$defs"]["Item"], theirs["$defs"]["Item"])):
        assert mine["required"] == judged["required"]
        assert mine["additionalProperties"] is judged["additionalProperties"] is False
        for name, each in judged["properties"].items():
            assert mine["properties"][name].keys() == each.keys()
    price = ours["$defs"]["Item"]["properties"]["price"]
    assert price["description"] == "In euros.\n\n(default: 0.0; minimum: 0)"
    assert "minimum" not in price


@pytest.mark.parametrize(
    "kind", [dict[str, int], Any, Node, tuple[int, str], list[Any], dict, list[dict[str, Any]]]
)
def test_what_can_t_be_kept_is_left_to_words(kind):
    assert constrain_schema(TypeAdapter(kind).json_schema()) is None


def test_types_and_values_in_lists_are_alternatives():
    assert constrain_schema({"type": ["string", "null"]}) == {
        "anyOf": [{"type": "string"}, {"type": "null"}]
    }
    assert constrain_schema({"type": "string", "enum": ["a", "b"]}) == {"enum": ["a", "b"]}
    assert constrain_schema({"enum": [{"a": 1}]}) is None


def test_nothing_is_kept_of_what_is_no_schema():
    for schema in ({"anyOf": [True]}, {"type": "object", "properties": {"a": []}}):
        assert constrain_schema(schema) is None  # type: ignore[arg-type]
