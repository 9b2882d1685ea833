import base64
import dataclasses
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from fakes import legal_log
from messages_server import find_body_faults
from treadle.core.events import (
    Audio,
    Call,
    File,
    Image,
    ProviderCall,
    Text,
    Thinking,
    UserSaid,
)
from treadle.core.legal import make_turns, tools_in_history
from treadle.core.model import Message, Request, ToolSchema
from treadle.core.model_settings import ModelSettings
from treadle.core.prompt import messages as prompt_of
from treadle.core.prompt_hash import prompt_hash
from treadle.core.state import fold
from treadle.core.values import Part
from treadle.models.accepted_fields import find_accepted_fields
from treadle.models.anthropic.encode import encode_request
from treadle.models.chat.encode import encode_request as encode_chat
from treadle.models.dialect import RequestFields

ADD = ToolSchema(
    "add", "Adds.", {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}
)
POINT = {"type": "ephemeral"}
PNG = base64.b64encode(b"\x89PNG\r\n\x1a\n").decode()
PICTURE = Image(f"data:image/png;base64,{PNG}")
SIGNED = Thinking("hm", {"type": "thinking", "signature": "s1"})
CALL = Call("c00001000", "add", '{"a": 1}', {}, "toolu_1")
USE = {"type": "server_tool_use", "id": "srv_1", "name": "web_search", "input": {"query": "q"}}
FOUND = {"type": "web_search_tool_result", "tool_use_id": "srv_1", "content": []}
SEARCH = ProviderCall("web_search", opaque={"blocks": [USE, FOUND]})
SEARCHING = ProviderCall("web_search", opaque={"blocks": [USE]})
RESULT = ProviderCall("web_search", opaque={"blocks": [FOUND]})
USER, DONE = Message("user", "go"), Message("tool", "2", "c00001000")


def reply(*blocks: Part, **fields: Any) -> Message:
    return Message("assistant", blocks, model="m", **fields)


def body_of(
    request: Request, model: str = "claude-sonnet-5-5", faults: int = 0, **extra: Any
) -> dict[str, Any]:
    accepted = find_accepted_fields("api.anthropic.com", model)
    body = json.loads(encode_request(request, RequestFields(model, accepted, {}, extra)))
    assert len(list(find_body_faults(body))) == faults, list(find_body_faults(body))
    return body


def without_points(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: without_points(v) for k, v in value.items() if k != "cache_control"}
    return [without_points(each) for each in value] if isinstance(value, list) else value


def sent(*messages: Message, **fields: Any) -> list[Any]:
    """The messages of the body, without cache points."""
    request = Request(messages, (ADD,), **fields)
    return without_points(body_of(request)["messages"])


def test_a_whole_request():
    messages = (
        Message("system", "Be brief."),
        Message("user", ("What is this?", PICTURE)),
        reply(SIGNED, Text("I add"), CALL),
        DONE,
    )
    assert body_of(Request(messages, (ADD,), 100)) == {
        "model": "claude-sonnet-5-5",
        "max_tokens": 100,
        "stream": True,
        "tools": [{"name": "add", "description": "Adds.", "input_schema": ADD.parameters}],
        "system": [{"type": "text", "text": "Be brief.", "cache_control": POINT}],
        "messages": [
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": "What is this?"},
                    {
                        "type": "image",
                        "source": {"type": "base64", "media_type": "image/png", "data": PNG},
                        "cache_control": POINT,
                    },
                ],
            },
            {
                "role": "assistant",
                "content": [
                    {"type": "thinking", "thinking": "hm", "signature": "s1"},
                    {"type": "text", "text": "I add"},
                    {"type": "tool_use", "id": "toolu_1", "name": "add", "input": {"a": 1}},
                ],
            },
            {
                "role": "user",
                "content": [
                    {
                        "type": "tool_result",
                        "tool_use_id": "toolu_1",
                        "content": [{"type": "text", "text": "2"}],
                        "cache_control": POINT,
                    }
                ],
            },
        ],
    }


CHOICES = st.lists(st.integers(0, 10_000), min_size=20, max_size=45)


