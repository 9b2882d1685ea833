from typing import Any

import pytest

from treadle import Tool, ToolError
from treadle.core.errors import UsageError
from treadle.core.schema_shape import as_object

A = {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]}
B = {"type": "object", "properties": {"b": {"type": "string"}}, "required": ["b"]}
AB = {"a": {"type": "string"}, "b": {"type": "string"}}


def test_a_plain_object_stays_as_it_is():
    assert as_object(A) == A


@pytest.mark.parametrize(
    ("schema", "properties", "required"),
    [
        ({"type": "object"}, {}, []),
        ({"type": ["object", "null"]}, {}, []),
        ({"$ref": "#/$defs/A", "$defs": {"A": A}}, A["properties"], ["a"]),
        ({"$ref": "#/definitions/x~1A", "definitions": {"x/A": A}}, A["properties"], ["a"]),
        ({"allOf": [A, {"$ref": "#/$defs/B"}], "$defs": {"B": B}}, AB, ["a", "b"]),
        ({"anyOf": [A, B]}, AB, []),
        ({"oneOf": [A, {"allOf": [A, B]}]}, AB, ["a"]),
        ({"anyOf": [A, {"type": "null"}]}, A["properties"], ["a"]),
        (A | {"anyOf": [{"required": ["a"]}, {"required": ["b"]}]}, A["properties"], ["a"]),
        (A | {"not": {"required": ["b"]}, "enum": [{"a": "x"}]}, A["properties"], ["a"]),
    ],
)
def test_the_root_is_an_object_with_properties_and_no_choice(schema, properties, required):
    shown: Any = as_object(schema)
    assert shown["type"] == "object"
    assert shown["properties"] == properties
    assert sorted(shown.get("required", [])) == required
    assert not {"$ref", "anyOf", "oneOf", "allOf", "not", "enum"} & shown.keys()
    assert as_object(shown) == shown


@pytest.mark.parametrize(
    "schema",
    [
        {},
        {"type": "array"},
        {"$ref": "#/$defs/none"},
        {"$ref": "https://example.com/s.json"},
        {"$ref": "#/$defs/A", "$defs": {"A": {"$ref": "#/$defs/A"}}},
        {"anyOf": [{"type": "string"}]},
    ],
)
def test_what_is_of_no_object_is_refused_as_parameters(schema):
    assert as_object(schema) is None
    with pytest.raises(UsageError, match="must be a JSON Schema of type object"):
        Tool("t", "", schema)


def test_the_model_is_shown_one_object_and_the_check_goes_by_the_whole_schema():
    made = Tool("find", "", {"type": "object", "oneOf": [A, B]}, lambda **given: given)
    assert made.schema.parameters["properties"] == AB
    assert made.schema.description == "find"  # some providers refuse an empty one
    assert made.arguments_of('{"a": "x"}') == {"a": "x"}
    with pytest.raises(ToolError):
        made.arguments_of("{}")
