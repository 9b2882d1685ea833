"""A refusal of what Treadle sends by itself: one more try without it, told once, remembered."""

import asyncio
import dataclasses
import json
import logging
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from responses_server import message, streams
from server import Answer, calls, failing, says, serving
from treadle.core.errors import ContextOverflow, ModelDenied, ModelError, ModelRejected
from treadle.core.events import Call, Image, Text, Thinking
from treadle.core.model import Message, Reply, Request, ToolSchema
from treadle.core.model_settings import ModelSettings
from treadle.models.accepted_fields import AcceptedFields, find_accepted_fields
from treadle.models.anthropic.dialect import MESSAGES
from treadle.models.chat.dialect import CHAT
from treadle.models.dialect import RequestFields
from treadle.models.refusals import Sent, learn
from treadle.models.remote_model import RemoteModel
from treadle.models.responses.accepted_fields import find_accepted_fields as find_for_responses
from treadle.models.responses.dialect import RESPONSES

STOCK = ToolSchema("stock", "How many.", {"type": "object", "properties": {}})
SCHEMA = {"type": "object", "properties": {}}
USER = Message("user", "go")
TOLD = (Message("system", "Be brief."), USER)
CALLS = Message("assistant", (Thinking("hm", {"reasoning": "hm"}), Call("a", "stock", "{}")))
HISTORY = (*TOLD, CALLS, Message("tool", "1", "a"))
GO = Request(TOLD)
TYPED = Request(TOLD, (), 4096, SCHEMA)
TYPED_WITH_TOOLS = Request(TOLD, (STOCK,), 4096, SCHEMA)


def no(message: str, status: int = 400, **more: Any) -> Answer:
    return failing(status, {"error": {"message": message} | more})


@pytest.fixture
def warned(caplog):
    """The lines that a user was told."""

    def lines() -> list[str]:
        return [record.getMessage() for record in caplog.records if record.name == "treadle"]

    caplog.set_level(logging.WARNING, "treadle")
    return lines


def asked(
    *answers: Answer, requests: tuple[Request, ...] = (GO, GO), **settings: Any
) -> tuple[list[Any], list[Reply | ModelError]]:
    """The bodies that a server got, and what came of each; the model is made anew each time."""

    async def main() -> tuple[list[Any], list[Reply | ModelError]]:
        outcomes: list[Reply | ModelError] = []
        async with serving(*answers) as server:
            for request in requests:
                model = RemoteModel("m", base_url=server.url, api_key="sk-secret", **settings)
                try:
                    outcomes.append(await model.reply(request, lambda text: None))
                except ModelError as error:
                    outcomes.append(error)
            return [each.body for each in server.asked], outcomes

    return asyncio.run(main())


EXTRA = {"type": "extra_forbidden", "loc": ["body", "stream_options", "include_usage"]}


@pytest.mark.parametrize(
    ("refusal", "request_", "field", "values"),
    [
        (
            failing(422, {"message": {"detail": [EXTRA]}}),
            GO,
            "stream_options",
            [{"include_usage": True}, None, None],
        ),
        (no("Unrecognized request argument supplied: stream_options"), GO, "stream_options", None),
        (no("unknown field", param="stream_options"), GO, "stream_options", None),
        (
            no("response_format json_schema isn't available", type="invalid_request_error"),
            TYPED,
            "response_format",
            None,
        ),
        (no("This model does not support structured outputs"), TYPED, "response_format", None),
        (no("This response_format type is unavailable now"), TYPED, "response_format", None),
        (
            no("Unknown field: tool_choice"),
            replace(TYPED_WITH_TOOLS, tool_choice="none"),
            "tool_choice",
            ["none", None, None],
        ),
        (
            no("Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead."),
            GO,
            "max_completion_tokens",
            [None, 4096, 4096],
        ),
        (no("extra field: max_tokens"), GO, "max_completion_tokens", [None, 4096, 4096]),
    ],
)
def test_a_field_that_is_refused_is_left_out_or_renamed_and_that_is_remembered(
    refusal, request_, field, values
):
    bodies, outcomes = asked(refusal, says("a"), says("b"), requests=(request_, request_))
    sent = [body.get(field) for body in bodies]
    if values is None:
        assert sent[0] is not None
        assert sent[1:] == [None, None]
    else:
        assert sent == values
    assert [outcome.text for outcome in outcomes] == ["a", "b"]
    rest = [{key: body[key] for key in ("model", "stream", "messages")} for body in bodies]
    assert rest[0] == rest[1] == rest[2]


