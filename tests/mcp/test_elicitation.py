"""What a server asks in mid-call is a question in the log: answered by another process, after restarts."""

import asyncio

import pytest

pytest.importorskip("mcp_types", reason="needs the extra: pip install 'treadle[mcp]'")

from treadle import Agent, MemoryStore, Rule, ScriptedModel, UserSaid
from treadle.core.errors import ToolError
from treadle.core.events import ToolReturned
from treadle.mcp import background
from treadle.mcp.elicitation import describe, read_answer
from treadle.models.scripted import calls, says

ALL = [Rule("*", "allow")]


def agent(plain, store, *replies):
    return Agent(tools=[plain.tools()], model=ScriptedModel([*replies]), rules=ALL, store=store)


def answered(plain, *answers, between=lambda: None):
    """The result of a call of `order` that was asked, and the questions."""
    store = MemoryStore()
    result = agent(plain, store, calls(("plain__order", {}))).run_sync("order", thread="t")
    asked = []
    for text in answers:
        asked.append(result.waiting[0].reason)
        between()
        waiting = result.waiting[0].id
        asyncio.run(agent(plain, store).post("t", UserSaid(text, answers=waiting, by="ada")))
        result = asyncio.run(agent(plain, store, says("done")).resume("t"))
    [returned] = [r.event for r in result.records if isinstance(r.event, ToolReturned)]
    return returned.content, asked


def test_a_question_waits_in_the_log_and_its_answer_reaches_the_server(plain):
    content, asked = answered(plain, "red")
    assert "{'action': 'accept', 'content': {'colour': 'red'}}" in content
    assert asked == [
        "The MCP server plain asks: Which colour?\n- colour: one of red, blue\nAnswer with the value, or with decline."
    ]


def test_it_is_answered_after_the_client_s_and_the_server_s_restart(plain):
    content, _ = answered(plain, "blue", between=background.close_all)
    assert "{'action': 'accept', 'content': {'colour': 'blue'}}" in content


def test_an_answer_that_does_not_fit_is_asked_for_again_with_the_reason(plain):
    content, asked = answered(plain, "green", '{"colour": "blue"}')
    assert "'colour': 'blue'" in content
    assert "colour" in asked[1].partition("\n\n")[0]
    assert asked[1].endswith(asked[0])


def test_a_person_may_decline(plain):
    content, _ = answered(plain, "decline")
    assert "{'action': 'decline'}" in content


def test_a_server_of_the_older_protocol_is_called_twice(old):
    content, _ = answered(old, "red")
    assert content.endswith("at call 2")


BOTH = {
    "message": "Who?",
    "requestedSchema": {
        "type": "object",
        "properties": {
            "name": {"type": "string", "title": "Your name"},
            "age": {"type": "integer"},
            "ok": {"type": "boolean"},
        },
        "required": ["name"],
    },
}
ONE = {
    "message": "Sure?",
    "requestedSchema": {"type": "object", "properties": {"ok": {"type": "boolean"}}},
}


@pytest.mark.parametrize(
    ("params", "text", "expected"),
    [
        (ONE, "yes", {"action": "accept", "content": {"ok": True}}),
        (ONE, "No", {"action": "accept", "content": {"ok": False}}),
        (ONE, " Decline ", {"action": "decline"}),
        (
            BOTH,
            '{"name": "Ada", "age": "36"}',
            {"action": "accept", "content": {"name": "Ada", "age": 36}},
        ),
        ({"message": "Look", "url": "https://a.example"}, "done", {"action": "accept"}),
        ({"message": "Go on?", "requestedSchema": {}}, "yes", {"action": "accept", "content": {}}),
    ],
)
def test_words_become_what_the_protocol_wants(params, text, expected):
    assert read_answer(params, text) == expected


LINK = {"message": "Look", "url": "https://a.example"}
PLAIN = {"message": "Delete it all?", "requestedSchema": {"type": "object", "properties": {}}}


@pytest.mark.parametrize("text", ["yes", "Y", "true", " OK. ", "{}", "Yes!"])
def test_a_confirmation_is_a_word_that_says_so(text):
    assert read_answer(PLAIN, text) == {"action": "accept", "content": {}}


@pytest.mark.parametrize("params", [PLAIN, {"message": "Go on?"}, LINK])
@pytest.mark.parametrize(
    "text", ["no", "No!", "n", "false", "cancel", "Cancel.", "decline.", "DECLINE"]
)
def test_a_no_in_any_writing_is_no_consent(params, text):
    assert read_answer(params, text) == {"action": "decline"}


@pytest.mark.parametrize(
    ("params", "why"), [(PLAIN, "answer yes, or decline"), (LINK, "answer done, or decline")]
)
@pytest.mark.parametrize("text", ["", "  ", "no thanks", "wait", "yes?", "not ok", "null", "[]"])
def test_what_is_neither_is_asked_again(params, why, text):
    with pytest.raises(ToolError, match=why):
        read_answer(params, text)


def test_an_answer_of_fields_may_be_declined_in_any_writing_and_nothing_is_no_answer():
    name = {"requestedSchema": {"type": "object", "properties": {"name": {"type": "string"}}}}
    assert read_answer(name, "Decline.") == {"action": "decline"}
    assert read_answer(ONE, "No!") == {"action": "accept", "content": {"ok": False}}
    with pytest.raises(ToolError, match="says nothing"):
        read_answer(name, " ")


@pytest.mark.parametrize("text", ["Ada", "[1]", '{"age": 3}'])
def test_words_that_do_not_fit_are_refused(text):
    with pytest.raises(ToolError):
        read_answer(BOTH, text)


def test_a_question_says_what_an_answer_looks_like():
    assert describe("lamps", BOTH).splitlines() == [
        "The MCP server lamps asks: Who?",
        "- name: Your name; string",
        "- age: integer; may be left out",
        "- ok: boolean; may be left out",
        "Answer with a JSON object, or with decline.",
    ]
    assert "open https://a.example yourself" in describe(
        "lamps", {"message": "Log in", "url": "https://a.example"}
    )
