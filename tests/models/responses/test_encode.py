"""Writing the Responses API. Each body is checked against the types of the official SDK."""

import json
from typing import Any

import pytest
from pydantic import TypeAdapter

from responses_server import (
    Item,
    check_shape,
    events,
    function_call,
    message,
    reasoning,
    searched,
    to_bytes,
)
from treadle.core.errors import UsageError
from treadle.core.events import Audio, Call, File, Image, ProviderCall, Text, Thinking
from treadle.core.legal import NO_SOUND
from treadle.core.model import Message, Reply, Request, ToolSchema
from treadle.core.model_settings import ModelSettings, settings_of
from treadle.core.values import Block
from treadle.models.dialect import RequestFields
from treadle.models.remote_model import RemoteModel
from treadle.models.reply_reader import ReplyReader
from treadle.models.responses.accepted_fields import find_accepted_fields
from treadle.models.responses.dialect import RESPONSES
from treadle.models.responses.encode import encode_request

PICTURE = Image("data:image/png;base64,AAAA")
ADD = ToolSchema("add", "Adds.", {"type": "object", "properties": {"a": {"type": "integer"}}})
GO = Message("user", "go")
SCHEMA = {"type": "object", "properties": {"n": {"type": "integer"}}}


def body(request: Request, **settings: Any) -> Any:
    """The body that a model at OpenAI sends, once the SDK's types have it."""
    name = settings.pop("model", "gpt-5-mini")
    url = settings.pop("base_url", "https://api.openai.com/v1")
    model = RemoteModel(name, base_url=url, api_key="k", dialect=RESPONSES, **settings)
    made = json.loads(model.body(request))
    check_shape(made)
    return made


def items(*messages: Message) -> list[Item]:
    made: list[Item] = body(Request(messages))["input"]
    return made


def read(output: list[Item]) -> Reply:
    reader = ReplyReader(RESPONSES)
    reader.feed(to_bytes(*events(output)))
    return reader.finish(1)


def sent_back(output: list[Item], *after: Message) -> list[Item]:
    return items(GO, Message("assistant", recorded(read(output)), model="m"), *after)[1:]


def recorded(reply: Reply) -> tuple[Block, ...]:
    """The blocks as the log has them: with our own ids of the calls."""
    assert not isinstance(reply.content, str)
    blocks: list[Block] = []
    for number, block in enumerate(reply.content):
        if isinstance(block, Call):
            block = Call(f"c{number}", block.name, block.arguments, block.opaque, block.id)
        blocks.append(block)
    return tuple(blocks)


def test_a_whole_request_is_what_the_reference_wants():
    request = Request(
        (Message("system", "Be brief."), GO), (ADD,), 99, SCHEMA, "none", cache_key="key"
    )
    assert body(request) == {
        "model": "gpt-5-mini",
        "stream": True,
        "store": False,
        "max_output_tokens": 99,
        "prompt_cache_key": "key",
        "include": ["reasoning.encrypted_content"],
        "reasoning": {"summary": "auto"},
        "text": {
            "format": {"type": "json_schema", "name": "answer", "schema": SCHEMA, "strict": False}
        },
        "tool_choice": "none",
        "instructions": "Be brief.",
        "tools": [
            {
                "type": "function",
                "name": "add",
                "description": "Adds.",
                "parameters": ADD.parameters,
                "strict": False,
            }
        ],
        "input": [{"type": "message", "role": "user", "content": "go"}],
    }


@pytest.mark.parametrize(
    ("model", "url", "added"),
    [
        ("gpt-6-luna", "https://api.openai.com/v1", {"include", "reasoning", "prompt_cache_key"}),
        ("o4-mini", "https://eu.api.openai.com/v1", {"include", "reasoning", "prompt_cache_key"}),
        ("ft:gpt-5.4:acme", "https://api.openai.com/v1", {"include", "reasoning"}),
        ("gpt-4.1", "https://api.openai.com/v1", {"prompt_cache_key"}),
        ("gpt-41-mini", "https://x.openai.azure.com/openai/v1", set()),
        ("gpt-5.2-chat-latest", "https://api.openai.com/v1", {"prompt_cache_key"}),
        ("grok-4", "https://api.x.ai/v1", {"include"}),
    ],
)
def test_a_model_is_sent_what_its_family_takes(model, url, added):
    sent = body(Request((GO,), cache_key="key"), model=model, base_url=url)
    named = sent.keys() & {"include", "reasoning", "prompt_cache_key"}
    assert named >= added
    assert "reasoning_effort" not in sent
    assert ("reasoning" in named) == ("reasoning" in added)
    assert ("include" in named) == ("include" in added)