def test_it_is_said_once_for_each_model(warned):
    refusal = no("Unknown field stream_options")
    asked(refusal, says("a"), says("b"), name="tells-once")
    assert warned() == ["tells-once doesn't take stream_options, so it is left out"]


def test_a_server_that_refuses_one_thing_after_the_other_is_understood():
    bodies, outcomes = asked(
        no("Unknown field stream_options"),
        no("Unknown field max_tokens"),
        no("System role not supported"),
        says("a"),
        says("b"),
    )
    assert [outcome.text for outcome in outcomes] == ["a", "b"]
    assert bodies[3] == bodies[4]
    assert bodies[3] == {
        "model": "m",
        "stream": True,
        "max_completion_tokens": 4096,
        "messages": [{"role": "user", "content": "Be brief.\n\ngo"}],
    }


def test_a_server_that_takes_the_limit_under_no_name_is_sent_none():
    refusals = (no("Unknown field max_tokens"), no("Unknown field max_completion_tokens"))
    bodies, outcomes = asked(*refusals, says("a"), says("b"))
    assert [outcome.text for outcome in outcomes] == ["a", "b"]
    assert not {"max_tokens", "max_completion_tokens"} & bodies[3].keys()


def test_a_server_that_refuses_everything_is_not_asked_for_ever():
    refusals = [no(f"Unknown field {name}") for name in ("stream_options", "max_tokens") * 9]
    bodies, [outcome] = asked(*refusals, requests=(GO,))
    assert isinstance(outcome, ModelRejected)
    assert len(bodies) < 6


@pytest.mark.parametrize(
    ("refusal", "extra"),
    [
        (no("Unknown field stream_options"), {"stream_options": {"include_usage": True}}),
        (no("Unknown field top_k"), {"top_k": 3}),
        (no("messages: too many"), {}),
        (no("the model m doesn't exist", 404), {}),
        (no("Unknown field stream_options", 401), {}),
        (no("stream_options: the server is down", 503), {}),
        (no("the text of message 1 is not allowed"), {"text": {"format": {}}}),
    ],
)
def test_what_the_user_sends_is_never_changed_nor_what_is_no_refusal_of_a_field(refusal, extra):
    bodies, [outcome] = asked(
        refusal, says("never"), requests=(GO,), settings=ModelSettings(extra=extra)
    )
    assert isinstance(outcome, ModelError)
    assert len(bodies) == 1


def test_a_schema_refused_beside_tools_is_sent_without_them():
    refusal = no("json_schema response format can't be combined with tool calls")
    requests = (TYPED_WITH_TOOLS, TYPED_WITH_TOOLS, TYPED)
    bodies, _ = asked(refusal, says("a"), says("b"), says("c"), requests=requests)
    assert ["response_format" in body for body in bodies] == [True, False, False, True]
    assert all("tools" in body for body in bodies[:3])


@pytest.mark.parametrize(
    ("refusal", "first"),
    [
        (no("System role not supported", 500), "user"),
        (no("Only user, assistant and tool roles are supported, got system."), "user"),
        (no("Developer instruction is not enabled for models/gemma-3"), "user"),
        (no("'messages[0].role' does not support 'system' with this model."), "user"),
        (no("Conversation roles must alternate user/assistant/user/assistant"), "user"),
        (no("Unsupported role 'system': use 'developer' instead"), "developer"),
    ],
)
def test_a_model_without_system_prompts_is_told_in_another_role(refusal, first):
    bodies, outcomes = asked(refusal, says("a"), says("b"))
    assert [outcome.text for outcome in outcomes] == ["a", "b"]
    for body in bodies[1:]:
        assert body["messages"][0]["role"] == first
        assert "Be brief." in body["messages"][0]["content"]


