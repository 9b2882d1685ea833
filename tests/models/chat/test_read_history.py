"""A chat-completions history becomes events that any log may begin with."""

import random
from typing import Any

import pytest

from treadle.core import events as e
from treadle.core.describe import policy_from
from treadle.core.errors import UsageError
from treadle.core.legal import make_turns
from treadle.core.model import Message, Request, ToolSchema
from treadle.core.prompt import Prompt
from treadle.core.state import State, fold
from treadle.models.chat.read_history import ChatHistory, History, Successor, read_history
from treadle.models.request_rules import find_faults
from treadle.runtime.origin import find_outside_results

PNG = "data:image/png;base64,iVBORw0KGgo="


def read(*messages: Any, instructions: str | None = None) -> History:
    return read_history(ChatHistory(messages), Successor("agent", "key", instructions))


def records(history: History) -> list[e.Record]:
    opening = (e.ThreadStarted("agent", "key"), *history.events)
    return [e.Record("t", seq, 0.0, event) for seq, event in enumerate(opening, 1)]


def state(history: History) -> State:
    return fold(records(history))


def prompt(history: History) -> tuple[Message, ...]:
    """What a model sees next; checked by the rules of the strictest provider."""
    made = Prompt()
    for record in records(history):
        made.add(record)
    if not history.events or state(history).phase == "idle":
        made.add(e.Record("t", 999, 0.0, e.UserSaid("go on")))
    messages = make_turns(made.messages(""))
    tools = (ToolSchema("t", "", {}),)
    if state(history).phase != "acting":
        assert find_faults(Request(messages, tools)) == []
    return messages


def shown(history: History) -> list[tuple[str, str]]:
    return [(message.role, message.text) for message in prompt(history)]


def names(history: History) -> list[str]:
    return [type(event).__name__ for event in history.events]


def user(content: Any, **more: Any) -> dict[str, Any]:
    return {"role": "user", "content": content, **more}


def assistant(content: Any = None, **more: Any) -> dict[str, Any]:
    return {"role": "assistant", "content": content, **more}


def call(id: str, name: str = "add", arguments: Any = '{"a": 1}') -> dict[str, Any]:
    return {"id": id, "type": "function", "function": {"name": name, "arguments": arguments}}


def result(id: str, content: Any = "3", **more: Any) -> dict[str, Any]:
    return {"role": "tool", "tool_call_id": id, "content": content, **more}


def test_a_plain_history_is_turns_that_are_over():
    history = read(user("Hello"), assistant("Hi!"), user("And?"), assistant("Fine."))
    turn = ["UserSaid", "ModelCalled", "ModelReplied", "TurnEnded"]
    assert names(history) == [*turn[:1], "AgentDescribed", *turn[1:], *turn]
    assert state(history).phase == "idle"
    assert state(history).turns == 2
    assert shown(history)[:3] == [("user", "Hello"), ("assistant", "Hi!"), ("user", "And?")]
    assert history.lost == ()


def test_what_nobody_has_recorded_is_unknown():
    history = read(user("Hello"), assistant("Hi!"))
    called, replied = history.events[2:4]
    assert called == e.ModelCalled("imported", "", 0, 0)
    assert isinstance(replied, e.ModelReplied)
    assert (replied.cost_usd, replied.usage) == (None, e.Usage(estimated=True))


def test_a_message_without_an_answer_stays_open():
    history = read(user("Hello"))
    assert names(history) == ["UserSaid"]
    assert state(history).phase == "ready"


def test_calls_have_ids_of_our_own_and_results_go_to_their_calls():
    twice = assistant(None, tool_calls=[call("x"), call("x", arguments='{"a": 2}')])
    history = read(
        user("Add."),
        twice,
        result("x", "one"),
        result("x", "two"),
        assistant("Once more.", tool_calls=[call("x")]),
        result("x", "three"),
        assistant("Done."),
    )
    assert state(history).phase == "idle"
    messages = prompt(history)
    asked = [each for message in messages for each in message.calls]
    told = {message.call_id: message.text for message in messages if message.role == "tool"}
    assert [told[each.id] for each in asked] == ["one", "two", "three"]
    assert len(told) == 3
    assert [each.provider_id for each in asked] == ["x", "x", "x"]


def test_a_result_that_comes_late_is_found():
    history = read(
        user("Add."),
        assistant(tool_calls=[call("a"), call("b")]),
        result("b", "second"),
        user("Well?"),
        result("a", "first"),
        assistant("Done."),
    )
    assert [text for role, text in shown(history) if role == "tool"] == ["first", "second"]


def test_a_call_without_a_result_is_told_so():
    history = read(user("Add."), assistant(tool_calls=[call("a")]), user("Well?"), assistant("Hm."))
    [told] = [text for role, text in shown(history) if role == "tool"]
    assert "doesn't have the result" in told
    assert "may have had its effect" in told