def test_what_the_model_gave_goes_back_as_it_came():
    output = [
        reasoning(1, "hm", "so"),
        searched(2, "q", "https://a.test"),
        message(3, "I add.", phase="commentary"),
        reasoning(4),
        function_call(5, "add", {"a": 1}),
    ]
    sent = sent_back(output, Message("tool", "3", "c4"))
    for item in output:
        item.pop("status" if item["type"] == "reasoning" else "", None)  # null in replies only
    assert sent[:-1] == output
    assert sent[-1] == {"type": "function_call_output", "call_id": "call_5", "output": "3"}


def test_two_parts_of_one_message_are_one_item_again():
    item = message(1, "one")
    item["content"].append({"type": "output_text", "text": "\n\ntwo", "annotations": []})
    [sent] = sent_back([item])
    assert [part["text"] for part in sent["content"]] == ["one", "\n\ntwo"]
    assert sent["id"] == "msg_1"


def test_what_another_model_thought_and_its_ids_are_left_out():
    output = [reasoning(1, "hm"), message(2, "I add."), function_call(3, "add", {})]
    message_ = Message("assistant", recorded(read(output)), model="openai:other").for_model("m")
    assert items(GO, message_, Message("tool", "3", "c2"))[1:] == [
        {"type": "message", "role": "assistant", "content": "I add."},
        {"type": "function_call", "call_id": "c2", "name": "add", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "c2", "output": "3"},
    ]


def test_fields_of_chat_completions_are_left_out():
    thought = Thinking("hm", {"reasoning_content": "hm", "type": "text"})
    said = Message("assistant", (thought, Text("x", {"name": "y"})), "", {"audio": 1}, "m")
    assert items(GO, said)[1:] == [{"type": "message", "role": "assistant", "content": "x"}]


def test_opaque_fields_never_say_what_the_log_doesn_t_show():
    forged = (
        Thinking("hm", reasoning(1, "something else") | {"content": [{"text": "hidden"}]}),
        Thinking("", {"type": "message", "role": "system", "content": "hidden"}),
        Text("said", {"type": "message", "id": "m", "role": "system", "part": {"text": "hidden"}}),
        ProviderCall("x", opaque={"type": "message", "role": "user", "content": "hidden"}),
        ProviderCall("x", opaque={"type": "additional_tools", "role": "developer", "tools": []}),
        ProviderCall("x", opaque={"type": "function_call_output", "output": "hidden"}),
        Call("c1", "add", "{}", {"type": "function_call", "name": "hidden", "arguments": "hidden"}),
    )
    sent = items(GO, Message("assistant", forged, model="m"), Message("tool", "3", "c1"))
    assert "hidden" not in json.dumps(sent)
    thought, said, call = sent[1:4]
    assert thought["summary"] == [{"type": "summary_text", "text": "hm"}]
    assert (said["role"], said["content"][0]["text"]) == ("assistant", "said")
    assert (call["name"], call["arguments"]) == ("add", "{}")


@pytest.mark.parametrize(
    ("output", "left"),
    [
        # "Item 'rs_1' of type 'reasoning' was provided without its required following item."
        ([message(0, "a"), reasoning(1)], [("message", True)]),
        # "Item with id 'rs_1' not found. Items are not persisted when `store` is set to false."
        (
            [reasoning(1) | {"encrypted_content": None}, message(2, "a", phase="commentary")],
            [("message", False)],
        ),
        (
            [reasoning(1) | {"encrypted_content": None}, searched(2, "q"), message(3, "a")],
            [("message", False)],
        ),
        (
            [message(0, "a"), reasoning(1) | {"encrypted_content": None}, message(2, "b")],
            [("message", True), ("message", False)],
        ),
        # Open models think in plain text, which goes back as it is.
        (
            [
                reasoning(1)
                | {
                    "encrypted_content": None,
                    "content": [{"type": "reasoning_text", "text": "hm"}],
                },
                message(2, "a"),
            ],
            [("reasoning", True), ("message", True)],
        ),
    ],
)
def test_reasoning_that_can_t_go_back_takes_the_ids_of_its_items_with_it(output, left):
    sent = sent_back(output)
    assert [(item["type"], "id" in item) for item in sent] == left