def test_a_gateway_to_claude_is_told_other_names_of_parameters():
    schema = {"type": "object", "properties": {"filter[id]": {"type": "string"}}}
    request = Request(TOLD, (ToolSchema("look", "Look.", schema),))
    words = "tools.0.custom.input_schema.properties: Property keys should match pattern '^[a-z]$'"
    answer = calls(("look", {"filter_id_": "a"}))
    bodies, replies = asked(no(words), answer, answer, requests=(request, request))
    shown = [body["tools"][0]["function"]["parameters"]["properties"] for body in bodies]
    named = {"filter_id_": {"type": "string", "description": "filter[id]"}}
    assert shown == [schema["properties"], named, named]
    assert [reply.calls[0].arguments for reply in replies] == ['{"filter[id]":"a"}'] * 2


@pytest.mark.parametrize(
    "refusal",
    [
        no("Unexpected role 'user' after role 'tool'", type="invalid_request_message_order"),
        no("Conversation roles must alternate user/assistant/user/assistant", 500),
    ],
)
def test_words_stand_between_a_result_and_a_person_s_where_a_model_wants_some(refusal):
    picture = Image("https://x.test/a.png")
    plain = Request((*HISTORY, USER), (STOCK,))
    seen = Request((*HISTORY[:-1], Message("tool", ("1", picture), "a")), (STOCK,))
    bodies, outcomes = asked(refusal, says("a"), says("b"), says("c"), requests=(plain, seen, GO))
    assert [outcome.text for outcome in outcomes] == ["a", "b", "c"]
    roles = [[each["role"] for each in body["messages"]] for body in bodies]
    history = ["system", "user", "assistant", "tool"]
    bridged = [*history, "assistant", "user"]
    assert roles == [[*history, "user"], bridged, bridged, ["system", "user"]]
    assert bodies[1]["messages"][4] == {"role": "assistant", "content": "I have these results."}


@pytest.mark.parametrize(
    "message",
    [
        "message 2: reasoning_content is missing",
        "Missing `reasoning_content` field in the assistant message at message index 2.",
        "thinking is enabled but reasoning_content is missing in assistant tool call message",
        "The reasoning_content in the thinking mode must be passed back to the API.",
    ],
)
def test_a_field_that_another_model_s_history_lacks_is_sent_empty(message):
    own = Message("assistant", (Thinking("m", {"reasoning_content": "m"}), Text("hi")))
    request = Request((*HISTORY, own, USER), (STOCK,))
    bodies, _ = asked(no(message), says("a"), says("b"), requests=(request, request))
    for body in bodies[1:]:
        fields = [each.get("reasoning_content") for each in body["messages"]]
        assert fields == [None, None, "", None, "m", None]


@pytest.mark.parametrize(
    "message",
    [
        "'messages.2': property 'reasoning' is unsupported",
        "messages[2].reasoning: Extra inputs are not permitted",
    ],
)
def test_a_field_of_its_own_that_a_server_doesn_t_take_back_is_left_out(message):
    request = Request(HISTORY, (STOCK,))
    bodies, _ = asked(no(message), says("a"), says("b"), requests=(request, request))
    assert ["reasoning" in body["messages"][2] for body in bodies] == [True, False, False]


def test_calls_of_another_model_are_marked_for_gemini_as_unsigned():
    signed = {"extra_content": {"google": {"thought_signature": "c2ln"}}}
    theirs = Message("assistant", (Call("a", "f", "{}"), Call("b", "f", "{}")))
    own = Message("assistant", (Call("c", "f", "{}", signed), Call("d", "f", "{}")), model="m")
    results = [Message("tool", "1", each) for each in "abcd"]
    history = (Message("user", "go"), theirs, *results[:2], own, *results[2:])
    request = Request(history, (ToolSchema("f", "", {}),))
    refusal = no("Function call is missing a thought_signature in functionCall parts.")
    bodies, [outcome] = asked(refusal, says("ok"), requests=(request,))
    assert isinstance(outcome, Reply)
    marks = [
        [call.get("extra_content") for call in message["tool_calls"]]
        for message in bodies[1]["messages"]
        if message["role"] == "assistant"
    ]
    unsigned = {"google": {"thought_signature": "skip_thought_signature_validator"}}
    assert marks == [[unsigned, None], [signed["extra_content"], None]]


