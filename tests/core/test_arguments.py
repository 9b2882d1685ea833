import dataclasses
import json
from typing import Any

import pytest
from pydantic import BaseModel

from fakes import agent
from treadle import ScriptedModel, Tool, ToolError, tool
from treadle.core.arguments import parse_json_object
from treadle.models.scripted import calls, says


class Line(BaseModel):
    item: str
    n: int = 1


@dataclasses.dataclass
class Options:
    fast: bool = False


@tool(read_only=True)
def order(
    lines: list[Line],
    tags: list[str] = [],  # noqa: B006 -- as users write it
    meta: dict[str, Any] | None = None,
    options: Options = Options(),  # noqa: B008 -- as users write it
    limit: int = 5,
    note: str | list[str] = "",
) -> str:
    return repr((lines, tags, meta, options, limit, note))


SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "lines": {"type": "array", "items": {"type": "object", "required": ["item"]}},
        "tags": {"type": "array", "items": {"type": "string"}},
        "meta": {"anyOf": [{"type": "object"}, {"type": "boolean"}]},
        "options": {"type": "object"},
        "limit": {"type": "integer"},
        "note": {"type": "string"},
    },
    "required": ["lines"],
    "additionalProperties": False,
}
raw_order = Tool("raw_order", "", SCHEMA, lambda **given: given)


@pytest.mark.parametrize("text", ["", "{}", "null", '""', "[]", ' "" ', '"{}"', '"[]"'])
def test_no_arguments_come_in_many_ways(text):
    assert parse_json_object(text) == {}


def test_an_object_may_come_in_quotes():
    assert parse_json_object('"{\\"a\\": 1}"') == {"a": 1}


@pytest.mark.parametrize("text", ["0", "false", "[1]", '"a"', '"[1]"', "{a"])
def test_what_is_no_object_is_told(text):
    with pytest.raises(ToolError, match="send one JSON object"):
        parse_json_object(text)


def sent(**more: Any) -> str:
    return json.dumps({"lines": [{"item": "lamp"}]} | more)


MENDED: list[tuple[str, dict[str, Any]]] = [
    (sent(lines='[{"item": "lamp"}]'), {}),
    (sent(lines=['{"item": "lamp"}']), {}),
    (sent(tags='["a", 1]'), {"tags": ["a", "1"]}),
    (sent(meta='{"a": 1}'), {"meta": {"a": 1}}),
    (sent(meta=""), {"meta": {}}),
    (sent(meta=[]), {"meta": {}}),
    (sent(limit=None, tags=None), {}),
    (sent(note="[1]"), {"note": "[1]"}),
]


@pytest.mark.parametrize(("text", "given"), MENDED)
def test_values_are_mended_where_a_signature_refuses_them(text, given):
    found = order.arguments_of(text)
    assert found["lines"] == [Line(item="lamp")]
    for name, value in (
        {"tags": [], "meta": None, "options": Options(), "limit": 5, "note": ""} | given
    ).items():
        assert found[name] == value


@pytest.mark.parametrize(("text", "given"), MENDED)
def test_values_are_mended_where_a_schema_refuses_them(text, given):
    assert raw_order.arguments_of(text) == {"lines": [{"item": "lamp"}]} | given


def test_an_object_that_is_due_may_come_as_nothing():
    for nothing in (None, "", []):
        assert order.arguments_of(sent(options=nothing))["options"] == Options()
        assert raw_order.arguments_of(sent(options=nothing))["options"] == {}


def test_what_fits_as_it_is_is_left_alone():
    assert order.arguments_of(sent(note='["a"]'))["note"] == '["a"]'


@pytest.mark.parametrize("made", [order, raw_order])
@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"lines": "lamp"}', "lines"),
        ('{"lines": null}', "lines"),
        ('{"lines": "[{\\"n\\": 1}]"}', "lines"),
        ('{"lines": [], "limit": "many", "meta": ""}', "limit"),
    ],
)
def test_what_cannot_be_mended_is_told_of_what_was_sent(made, text, said):
    with pytest.raises(ToolError, match=f"bad arguments: .*{said}"):
        made.arguments_of(text)


def test_a_call_without_arguments_runs_and_goes_back_as_an_object():
    @tool(read_only=True)
    def now() -> str:
        return "noon"

    model = ScriptedModel([calls(("now", "null")), says("It is noon.")])
    assert agent(model, now).run_sync("When?").answer == "It is noon."
    assert model.seen[1].messages[-1].text == "noon"
    assert model.seen[1].messages[-2].calls[0].arguments == "{}"
