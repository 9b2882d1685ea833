import json
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from treadle.core.events import Call
from treadle.core.model import ToolSchema
from treadle.models.local.call_text import (
    begins_in_thought,
    calls_by_itself,
    read_bare_call,
    read_calls,
    split_calls,
    split_thought,
    visible_part,
)

WEATHER = ToolSchema(
    "weather",
    "The weather.",
    {
        "type": "object",
        "properties": {"city": {"type": "string"}, "days": {"type": "integer"}},
    },
)
OSLO = Call("", "weather", '{"city": "Oslo", "days": 2}')


def calls(text):
    said, bodies, _ = split_calls(text)
    return said, [call for body in bodies for call in read_calls(body, (WEATHER,))]


@pytest.mark.parametrize(
    "text",
    [
        '<tool_call>\n{"name": "weather", "arguments": {"city": "Oslo", "days": 2}}\n</tool_call>',
        '<tool_call>[{"name": "weather", "arguments": {"city": "Oslo", "days": 2}}]</tool_call>',
        '<tool_call>{"name": "weather", "parameters": {"city": "Oslo", "days": 2}}</tool_call>',
        '<tool_call>\n{"arguments": "{\\"city\\": \\"Oslo\\", \\"days\\": 2}", "name": "weather"}',
        "<tool_call>\n<function=weather>\n<parameter=city>\nOslo\n</parameter>\n<parameter=days>\n2\n"
        "</parameter>\n</function>\n</tool_call>",
        "<|tool_call_start|>[weather(city='Oslo', days=2)]<|tool_call_end|>",
        '<|tool_call_start|>[{"name": "weather", "arguments": {"city": "Oslo", "days": 2}}]'
        "<|tool_call_end|><|im_end|>",
        '<|tool_call|>[{"name": "weather", "arguments": {"city": "Oslo", "days": 2}}]'
        "<|end_of_text|>",
    ],
)
def test_a_call_is_read_in_the_form_of_each_family(text):
    assert calls(text) == ("", [OSLO])
    assert calls(f"I look. {text}") == ("I look.", [OSLO])


def test_several_calls_come_in_their_order():
    one, two = (
        f'<tool_call>\n{{"name": "weather", "arguments": {{"city": "{city}"}}}}\n</tool_call>'
        for city in ("Oslo", "Rome")
    )
    _, found = calls(f"{one}\n{two}")
    assert [json.loads(call.arguments)["city"] for call in found] == ["Oslo", "Rome"]
    _, found = calls("<|tool_call_start|>[weather(city='Oslo'), weather(city='Rome')]")
    assert [json.loads(call.arguments)["city"] for call in found] == ["Oslo", "Rome"]


def test_values_of_pythons_form_are_those_of_json():
    text = "<|tool_call_start|>[book(a=[1, -2.5], b={'c': None, 'd': true}, e=False, f=null)]"
    assert json.loads(calls(text)[1][0].arguments) == {
        "a": [1, -2.5],
        "b": {"c": None, "d": True},
        "e": False,
        "f": None,
    }


def test_a_parameter_is_text_where_the_schema_wants_text():
    text = (
        "<tool_call><function=weather><parameter=city>17</parameter><parameter=days>x</parameter>"
    )
    assert json.loads(calls(text)[1][0].arguments) == {"city": "17", "days": "x"}