@pytest.mark.parametrize(
    "message",
    [
        "messages.2.content: Input should be a valid string",
        "Invalid value for 'content': expected a string, got null.",
        "messages[2]: content is required",
    ],
)
def test_a_server_that_takes_no_reply_of_calls_alone_is_sent_an_empty_text_beside_them(message):
    request = Request(HISTORY, (STOCK,))
    bodies, _ = asked(no(message), says("a"), says("b"), requests=(request, request))
    assert [body["messages"][2]["content"] for body in bodies] == [None, "", ""]


CONTEXT = "This model's maximum context length is 8192 tokens and your request has"


def test_a_small_context_lowers_the_output_that_is_asked_for():
    request = replace(GO, max_output_tokens=8192)
    refusal = no(f"'max_tokens' is too large: 8192. {CONTEXT} 40 input tokens")
    long = replace(request, messages=(Message("user", "word " * 2000),))
    bodies, _ = asked(refusal, says("a"), says("b"), says("c"), requests=(request, request, long))
    limits = [body["max_tokens"] for body in bodies]
    assert limits[:3] == [8192, 8152, 8152]
    assert 8192 - limits[3] >= 2000, "what the longer prompt leaves, by our estimate"


def test_a_limit_of_replies_is_asked_for_from_then_on():
    refusal = no("max_tokens is too large: 4096. This model supports at most 1000 tokens")
    bodies, _ = asked(refusal, says("a"), says("b"))
    assert [body["max_tokens"] for body in bodies] == [4096, 1000, 1000]


def test_a_prompt_that_is_too_large_by_itself_is_no_matter_of_the_output():
    bodies, [outcome] = asked(no(f"max_tokens is too large. {CONTEXT} 9000 tokens"), requests=(GO,))
    assert isinstance(outcome, ContextOverflow)
    assert len(bodies) == 1


def test_what_the_account_can_pay_for_is_asked_for():
    refusal = no("You requested up to 4096 max_tokens, but can only afford 1234.", 402)
    bodies, _ = asked(refusal, says("a"), requests=(GO,))
    assert [body["max_tokens"] for body in bodies] == [4096, 1234]
    _, [outcome] = asked(no("Insufficient Balance", 402), requests=(GO,))
    assert isinstance(outcome, ModelDenied)


def test_what_one_model_takes_says_nothing_of_another_at_the_same_address():
    async def main() -> list[Any]:
        async with serving(no("Unknown field stream_options"), says("a"), says("b")) as server:
            for name in ("one", "other"):
                model = RemoteModel(name, base_url=server.url, api_key="k")
                await model.reply(GO, lambda text: None)
            return ["stream_options" in each.body for each in server.asked]

    assert asyncio.run(main()) == [True, False, True]


@pytest.mark.parametrize("address", ["https://api.openai.com/v1", "https://api.mistral.ai/v1"])
def test_an_empty_message_is_sent_empty_to_who_takes_one(address):
    model = RemoteModel("gpt-4o", base_url=address, api_key="k")
    picture = Message("user", (Image("https://x.test/a.png"),))
    request = Request((Message("user", ""), Message("assistant", "hi"), picture))
    contents = [each["content"] for each in json.loads(model.body(request))["messages"]]
    takes_empty = "openai" in address
    assert contents[0] == ("" if takes_empty else "(nothing was said)")
    assert contents[1:] == [
        "hi",
        [{"type": "image_url", "image_url": {"url": picture.parts[0].url}}],
    ]


@pytest.mark.parametrize(
    ("host", "model", "field", "value"),
    [
        ("api.openai.com", "gpt-4-turbo-2024-04-09", "output_cap", 4096),
        ("api.openai.com", "gpt-4o", "output_cap", None),
        ("api.openai.com", "gpt-4o", "json_schema", "always"),
        ("api.openai.com", "gpt-4-0613", "json_schema", "never"),
        ("api.openai.com", "o1-mini", "system_role", "user"),
        ("generativelanguage.googleapis.com", "gemini-3-pro", "wants_signed_calls", True),
        ("generativelanguage.googleapis.com", "gemini-2.5-pro", "wants_signed_calls", False),
        ("x-aiplatform.googleapis.com", "google/gemini-3.5-flash", "wants_signed_calls", True),
        ("api.mistral.ai", "mistral-large-latest", "left_out", frozenset(("stream_options",))),
        ("api.deepseek.com", "deepseek-v4-pro", "reply_fields", {"reasoning_content": ""}),
        ("api.groq.com", "llama-3.3-70b-versatile", "json_schema", "never"),
        ("127.0.0.1", "gpt-4-turbo", "output_cap", None),
    ],
)
def test_the_table_knows_before_the_first_request(host, model, field, value):
    assert getattr(find_accepted_fields(host, model), field) == value