@pytest.mark.slow
@settings(max_examples=100)
@given(CHOICES, st.sampled_from(["claude-sonnet-5-5", "claude-opus-4-1", "deepseek-chat"]))
def test_any_log_s_prompt_is_a_legal_body(choices, model):
    log = legal_log(choices)
    state = fold(log)
    if state.phase != "ready":
        return
    shown = make_turns((*prompt_of(log, "be kind"), Message("user", "go on")))
    schema = {"type": "object", "properties": {"a": {"type": "integer", "minimum": 1}}}
    body_of(Request(shown, tools_in_history(shown), 100, schema), model)


def test_results_of_one_round_are_one_message_and_a_note_stands_after_them():
    other = Call("c00001001", "add", "{}", {}, "toolu_2")
    asks = reply(CALL, other)
    failed = Message("tool", "error: no", "c00001001", is_error=True)
    picture = Message("tool", ("[picture 1]", PICTURE), "c00001000")
    *_, answer = sent(USER, asks, picture, failed, Message("user", "Answer now."))
    first, second, note = answer["content"]
    assert [part["type"] for part in first["content"]] == ["text", "image"]
    assert "is_error" not in first
    assert (second["is_error"], second["content"][0]["text"]) == (True, "error: no")
    assert note == {"type": "text", "text": "Answer now."}


def test_nothing_empty_is_sent():
    empty = Message("tool", "", "c00001000")
    user, asks, result = sent(Message("user", (" ", "go")), reply(Text("\n"), CALL), empty)
    assert user["content"] == [{"type": "text", "text": "go"}]
    assert [block["type"] for block in asks["content"]] == ["tool_use"]
    assert result["content"] == [{"type": "tool_result", "tool_use_id": "toolu_1"}]
    assert sent(Message("assistant", "hi"), USER)[0]["content"][0]["text"] == "(nothing was said)"
    assert body_of(Request((Message("system", "s"),)))["messages"][0]["role"] == "user"


def test_thoughts_go_back_only_if_they_are_signed_and_never_last():
    hidden = Thinking("", {"type": "redacted_thinking", "data": "RW5j"})
    omitted = Thinking("", {"type": "thinking", "signature": "s2"})
    foreign = Thinking("hm", {"reasoning_content": "hm"})
    blocks = (hidden, omitted, Thinking("unsigned"), foreign, Text("hi"), SIGNED)
    assert sent(USER, reply(*blocks), USER)[1]["content"] == [
        {"type": "redacted_thinking", "data": "RW5j"},
        {"type": "thinking", "thinking": "", "signature": "s2"},
        {"type": "text", "text": "hi"},
    ]


def test_a_server_that_signs_nothing_gets_its_thoughts_back_and_one_before_each_call():
    foreign = Thinking("hm", {"reasoning_content": "hm"})
    call = Call("c1", "add", '{"a":1}', provider_id="c1")
    history = (USER, reply(Thinking("so"), foreign, call), Message("tool", "1", "c1"))
    later = (*history, reply(Call("c2", "add", '{"a":2}')), Message("tool", "2", "c2"))
    request = Request((*later, reply(Text("3")), USER), (ADD,))
    fields = RequestFields("m", find_accepted_fields("api.deepseek.com", "deepseek-v4-pro"))

    def thoughts(fields: RequestFields) -> list[list[Any]]:
        messages = json.loads(encode_request(request, fields))["messages"]
        replies = [each["content"] for each in messages if each["role"] == "assistant"]
        return [[b for b in blocks if b["type"] == "thinking"] for blocks in replies]

    so = {"type": "thinking", "thinking": "so", "signature": ""}
    assert thoughts(fields) == [[so], [so | {"thinking": ""}], []]
    without = dataclasses.replace(fields, extra={"thinking": {"type": "disabled"}})
    assert thoughts(without) == [[], [], []]


@pytest.mark.parametrize(
    ("most", "thinking"),
    [
        (8001, {"type": "enabled", "budget_tokens": 8000}),
        (8000, {"type": "enabled", "budget_tokens": 6000}),
        (1366, {"type": "enabled", "budget_tokens": 1024}),
        (1365, {"type": "disabled"}),  # as a summary, or what a limit has left
    ],
)
def test_a_budget_for_thinking_leaves_room_for_words(most: int, thinking: dict[str, Any]):
    request = Request((USER,), (), most)
    given = {"type": "enabled", "budget_tokens": 8000}
    assert body_of(request, "claude-sonnet-4-5", thinking=given)["thinking"] == thinking


