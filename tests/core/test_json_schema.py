"""Tools made of a JSON Schema: what the schema says holds, as a signature does for `@tool`."""

import json
import math
import subprocess
import sys
from typing import Any

import pytest

from treadle import Agent, MemoryStore, ScriptedModel, Tool, ToolError, UsageError, run_sync, tool
from treadle.core import events as e
from treadle.models.scripted import calls, says

NODE = {
    "type": "object",
    "properties": {"value": {"type": "integer"}, "next": {"$ref": "#/$defs/node"}},
}
SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "to": {"type": "string"},
        "amount": {"type": "integer", "maximum": 1000},
        "currency": {"enum": ["EUR", "USD"]},
        "ratio": {"type": "number"},
        "urgent": {"type": "boolean"},
        "tags": {"type": "array", "items": {"type": "string"}},
        "numbers": {"type": "array", "items": {"type": "integer"}},
        "either": {"anyOf": [{"type": "integer"}, {"type": "null"}]},
        "several": {"type": ["null", "integer"]},
        "node": {"$ref": "#/$defs/node"},
        "shape": {
            "oneOf": [
                {
                    "type": "object",
                    "properties": {"kind": {"const": "circle"}, "r": {"type": "number"}},
                },
                {
                    "type": "object",
                    "properties": {"kind": {"const": "square"}, "side": {"type": "number"}},
                },
            ]
        },
        "code": {"type": "string", "pattern": "^(a+)+$"},
    },
    "additionalProperties": False,
    "$defs": {"node": NODE},
}
pay = Tool("pay", "Pay.", SCHEMA, lambda **given: given)


@pytest.mark.parametrize(
    ("sent", "given"),
    [
        ({"to": "ann", "amount": 5}, {"to": "ann", "amount": 5}),
        ({"amount": "5"}, {"amount": 5}),
        ({"amount": 5.0}, {"amount": 5}),
        ({"to": 7}, {"to": "7"}),
        ({"to": 2.0}, {"to": "2.0"}),
        ({"ratio": "2.5", "urgent": "yes"}, {"ratio": 2.5, "urgent": True}),
        ({"urgent": 0}, {"urgent": False}),
        ({"tags": [1, "a"], "numbers": ["1", 2.0]}, {"tags": ["1", "a"], "numbers": [1, 2]}),
        ({"numbers": '["1", 2]'}, {"numbers": [1, 2]}),
        ({"either": "7", "several": "8"}, {"either": 7, "several": 8}),
        ({"either": None, "several": None}, {"either": None, "several": None}),
        (
            {"node": {"next": {"next": '{"value": "3"}'}}},
            {"node": {"next": {"next": {"value": 3}}}},
        ),
        ({"shape": {"kind": "square", "side": "2"}}, {"shape": {"kind": "square", "side": 2}}),
        ({"code": "aaa"}, {"code": "aaa"}),
    ],
)
def test_what_is_mistyped_is_coerced(sent, given):
    got = pay.arguments_of(json.dumps(sent))
    assert got == given
    assert json.dumps(got) == json.dumps(given)  # of the same types


@pytest.mark.parametrize(
    ("sent", "said"),
    [
        ({"currency": "zzz"}, 'currency: the value is not one of "EUR" or "USD"'),
        ({"amount": "5.5"}, 'amount: the value is not of type "integer"'),
        ({"amount": "5000"}, "amount: the value is greater than the maximum"),
        ({"amount": 1.5}, 'amount: the value is not of type "integer"'),
        ({"amount": []}, 'amount: the value is not of type "integer"'),
        ({"ratio": "nan"}, "ratio: the value"),
        ({"ratio": "inf"}, "ratio: the value"),
        ({"numbers": [1, [2]]}, "numbers.1: the value"),
        ({"numbers": "[1, NaN]"}, "numbers: the value"),
        ({"numbers": '{"a": 1}'}, 'numbers: the value is not of type "array"'),
        ({"node": {"next": {"value": "x"}}}, "node.next.value: the value"),
        ({"either": "x"}, 'not of type "integer", or the value is not of type "null"'),
        ({"other": 1}, "'other' was unexpected"),
        ({"code": "a" * 50 + "!"}, "code: the value does not match"),
        ({"tags": [None] * 5000}, "and 4990 more; it takes: to, amount"),
    ],
)
def test_what_does_not_fit_is_told_with_its_place(sent, said):
    with pytest.raises(ToolError) as caught:
        pay.arguments_of(json.dumps(sent))
    assert said in str(caught.value)
    assert len(str(caught.value)) < 2000


def test_what_the_model_sent_is_not_echoed():
    with pytest.raises(ToolError) as caught:
        pay.arguments_of(
            json.dumps(dict.fromkeys(("amount", "currency", "either", "shape"), "my-secret"))
        )
    assert "my-secret" not in str(caught.value)


def test_what_is_missing_is_told():
    with pytest.raises(ToolError, match='"to" is a required property'):
        Tool("pay", "", {"type": "object", "required": ["to"]}, dict).arguments_of("{}")


