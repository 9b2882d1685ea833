import pytest

from treadle.core.events import Call, Text
from treadle.core.model import Message, Request, ToolSchema
from treadle.models.request_rules import find_faults
from treadle.models.scripted import IllegalPrompt, ScriptedModel, says

A, B = Call("a", "look", "{}"), Call("b", "look", '{"x": 1}')
USER = Message("user", "hi")
ASKS = Message("assistant", (A, B))
RESULTS = (Message("tool", "1", call_id="a"), Message("tool", "2", call_id="b"))


def test_a_whole_exchange_is_legal():
    tools = (ToolSchema("look", "Look.", {"type": "object", "properties": {}}),)
    assert find_faults(Request((Message("system", "s"), USER, ASKS, *RESULTS), tools)) == []
    assert find_faults(Request((USER, Message("assistant", "hm"), USER))) == []


@pytest.mark.parametrize(
    ("messages", "fault"),
    [
        ((), "neither the user's nor a tool's"),
        ((USER, Message("assistant", "hm")), "neither the user's nor a tool's"),
        ((USER, Message("system", "s"), USER), "the system prompt comes first"),
        ((USER, RESULTS[0]), "follows no call"),
        ((USER, USER), "it follows another one of the same role"),
        ((USER, ASKS, *RESULTS), "has tool calls, and the request has no tools"),
        ((USER, ASKS, *reversed(RESULTS)), "in the order of their calls"),
        ((USER, ASKS, RESULTS[0]), "the calls b have no result"),
        ((USER, ASKS, RESULTS[0], USER), "the calls b have no result"),
        ((USER, ASKS, *RESULTS, ASKS, *RESULTS), "comes twice"),
        ((Message("user", " "),), "says nothing"),
        ((USER, Message("assistant", ""), USER), "says nothing"),
        ((Message("user", (Text("x"), A)), RESULTS[0]), "only the assistant"),
        (
            (USER, Message("assistant", (Call("a", "a b", "{}"),)), RESULTS[0]),
            "letters, digits",
        ),
        (
            (USER, Message("assistant", (Call("a", "x", "[]"),)), RESULTS[0]),
            "no JSON object",
        ),
    ],
)
def test_what_some_provider_refuses_is_named(messages, fault):
    assert any(fault in each for each in find_faults(Request(messages)))


def test_tools_and_size_are_looked_at_too():
    tool = ToolSchema("look", "", {"type": "object"})
    assert "two tools" in find_faults(Request((USER,), (tool, tool)))[0]
    assert "more than 100" in find_faults(Request((USER,), max_output_tokens=99), 100)[0]
    assert find_faults(Request((USER,), max_output_tokens=50), 100) == []


async def asked(model: ScriptedModel, request: Request) -> str:
    return (await model.reply(request, lambda text: None)).text


def test_the_scripted_model_refuses_an_illegal_prompt():
    import asyncio

    with pytest.raises(IllegalPrompt, match="follows no call"):
        asyncio.run(asked(ScriptedModel([says("x")]), Request((USER, RESULTS[0]))))