def test_nobody_knows_what_became_of_calls_at_the_end():
    history = read(user("Add."), assistant(tool_calls=[call("a"), call("b")]), result("a"))
    calls = state(history).turn.calls
    assert [each.status for each in calls.values()] == ["started"]


def test_results_without_a_call_get_one_since_no_person_said_them():
    history = read(result("gone", "17 lamps", name="stock"), user("And?"), assistant("Yes."))
    [_, asked, told, *_] = prompt(history)
    assert [(each.name, each.arguments) for each in asked.calls] == [("stock", "{}")]
    assert told.role == "tool"
    assert told.text == "[The call of this result isn't in this conversation.]\n17 lamps"
    assert [name for _, name in find_outside_results(records(history))] == ["stock"]


def test_function_calls_of_the_older_form():
    history = read(
        user("Add."),
        assistant(function_call={"name": "add", "arguments": '{"a": 1}'}),
        {"role": "function", "name": "add", "content": "3"},
        assistant("It is 3."),
    )
    assert [each.name for message in prompt(history) for each in message.calls] == ["add"]
    assert ("tool", "3") in shown(history)


def test_a_result_without_an_id_belongs_to_the_open_call():
    history = read(
        user("Add."),
        assistant(tool_calls=[call("", "a"), call("", "b")]),
        {"role": "tool", "content": "1"},
        {"role": "tool", "content": "2"},
        assistant("Done."),
    )
    assert [text for role, text in shown(history) if role == "tool"] == ["1", "2"]


def test_instructions_are_described_and_kept_where_the_agent_has_others():
    told = ({"role": "system", "content": "Be brief."}, {"role": "developer", "content": "Rhyme."})
    history = read(*told, user("Hello"), assistant("Hi!"), instructions="Be long.")
    described = [each for each in history.events if isinstance(each, e.AgentDescribed)]
    assert [each.instructions for each in described] == ["Be brief.\n\nRhyme."]
    first = history.events[0]
    assert isinstance(first, e.UserSaid)
    assert first.pinned
    assert shown(history)[0][1].endswith("brought here:\nBe brief.\n\nRhyme.\n\nHello")
    same = read(*told, user("Hello"), assistant("Hi!"), instructions="Be brief.\n\nRhyme.")
    assert shown(same)[0] == ("user", "Hello")


def test_system_messages_amid_the_history_stay_in_their_places():
    history = read(
        user("Hello"),
        assistant("Hi!"),
        {"role": "system", "content": "Ann has paid.", "name": "billing"},
        user("So?"),
        assistant(tool_calls=[call("a")]),
        result("a"),
        {"role": "system", "content": "Hurry."},
        assistant("Yes."),
    )
    texts = [text for _, text in shown(history)]
    assert texts[2] == "A system message of this conversation:\nbilling: Ann has paid.\n\nSo?"
    assert texts[5] == "A system message of this conversation:\nHurry."
    assert state(history).phase == "idle"


def test_pictures_sounds_and_files_stay_in_their_order():
    history = read(
        user(
            [
                {"type": "text", "text": "This?"},
                {"type": "image_url", "image_url": {"url": PNG, "detail": "low"}},
                {"type": "input_audio", "input_audio": {"data": "AAAA", "format": "mp3"}},
                {"type": "file", "file": {"filename": "a.pdf", "file_data": "data:x;base64,AAA="}},
            ]
        ),
        assistant([{"type": "text", "text": "A lamp."}]),
    )
    said = history.events[0]
    assert isinstance(said, e.UserSaid)
    assert said.content == (
        "This?",
        e.Image(PNG),
        e.Audio("data:audio/mpeg;base64,AAAA"),
        e.File("a.pdf", "data:x;base64,AAA="),
    )
    assert history.lost == ()


def test_what_cannot_be_carried_has_words_in_its_place():
    history = read(
        user(
            [
                {"type": "file", "file": {"file_id": "file-7"}},
                {"type": "video_url", "video_url": {"url": "https://v"}},
                {"type": "image_url", "image_url": "ftp://x/y.png"},
                "plain",
            ]
        ),
        assistant("", audio={"id": "audio_1", "transcript": "I see."}, weight=1),
        assistant("  "),
    )
    text = history.events[0].text
    assert "the file file, which the provider keeps as file-7 was here" in text
    assert "'video_url' was here" in text
    assert "ftp://x/y.png" in text
    assert text.endswith("plain")
    assert ("assistant", "I see.") in shown(history)
    assert "the field 'weight' of messages" in history.lost
    assert "an empty message of the assistant" in history.lost
    assert len(history.lost) == 6


def test_pictures_in_results_are_the_result_s():
    history = read(
        user("Look."),
        assistant(tool_calls=[call("a", "look")]),
        result("a", [{"type": "text", "text": "here"}, {"type": "image_url", "image_url": PNG}]),
        assistant("A lamp."),
    )
    [returned] = [each for each in history.events if isinstance(each, e.ToolReturned)]
    assert (returned.content, returned.parts) == ("here", (e.Image(PNG),))