def test_another_dialect_s_fields_under_the_same_name_are_not_sent():
    blocks = (
        Text("hi", {"type": "output_text", "annotations": []}),
        ProviderCall("web_search", opaque={"id": "ws_1", "type": "web_search_call"}),
        Call("c00001000", "add", "{}", {"extra_content": {}}, "call/1"),
    )
    _, asks, result = sent(USER, reply(*blocks), DONE)
    assert asks["content"] == [
        {"type": "text", "text": "hi"},
        {"type": "tool_use", "id": "c00001000", "name": "add", "input": {}},
    ]
    assert result["content"][0]["tool_use_id"] == "c00001000"


def test_ids_that_a_server_repeats_are_replaced_by_ours():
    again = Call("c00009000", "add", "{}", {}, "toolu_1")
    rest = Message("tool", "3", "c00009000")
    _, first, one, second, two = sent(USER, reply(CALL), DONE, reply(again), rest)
    assert (first["content"][0]["id"], one["content"][0]["tool_use_id"]) == ("toolu_1", "toolu_1")
    assert second["content"][0]["id"] == two["content"][0]["tool_use_id"] == "c00009000"


def test_words_for_an_empty_message_leave_the_thoughts_after_it_as_they_were():
    empty = Message("user", "")
    said = reply(SIGNED, Text("hi"), prompt_hash=prompt_hash([empty], [ADD]))
    first, second, _ = sent(empty, said, USER)
    assert first["content"] == [{"type": "text", "text": "(nothing was said)"}]
    assert second["content"][0] == SIGNED.opaque | {"thinking": "hm"}


def test_a_thought_is_left_out_once_something_before_it_has_changed():
    was = prompt_hash([USER], [ADD])
    said = reply(SIGNED, Text("hi"), prompt_hash=was)
    kept = [SIGNED.opaque | {"thinking": "hm"}, {"type": "text", "text": "hi"}]
    assert sent(USER, said, USER)[1]["content"] == kept
    changed = (Message("system", "new"), USER, said, USER)
    assert sent(*changed)[-2]["content"] == kept[1:]
    later = prompt_hash([*changed], [ADD])
    again = reply(SIGNED, Text("yes"), prompt_hash=later)
    blocks = [m["content"] for m in sent(*changed, again, USER) if m["role"] == "assistant"]
    assert blocks == [kept[1:], [kept[0], {"type": "text", "text": "yes"}]]
    old = Request((Message("system", "new"), USER, said, USER), (ADD,))
    for model in ("claude-opus-4-5", "claude-sonnet-4-20250514", "claude-opus-5", "deepseek-chat"):
        assert body_of(old, model)["messages"][1]["content"] == kept


@pytest.mark.parametrize(
    ("history", "kinds"),
    [
        ((USER, reply(SEARCH, Text("a")), USER), ["server_tool_use", "web_search_tool_result", "text"]),
        ((USER, reply(SEARCHING)), ["server_tool_use"]),
        ((USER, reply(SEARCHING, CALL), DONE), ["server_tool_use", "tool_use"]),
        ((USER, reply(SEARCHING, CALL), DONE, USER), ["tool_use"]),
        ((USER, reply(Text("a"), SEARCHING), USER), ["text"]),
        ((USER, reply(RESULT, Text("a")), USER), ["text"]),
        ((USER, reply(SEARCHING, RESULT, Text("a")), USER), ["server_tool_use", "web_search_tool_result", "text"]),
    ],
)  # fmt: skip
def test_a_provider_s_call_goes_back_with_its_result_or_while_its_turn_goes_on(history, kinds):
    assert [block["type"] for block in sent(*history)[1]["content"]] == kinds


def test_a_call_that_is_answered_in_a_later_reply_goes_back_with_it():
    history = (USER, reply(SEARCHING, CALL), DONE, reply(RESULT, Text("a")), USER)
    blocks = [block["type"] for message in sent(*history) for block in message["content"]]
    assert blocks == [
        "text",
        "server_tool_use",
        "tool_use",
        "tool_result",
        "web_search_tool_result",
        "text",
        "text",
    ]