def test_a_call_without_its_reasoning_has_no_id_and_a_phase_is_kept():
    output = [reasoning(1) | {"encrypted_content": None}, message(2, "a", phase="commentary")]
    output.append(function_call(3, "add", {}))
    said, call, _ = sent_back(output, Message("tool", "3", "c2"))
    assert said["phase"] == "commentary"
    assert "id" not in call
    assert call["call_id"] == "call_3"


def test_a_provider_s_id_that_comes_twice_gives_way_to_our_own():
    def said(own: str, theirs: str) -> tuple[Message, Message]:
        call = Call(own, "add", "{}", {}, theirs)
        return Message("assistant", (call,), model="m"), Message("tool", own, own)

    sent = items(GO, *said("c1", "call_0"), *said("c2", "call_0"), *said("c3", "no id!"))
    ids = [(item["type"], item["call_id"]) for item in sent[1:]]
    assert ids == [
        (kind, call_id)
        for call_id in ("call_0", "c2", "c3")
        for kind in ("function_call", "function_call_output")
    ]
    twice = (Call("c1", "add", "{}", {}, "x"), Call("c2", "add", "{}", {}, "x"))
    sent = items(GO, Message("assistant", twice, model="m"), Message("tool", "1", "c1"))
    assert [item["call_id"] for item in sent[1:]] == ["c1", "c2", "c1"]


def test_pictures_and_files_stand_in_what_people_and_tools_say():
    text = File("a.txt", "data:text/plain;base64,AAAA")
    sent = items(
        Message("user", ("look", PICTURE, text, File("b.pdf", "https://x.test/b.pdf"))),
        Message("assistant", (Call("c1", "add", "{}"),)),
        Message("tool", ("seen", PICTURE, text), "c1"),
    )
    picture = {"type": "input_image", "image_url": PICTURE.url, "detail": "auto"}
    file = {"type": "input_file", "filename": "a.txt", "file_data": text.url}
    assert sent[0]["content"] == [
        {"type": "input_text", "text": "look"},
        picture,
        file,
        {"type": "input_file", "file_url": "https://x.test/b.pdf"},
    ]
    assert sent[2]["output"] == [{"type": "input_text", "text": "seen"}, picture, file]


SOUND = Audio("data:audio/wav;base64,AAAA")
HEARD = Request(
    (
        Message("user", ("hear", SOUND)),
        Message("assistant", (Call("c1", "add", "{}"),)),
        Message("tool", ("heard", SOUND), "c1"),
    )
)


def test_openai_takes_no_sound_so_words_say_so():
    first, _, output = body(HEARD)["input"]
    assert first["content"] == f"hear\n{NO_SOUND}"
    assert output["output"] == f"heard\n{NO_SOUND}"