@pytest.mark.parametrize("wrong", ["NaN", '[{"a": NaN}]', "1e999", '{"k": 1, "k": 2}', '"\\ud800"'])
def test_no_schema_lets_pass_what_is_no_json(wrong):
    with pytest.raises(ToolError, match="not valid JSON"):
        Tool("any", "", {"type": "object"}, dict).arguments_of('{"a": ' + wrong + "}")


@pytest.mark.parametrize(
    "schema",
    [
        {"properties": {"a": {"type": "objekt"}}},
        {"properties": []},
        {"required": "to"},
        {"properties": {"a": {"pattern": "("}}},
        {"properties": {"a": {"$ref": "#/$defs/nowhere"}}},
        {"properties": {"a": {"$ref": "http://127.0.0.1:9/a.json"}}},
        {"properties": {"a": {"$ref": "file:///etc/passwd"}}},
        {"properties": {"a": {"$ref": "other.json"}}},
        {"$schema": "http://127.0.0.1:9/schema"},
        {"properties": {"a": {"default": math.nan}}},
        {"properties": {"a": {"enum": {1, 2}}}},
        {"properties": {"a": {"default": b"x"}}},
    ],
)
def test_a_schema_that_is_none_is_refused_when_the_tool_is_made(schema):
    with pytest.raises(UsageError, match=r"tool 'bad': its parameters are no JSON Schema: ."):
        Tool("bad", "", {"type": "object", **schema}, dict)


def test_a_schema_that_refers_to_itself_or_is_deep_does_no_harm():
    loop = {
        "type": "object",
        "$ref": "#/$defs/a",
        "$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"$ref": "#/$defs/a"}},
    }
    assert Tool("loop", "", loop, dict).arguments_of('{"a": 1}') == {"a": 1}
    deep: dict[str, Any] = {"type": "object"}
    for _ in range(5000):
        deep = {"type": "object", "properties": {"a": deep}}
    with pytest.raises(UsageError, match="no JSON Schema"):
        Tool("deep", "", deep, dict)


def test_rules_judge_what_the_tool_gets_and_the_model_is_told_what_is_wrong():
    ran: list[Any] = []
    judged: list[Any] = []

    def needs(arguments: Any) -> bool:
        judged.append(arguments["amount"])
        return bool(arguments["amount"] > 100)

    refund = Tool("refund", "", SCHEMA, lambda **given: ran.append(given), needs_approval=needs)
    wrong = calls(("refund", {"amount": "5", "currency": "zzz"}))
    model = ScriptedModel(
        [wrong, calls(("refund", {"amount": "5"})), calls(("refund", {"amount": "500"}))]
    )
    result = Agent(tools=[refund], model=model, store=MemoryStore()).run_sync("Go.")
    [failed] = [each.event for each in result.records if isinstance(each.event, e.ToolFailed)]
    assert (failed.kind, "currency" in failed.message) == ("arguments", True)
    assert (judged, ran, result.status) == ([5, 500], [{"amount": 5}], "waiting")


def test_an_edit_must_fit_too():
    store = MemoryStore()
    held = Tool("pay", "", SCHEMA, lambda **given: json.dumps(given), needs_approval=True)
    agent = Agent(
        tools=[held],
        model=ScriptedModel([calls(("pay", {"amount": 5})), says("Paid.")]),
        store=store,
    )
    waiting = agent.run_sync("Go.")
    [call] = waiting.waiting
    with pytest.raises(UsageError, match="currency"):
        run_sync(
            agent.post(
                waiting.thread_id,
                e.ApprovalGiven(call.id, True, "ann", arguments='{"currency": "x"}'),
            )
        )
    run_sync(
        agent.post(
            waiting.thread_id, e.ApprovalGiven(call.id, True, "ann", arguments='{"amount": "6"}')
        )
    )
    result = run_sync(agent.resume(waiting.thread_id))
    [returned] = [each.event for each in result.records if isinstance(each.event, e.ToolReturned)]
    assert returned.content == '{"amount": 6}'


def test_a_schema_in_place_of_a_signature_s_holds_with_it():
    @tool(parameters={"type": "object", "properties": {"size": {"enum": ["s", "m"]}}})
    def order(size: str, count: int = 1) -> str:
        return size * count

    assert order.arguments_of('{"size": "s", "count": "2"}') == {"size": "s", "count": 2}
    for wrong in ('{"size": "xl"}', '{"count": 1}'):
        with pytest.raises(ToolError, match="size"):
            order.arguments_of(wrong)


@pytest.mark.slow
def test_only_a_tool_made_of_a_schema_loads_the_library():
    program = (
        "import sys; from treadle import Tool;"
        " print('jsonschema_rs' in sys.modules); Tool('a', '', {'type': 'object'}, dict);"
        " print('jsonschema_rs' in sys.modules, 'pydantic' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=30
    )
    assert done.stdout == "False\nTrue False\n"