def test_refusals_prefills_names_and_thoughts():
    refused = read(user("Harm."), assistant(None, refusal="No."))
    assert refused.events[-1] == e.TurnEnded("refused", "No.")
    assert ("assistant", "No.") in shown(refused)
    prefill = read(user("A poem."), assistant("Roses", prefix=True))
    assert prefill.events[-1] == e.TurnEnded("limit", "output")
    named = read(user("Hi.", name="ann"), assistant("Hi.", reasoning_content="A greeting."))
    assert shown(named)[0] == ("user", "ann: Hi.")
    [replied] = [each for each in named.events if isinstance(each, e.ModelReplied)]
    assert (replied.thinking, replied.text) == ("A greeting.", "Hi.")


def test_an_assistant_may_speak_first_and_twice():
    history = read(assistant("Welcome!"), assistant("What is it?"), user("A lamp."))
    assert shown(history) == [
        ("user", ""),
        ("assistant", "Welcome!\n\nWhat is it?"),
        ("user", "A lamp."),
    ]


def test_bad_json_and_odd_calls_are_carried():
    odd = {"id": "c", "type": "custom", "custom": {"name": "sql", "input": "select 1"}}
    history = read(
        user("Go."),
        assistant(tool_calls=[call("a", arguments="{bad"), call("b", arguments={"a": 1}), odd]),
        result("a"),
        result("b", {"sum": 3}),
        result("c", None),
        assistant("Done."),
    )
    arguments = [each.arguments for message in prompt(history) for each in message.calls]
    assert arguments == ['{"not_json":"{bad"}', '{"a":1}', '{"input":"select 1"}']
    assert ("tool", '{"sum":3}') in shown(history)


def test_objects_of_an_sdk_are_read():
    class Dumped:
        def model_dump(self, exclude_none: bool) -> dict[str, Any]:
            return assistant("Hi!")

    assert ("assistant", "Hi!") in shown(read(user("Hello"), Dumped()))


@pytest.mark.parametrize(
    ("messages", "told"),
    [
        ([], "at least one"),
        ("Hello", "must be a list of messages"),
        (["Hello"], "message 1: it must be an object such as"),
        ([user("a"), {"role": "bot"}], "message 2: its role is 'bot'; there are: system, dev"),
        ([user(7)], "message 1: its content must be a text or a list of parts, not a int"),
        ([assistant(tool_calls=[{"id": "x"}])], r"message 1, tool_calls\[0\].function: it must"),
        ([assistant(tool_calls=[call("x", "")])], r"tool_calls\[0\]: the call has no name"),
        ([user("a", name=7)], "message 1: name must be a text, not a int"),
    ],
)
def test_what_is_no_history_is_refused_in_words(messages, told):
    with pytest.raises(UsageError, match=told):
        read_history(ChatHistory(messages), Successor("agent", "key"))


def test_a_history_of_this_agent_s_instructions_alone_is_nothing():
    with pytest.raises(UsageError, match="nothing to go on with"):
        read({"role": "system", "content": "Be brief."}, instructions="Be brief.")


@pytest.mark.slow
def test_any_history_makes_a_legal_thread_and_a_prompt_that_all_providers_take():
    chance = random.Random(7)
    pieces = [
        user("Hi."),
        user([{"type": "image_url", "image_url": {"url": PNG}}], name="ann"),
        {"role": "system", "content": "Note."},
        assistant("Hm."),
        assistant(""),
        assistant(None, refusal="No."),
        assistant("So", tool_calls=[call("a"), call("a"), call("b")]),
        assistant(tool_calls=[call("b", "t.2", "[]")]),
        assistant(function_call={"name": "f", "arguments": ""}),
        result("a"),
        result("b", [{"type": "image_url", "image_url": {"url": PNG}}]),
        {"role": "function", "name": "f", "content": "7"},
        {"role": "tool", "content": ""},
    ]
    for _ in range(400):
        history = read(*chance.choices(pieces, k=chance.randrange(1, 12)), user("Hi."))
        assert state(history).phase == "ready"
        prompt(history)


def test_tools_of_a_request_are_described_and_those_that_are_none_are_named():
    told = {"name": "add", "description": "Add.", "parameters": {"type": "object"}}
    tools = [
        {"type": "function", "function": told},
        {"type": "function", "function": {"name": "now"}},
        {"type": "function", "function": {"name": "a b", "parameters": {"type": "array"}}},
        {"type": "web_search"},
    ]
    asked = ChatHistory([user("Hi."), assistant("Ho.")], tools, "gpt-x")
    history = read_history(asked, Successor("agent", "key"))
    [described] = [each for each in history.events if isinstance(each, e.AgentDescribed)]
    assert (list(described.tools), described.model) == (["add", "now"], "gpt-x")
    assert policy_from(described).tools["now"].description == ""
    assert history.lost == (
        "the tool a b, which is no function with a schema",
        "the tool without a name, which is no function with a schema",
    )