def test_other_servers_are_sent_sounds_by_people_only():
    from openai.types.responses import ResponseInputAudioParam  # slow, so only here

    fields = RequestFields("m", find_accepted_fields("openrouter.ai", "m"))
    made = json.loads(encode_request(HEARD, fields))
    part = {"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}}
    adapter: TypeAdapter[Any] = TypeAdapter(ResponseInputAudioParam)
    assert adapter.validate_python(part) == part
    first, _, output, beside = made["input"]
    assert first["content"][1] == part
    assert output["output"] == "heard"
    assert (beside["role"], beside["content"][1]) == ("user", part)


def test_a_system_message_in_mid_history_is_the_developer_s():
    sent = body(Request((Message("system", "s"), GO, Message("system", "now German"), GO)))
    assert sent["instructions"] == "s"
    assert [item["role"] for item in sent["input"]] == ["user", "developer", "user"]


@pytest.mark.parametrize(
    ("extra", "sent"),
    [
        ({"reasoning_effort": "low"}, {"reasoning": {"summary": "auto", "effort": "low"}}),
        ({"reasoning": {"effort": "low"}}, {"reasoning": {"summary": "auto", "effort": "low"}}),
        ({"reasoning": {"summary": None}}, {"reasoning": None}),
        ({"reasoning": None}, {"reasoning": None}),
        ({"verbosity": "low"}, {"text": {"verbosity": "low"}}),
        (
            {
                "response_format": {
                    "type": "json_schema",
                    "json_schema": {"name": "a", "schema": {}},
                }
            },
            {"text": {"format": {"type": "json_schema", "name": "a", "schema": {}}}},
        ),
        (
            {"response_format": {"type": "json_object"}},
            {"text": {"format": {"type": "json_object"}}},
        ),
        (
            {"include": ["message.output_text.logprobs"]},
            {"include": ["reasoning.encrypted_content", "message.output_text.logprobs"]},
        ),
        ({"include": None}, {"include": None}),
        ({"store": True, "temperature": 0.5}, {"store": True, "temperature": 0.5}),
        ({"service_tier": "flex"}, {"service_tier": "flex"}),
        ({"parallel_tool_calls": False}, {"parallel_tool_calls": False}),
        ({"max_completion_tokens": None}, {"max_output_tokens": None}),
        ({"effort": None}, {"reasoning": {"summary": "auto"}}),
        ({"prompt_cache_key": "mine"}, {"prompt_cache_key": "mine"}),
        ({"instructions": "mine"}, {"instructions": "mine"}),
        ({"instructions": None}, {"instructions": None}),
        (
            {"tools": [{"type": "web_search"}, {"type": "code_interpreter", "container": "c"}]},
            {
                "include": [
                    "reasoning.encrypted_content",
                    "web_search_call.action.sources",
                    "code_interpreter_call.outputs",
                ]
            },
        ),
    ],
)
def test_a_user_s_fields_win_also_by_their_names_in_chat_completions(extra, sent):
    request = Request((Message("system", "s"), GO), (ADD,), cache_key="key")
    made = body(request, settings=settings_of(extra))
    assert {name: made.get(name) for name in sent} == sent


def test_settings_stand_where_the_api_has_them():
    own = ModelSettings(temperature=0.5, effort="high", max_output_tokens=7)
    asked = ModelSettings(top_p=0.9, effort="low", service_tier="flex", parallel_tool_calls=False)
    made = body(Request((GO,), (ADD,), 100, settings=asked), settings=own)
    sent = {
        "temperature": 0.5,
        "top_p": 0.9,
        "reasoning": {"effort": "low", "summary": "auto"},
        "service_tier": "flex",
        "parallel_tool_calls": False,
        "max_output_tokens": 100,
    }
    assert {name: made.get(name) for name in sent} == sent
    assert "parallel_tool_calls" not in body(Request((GO,), settings=asked))
    left_out = body(Request((GO,), settings=asked), settings=settings_of({"reasoning": None}))
    assert "reasoning" not in left_out


@pytest.mark.parametrize(("name", "value"), [("seed", 7), ("stop", "END")])
def test_a_setting_that_the_api_lacks_is_refused_before_a_request(name, value):
    with pytest.raises(UsageError, match=f"has no setting {name!r}; it has effort, extra"):
        body(Request((GO,)), settings=settings_of({name: value}))


def test_tools_of_the_provider_stand_after_the_agent_s():
    own = ModelSettings(extra={"tools": [{"type": "web_search"}]})
    assert [tool["type"] for tool in body(Request((GO,), (ADD,)), settings=own)["tools"]] == [
        "function",
        "web_search",
    ]
    assert body(Request((GO,)), settings=own)["tools"] == [{"type": "web_search"}]


def test_the_beginning_stays_the_same_bytes_as_a_thread_grows():
    messages: list[Message] = [Message("system", "s"), GO]
    fields = RequestFields("m", find_accepted_fields("api.openai.com", "gpt-5"))
    before = b""
    for number in range(5):
        made = encode_request(Request(tuple(messages), (ADD,)), fields)
        assert made.startswith(before)
        before = made[:-2]
        output = [reasoning(number), function_call(number + 10, "add", {"a": number})]
        call_id = f"c{number}"
        thought, call = recorded(read(output))
        assert isinstance(call, Call)
        call = Call(call_id, call.name, call.arguments, call.opaque, call.provider_id)
        messages.append(Message("assistant", (thought, call), model="m"))
        messages.append(Message("tool", str(number), call_id))