@pytest.mark.parametrize(
    ("part", "block"),
    [
        (Image("https://a.test/x.png"), {"type": "image", "source": {"type": "url", "url": "https://a.test/x.png"}}),
        (
            File("a.pdf", "data:application/pdf;base64,JVBERi0="),
            {
                "type": "document",
                "source": {"type": "base64", "media_type": "application/pdf", "data": "JVBERi0="},
                "title": "a.pdf",
            },
        ),
        (
            File("", "https://a.test/x.pdf"),
            {"type": "document", "source": {"type": "url", "url": "https://a.test/x.pdf"}},
        ),
        (
            File.of(b'{"a": "\xc3\xa4"}', "a.json"),
            {
                "type": "document",
                "source": {"type": "text", "media_type": "text/plain", "data": '{"a": "ä"}'},
                "title": "a.json",
            },
        ),
        (
            File("a.txt", "data:,hello%20you"),
            {
                "type": "document",
                "source": {"type": "text", "media_type": "text/plain", "data": "hello you"},
                "title": "a.txt",
            },
        ),
        (
            File("a.docx", "data:application/x-docx;base64,AAAA"),
            {"type": "text", "text": "(The file a.docx is application/x-docx, which this model can't read.)"},
        ),
        (Audio("data:audio/wav;base64,AAAA"), {"type": "text", "text": "(Here was a sound. This model takes none.)"}),
    ],
)  # fmt: skip
def test_pictures_and_files(part, block):
    assert sent(Message("user", (part,)))[0]["content"] == [block]
    *_, result = sent(USER, reply(CALL), Message("tool", ("x", part), "c00001000"))
    assert result["content"][0]["content"] == [{"type": "text", "text": "x"}, block]


def points_of(body: dict[str, Any]) -> list[tuple[str, Any]]:
    found = [("tools", tool["name"]) for tool in body.get("tools", ()) if "cache_control" in tool]
    found += [("system", b["text"]) for b in body.get("system", ()) if "cache_control" in b]
    for index, message in enumerate(body["messages"]):
        found += [("messages", index) for block in message["content"] if "cache_control" in block]
    return found


def test_cache_points_stand_where_the_last_request_ended_and_where_this_one_does():
    system, more = Message("system", "s"), reply(replace(CALL, provider_id="toolu_2", id="c2"))
    turns = (system, USER, reply(CALL), DONE, more, Message("tool", "3", "c2"))
    expected = [
        (2, [("system", "s"), ("messages", 0)]),
        (4, [("system", "s"), ("messages", 0), ("messages", 2)]),
        (6, [("system", "s"), ("messages", 2), ("messages", 4)]),
    ]
    for end, points in expected:
        assert points_of(body_of(Request(turns[:end], (ADD,)))) == points
    assert points_of(body_of(Request((USER,), (ADD,)))) == [("tools", "add"), ("messages", 0)]
    assert points_of(body_of(Request((USER,), (ADD,)), cache_control=None)) == []
    long = {"type": "ephemeral", "ttl": "1h"}
    body = body_of(Request((USER,)), cache_control=long)
    assert body["messages"][0]["content"][0]["cache_control"] == long
    assert "cache_control" not in body


def test_what_was_sent_stays_the_beginning_of_what_is_sent():
    system, tools = Message("system", "s"), (ADD,)
    more = reply(SIGNED, replace(CALL, provider_id="toolu_2", id="c2"))
    turns = (system, USER, reply(CALL), DONE, more, Message("tool", "3", "c2"))
    before: list[Any] = []
    for end in (2, 4, 6):
        body = without_points(body_of(Request(turns[:end], tools)))
        now = [*body["tools"], *body["system"], *body["messages"]]
        assert now[: len(before)] == before
        before = now


def test_tools_that_may_not_be_called_are_sent_with_that_choice():
    history = (USER, reply(CALL), DONE)
    assert body_of(Request(history, (ADD,), tool_choice="none"))["tool_choice"] == {"type": "none"}
    assert "tool_choice" not in body_of(Request(history, (ADD,)))


