import re
from typing import Any

import pytest

from treadle.core.events import Call, Text
from treadle.core.model import ToolSchema
from treadle.models.parameter_names import with_legal_names, with_own_names

KEYS = ("a", "$top", "_top", "größe", "gr[[e", "x" * 65, "x" * 66, "")


def schema(*names: str, **more: Any) -> dict[str, Any]:
    return {"type": "object", "properties": {name: {"type": "string"} for name in names}} | more


def test_each_parameter_has_a_legal_name_of_its_own():
    made = with_legal_names(schema(*KEYS, required=["$top", "a"]))
    shown = list(made["properties"])
    assert shown[:5] == ["a", "_top_2", "_top", "gr__e", "gr__e_2"]
    assert len(set(shown)) == len(KEYS)
    assert all(re.fullmatch(r"[a-zA-Z0-9_.-]{1,64}", name) for name in shown)
    assert made["required"] == ["_top_2", "a"]
    assert made["properties"]["_top_2"]["description"] == "$top"
    plain = schema("a", "b.c-d")
    assert with_legal_names(plain) is plain


def test_what_is_said_of_a_parameter_stays():
    given = {"type": "object", "properties": {"$top": {"description": "How many."}, "?": True}}
    shown = with_legal_names(given)["properties"]
    assert shown == {"_top": {"description": "$top: How many."}, "_": True}


@pytest.mark.parametrize(
    ("arguments", "own"),
    [
        ('{"_top_2": 12345678901234567.89, "a": "x"}', '{"$top":12345678901234567.89,"a":"x"}'),
        ('{"$top": 1}', '{"$top": 1}'),
        ('{"_top": 1}', '{"_top": 1}'),
        ('{"$top": 1, "_top_2": 2}', '{"$top": 1, "_top_2": 2}'),
        ('{"_top_2": 1, "_top_2": 2}', '{"_top_2": 1, "_top_2": 2}'),
        ("[1]", "[1]"),
        ("{", "{"),
        ("", ""),
    ],
)
def test_arguments_have_the_tool_s_own_names(arguments: str, own: str):
    tools = (ToolSchema("look", "Look.", schema(*KEYS)), ToolSchema("add", "Add.", schema("a")))
    content = (Text("I look."), Call("1", "look", arguments), Call("2", "add", arguments))
    said, call, other = with_own_names(content, tools)
    assert (said, other) == (content[0], content[2])
    assert isinstance(call, Call)
    assert call.arguments == own


def test_a_text_is_no_call():
    assert with_own_names("hi", (ToolSchema("look", "Look.", schema(*KEYS)),)) == "hi"