FIELDS = ["stream_options", "max_tokens", "messages[0].role", "response_format", "reasoning", "100"]
VERBS = ["is not supported", "is missing", "too large", "system", "at most", "'", "unknown"]


@given(st.lists(st.sampled_from(FIELDS + VERBS) | st.text(max_size=5), max_size=8))
def test_whatever_a_refusal_says_a_lesson_changes_something_and_nothing_of_the_user_s(words):
    refusal = ModelRejected(" ".join(words))
    refusal.status = 400
    body = {"model": "m", "max_tokens": 4096, "stream_options": {}, "response_format": {}}
    for own in (set(), {"max_tokens"}, set(body)):
        known = AcceptedFields()
        lesson = learn(refusal, Sent(Request(HISTORY, (STOCK,), 4096), body, own), known)
        if lesson is None:
            continue
        assert lesson.accepted != known
        assert not lesson.accepted.left_out & own
        if "max_tokens" in own:
            assert lesson.accepted.output_limit == "max_tokens"
            assert lesson.accepted.output_cap is None


def test_a_lesson_that_changes_nothing_of_what_is_sent_is_not_tried():
    refusal = no("System role not supported")
    bodies, [outcome] = asked(refusal, requests=(GO,), dialect=RESPONSES)
    assert len(bodies) == 1
    assert isinstance(outcome, ModelRejected)


def test_a_server_of_responses_that_takes_no_output_limit_is_sent_none():
    names = ("max_output_tokens", "max_tokens", "max_completion_tokens")
    refusals = [no(f"Unsupported parameter: {name}") for name in names]
    bodies, [outcome] = asked(
        *refusals, streams([message(1, "ok")]), requests=(GO,), dialect=RESPONSES
    )
    limits = [[name for name in names if name in body] for body in bodies]
    assert limits == [[names[0]], [names[1]], [names[2]], []]
    assert isinstance(outcome, Reply)


def test_claude_has_the_instructions_alone_where_its_format_is_refused():
    accepted = AcceptedFields(output_format=True)
    schema = {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]}
    typed = Request(TOLD, (), 4096, schema)
    body = json.loads(MESSAGES.encode(typed, RequestFields("claude-x", accepted)))
    refusal = ModelRejected("output_config: Extra inputs are not permitted")
    lesson = learn(refusal, Sent(typed, body, set()), accepted)
    assert lesson is not None
    added = dict.fromkeys(lesson.accepted.left_out)
    fields = RequestFields("claude-x", lesson.accepted, added)
    body = json.loads(MESSAGES.encode(typed, fields))
    assert "output_config" not in body
    assert [block["text"] for block in body["system"]] == [TOLD[0].text]


def test_what_a_model_once_refused_of_ours_is_sent_where_the_user_sets_it():
    careful = Request((Message("user", "go"),), settings=ModelSettings(effort="high"))
    reasons = dataclasses.replace(
        RESPONSES, find_accepted=lambda host, name: find_for_responses("api.openai.com", "gpt-6")
    )
    refusal = no("Unsupported value: 'reasoning' is not supported here.")
    good = streams([message(1, "ok")])
    bodies, _ = asked(refusal, good, good, requests=(GO, careful), dialect=reasons)
    assert [body.get("reasoning") for body in bodies] == [
        {"summary": "auto"},
        None,
        {"effort": "high"},
    ]


@pytest.mark.parametrize("dialect", [CHAT, MESSAGES, RESPONSES])
def test_a_dialect_knows_which_fields_the_user_has_set(dialect):
    settings = ModelSettings(effort="low", max_output_tokens=9, extra={"x": 1})
    own = dialect.own_fields(settings)
    assert {"x", "reasoning_effort", dialect.settings["effort"]} == own