@pytest.mark.parametrize(
    ("written", "content", "limit"),
    [
        ("007", "007", 7),
        ("1.10", "1.10", 1.1),
        ('{"a": 1}', '{"a": 1}', {"a": 1}),
        ("true", "true", True),
        ('"x"', '"x"', "x"),
        ("null", None, None),
        ("plain", "plain", "plain"),
    ],
)
def test_a_parameter_that_may_be_text_among_others_is_what_its_schema_allows(
    written, content, limit
):
    parameters = {
        "type": "object",
        "properties": {
            "content": {"anyOf": [{"$ref": "#/$defs/Content"}, {"type": "null"}]},
            "limit": True,
        },
        "$defs": {"Content": {"type": "string"}},
    }
    body = "".join(f"<parameter={key}>\n{written}\n</parameter>" for key in ("content", "limit"))
    tools = [ToolSchema("write", "", parameters)]
    (call,) = read_calls(f"<function=write>{body}</function>", tools)
    read = json.loads(call.arguments)
    assert read["content"] == content
    if written != "007":  # no JSON
        assert read["limit"] == limit


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ('<tool_call>{"name": "weather", "arguments": {"city": </tool_call>', "weather"),
        ("<tool_call>what?</tool_call>", "unnamed"),
        ("<|tool_call_start|>[weather(open('x'))]<|tool_call_end|>", "weather"),
        ("<|tool_call_start|>[weather(city=open('x'))]<|tool_call_end|>", "weather"),
        ("<|tool_call_start|>" + "[" * 500, "unnamed"),
        ('<|tool_call|>[{"arguments": {}}]', "unnamed"),
    ],
)
def test_what_is_no_call_is_the_models_to_mend(text, name):
    [call] = calls(text)[1]
    assert call.name == name
    with suppress(ValueError):  # the tool's own check tells the model what isn't right
        assert not isinstance(json.loads(call.arguments), dict)


def test_a_whole_reply_in_json_is_a_call_only_of_a_tool_that_there_is():
    text = '{"name": "weather", "arguments": {"city": "Oslo", "days": 2}}'
    assert read_bare_call(text, (WEATHER,)) == OSLO
    assert read_bare_call(f"```json\n{text}\n```", (WEATHER,)) == OSLO
    assert read_bare_call(text.replace("weather", "Ada"), (WEATHER,)) is None
    assert read_bare_call("weather", (WEATHER,)) is None


def test_a_thought_is_parted_from_the_answer():
    assert split_thought("<think>\nHm.\n</think>\n\nYes.", False) == ("Hm.", "Yes.")
    assert split_thought("Hm.\n</think>\n\nYes.", True) == ("Hm.", "Yes.")
    assert split_thought("<think>Hm", False) == ("Hm", "")
    assert split_thought("<thi", False) == ("", "")
    assert split_thought("Yes.", False) == ("", "Yes.")


@given(st.integers(0, 60))
def test_no_mark_is_shown_half_written(size):
    text = 'I look.\n<tool_call>\n{"name": "weather", "arguments": {}}\n</tool_call>'
    assert "I look.".startswith(visible_part(text[:size]))
    assert visible_part("Yes.<|im_end|>") == "Yes."
    assert visible_part("a < b") == "a < b"


@given(st.text(alphabet="<|>tool_cal/=[](){}\"',:f123 ", max_size=60))
def test_any_text_gives_calls_with_names(text):
    with suppress(RecursionError):
        assert all(call.name for call in calls(f"<|tool_call_start|>{text}")[1])
        assert all(call.name for call in calls(f"<tool_call>{text}</tool_call>")[1])


END = "{% if add_generation_prompt %}<|im_start|>assistant\n"


@pytest.mark.parametrize(
    ("template", "by_itself"),
    [
        ("{% for tool in tools %}{% endfor %}<tool_call>{{ call.name }}</tool_call>", True),
        ("{{ tools | tojson }} <|tool_call_start|>[ ]<|tool_call_end|>", True),
        ("{% if tools %}<|tool_call|>{% endif %}", True),
        ("{% if tools %}<tool_call>f<arg_key>a</arg_key></tool_call>{% endif %}", False),
        ("{% if tools %}[TOOL_CALLS]{% endif %}", False),
        ("{% for message in messages %}{{ message.content }}{% endfor %}", False),
        ("", False),
    ],
)
def test_only_a_template_with_a_form_that_can_be_read_calls_by_itself(template, by_itself):
    assert calls_by_itself(template) is by_itself


def test_a_template_may_begin_the_reply_in_a_thought():
    assert begins_in_thought(END + "<think>\n{% endif %}")
    assert not begins_in_thought(
        END + "{% if x %}<think>\n\n</think>{% endif %}{% endif %}".replace("\n", "")
    )
    assert not begins_in_thought("<think>\n" + END + "{% endif %}")