def test_a_turn_that_goes_on_keeps_the_container_that_its_code_runs_in():
    opaque = {"type": "message", "container": {"id": "container_1", "expires_at": "2026-11-27"}}
    asks = reply(CALL, opaque=opaque)
    assert body_of(Request((USER, asks, DONE), (ADD,)))["container"] == "container_1"
    for over in ((USER, asks, DONE, USER), (USER, reply(CALL), DONE), (USER,)):
        assert "container" not in body_of(Request(over, (ADD,)))
    foreign = reply(CALL, opaque={"container": {"id": "container_1"}})
    assert "container" not in body_of(Request((USER, foreign, DONE), (ADD,)))


def test_a_user_s_fields_win_and_tools_of_the_provider_are_added():
    search = {"type": "web_search_20250305", "name": "web_search", "max_uses": 3}
    schema = {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}
    body = body_of(
        Request((USER,), (ADD,), 100, schema),
        max_tokens=2000,
        thinking={"type": "adaptive"},
        output_config={"effort": "high"},
        tools=[search],
        metadata=None,
    )
    assert (body["max_tokens"], body["thinking"]) == (2000, {"type": "adaptive"})
    assert [tool["name"] for tool in body["tools"]] == ["add", "web_search"]
    assert body["tools"][1] == search
    config = body["output_config"]
    assert (config["effort"], config["format"]["type"]) == ("high", "json_schema")
    assert "metadata" not in body
    none = body_of(Request((USER,), (), 100, schema), output_config=None)
    assert "output_config" not in none


def test_settings_stand_where_the_api_has_them():
    asked = ModelSettings(
        effort="low",
        stop="END",
        service_tier="standard_only",
        parallel_tool_calls=False,
        max_output_tokens=7,
    )
    schema = {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}
    body = body_of(Request((USER,), (ADD,), 100, schema, settings=asked))
    assert body["service_tier"] == "standard_only"
    assert (body["max_tokens"], body["stop_sequences"]) == (100, ["END"])
    assert body["tool_choice"] == {"type": "auto", "disable_parallel_tool_use": True}
    assert body["output_config"].keys() == {"effort", "format"}
    assert not body.keys() & {"stop", "effort", "parallel_tool_calls", "reasoning_effort"}
    # The SDK's types are those of the newer version, which has no temperature.
    older = ModelSettings(temperature=0.5, top_p=0.9)
    sampled = body_of(Request((USER,), settings=older), "claude-sonnet-4-5", faults=2)
    assert (sampled["temperature"], sampled["top_p"]) == (0.5, 0.9)
    alone = body_of(Request((USER,), settings=asked))
    assert "tool_choice" not in alone
    history = (USER, reply(CALL), DONE)
    none = body_of(Request(history, (ADD,), tool_choice="none", settings=asked))
    assert none["tool_choice"] == {"type": "none"}


def test_a_setting_that_the_user_s_fields_remove_isn_t_sent():
    asked = ModelSettings(temperature=0.5, effort="low", stop="END", parallel_tool_calls=False)
    removed = {"temperature": None, "reasoning_effort": None, "stop": None}
    body = body_of(
        Request((USER,), (ADD,), settings=asked),
        **removed,
        tool_choice={"type": "any"},
    )
    assert not body.keys() & {"temperature", "output_config", "stop_sequences", *removed}
    assert body["tool_choice"] == {"type": "any", "disable_parallel_tool_use": True}


def test_a_model_that_can_t_be_held_to_the_schema_has_the_instructions_alone():
    schema = {"type": "object", "additionalProperties": {"type": "integer"}}
    for model, wanted in (("claude-sonnet-5-5", schema), ("claude-opus-4-1", {"type": "integer"})):
        body = body_of(Request((Message("system", "s"), USER), (), 100, wanted), model)
        assert "output_config" not in body
        assert body["system"] == [{"type": "text", "text": "s", "cache_control": POINT}]


def test_chat_completions_are_sent_no_field_of_this_dialect():
    message = Message("user", "hi")
    raw = encode_chat(Request((message,)), RequestFields("m"))
    assert b"cache_control" not in raw
    assert UserSaid("hi").text == "hi"
