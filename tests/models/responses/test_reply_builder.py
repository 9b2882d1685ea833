"""Reading the Responses API. The streams are checked against the SDK's types of events."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter

from responses_server import (
    Item,
    events,
    function_call,
    message,
    reasoning,
    response,
    searched,
    to_bytes,
    usage,
)
from treadle.core.errors import (
    ContextOverflow,
    ModelDenied,
    ModelError,
    ModelRejected,
    ModelUnavailable,
)
from treadle.core.events import Call, ProviderCall, Source, Text, Thinking, Usage
from treadle.core.legal import PICTURE_ALONE
from treadle.core.model import Message, Reply
from treadle.models.reply_reader import ReplyReader
from treadle.models.responses.dialect import RESPONSES
from treadle.models.responses.encode_items import encode_message

CITATION = {
    "type": "url_citation",
    "url": "https://a.test/",
    "title": "A",
    "start_index": 0,
    "end_index": 3,
}
RICH = [
    reasoning(1, "**Looking**\n\nI look it up.", "Then add."),
    searched(2, "price of a", "https://a.test/", "https://b.test/"),
    message(3, "Grüße \u2028und \x85 mehr 🙂\n", CITATION, phase="commentary"),
    reasoning(4, "Now add."),
    function_call(5, "add", {"a": 1}),
    function_call(6, "sub", {}),
]


def read(data: bytes, step: int | None = None) -> Reply:
    reader = ReplyReader(RESPONSES)
    step = step or len(data) or 1
    for start in range(0, len(data), step):
        reader.feed(data[start : start + step])
    return reader.finish(100)


def read_events(*made: dict[str, Any]) -> Reply:
    return read(to_bytes(*made))


def replied(output: list[Item], status: str = "completed", **fields: Any) -> Reply:
    return read_events(*events(output, status, **fields))


def test_a_cited_page_is_of_the_search_that_found_it_else_of_the_last_one():
    citations = [
        {"type": "url_citation", "url": f"https://{name}.test", "title": name.upper()}
        for name in "abc"
    ]
    searches = [searched(1, "x", "https://a.test"), searched(2, "y", "https://b.test")]
    first, second, _ = replied([*searches, message(3, "so", *citations)]).content
    assert isinstance(first, ProviderCall)
    assert isinstance(second, ProviderCall)
    assert first.sources == (Source("https://a.test", "A"),)
    assert second.sources == (Source("https://b.test", "B"), Source("https://c.test", "C"))


def test_the_streams_of_these_tests_are_of_the_sdk_s_types():
    from openai.types.responses import ResponseStreamEvent  # slow, so only here

    adapter: TypeAdapter[Any] = TypeAdapter(ResponseStreamEvent)
    for event in events(RICH):
        assert adapter.validate_python(event).type == event["type"]


def test_a_rich_response_is_read_whole_and_in_its_order():
    reply = replied(RICH, usage=usage(70, 30, cached=40, written=20, reasoned=25))
    thought, search, text, second, add, sub = reply.content
    assert isinstance(thought, Thinking)
    assert thought.text == "**Looking**\n\nI look it up.\n\nThen add."
    assert thought.opaque["encrypted_content"] == "gAAAA1="
    assert isinstance(search, ProviderCall)
    assert search.name == "web_search"
    assert json.loads(search.arguments)["query"] == "price of a"
    assert search.sources == (Source("https://a.test/", "A"), Source("https://b.test/"))
    assert isinstance(text, Text)
    assert text.text == "Grüße \u2028und \x85 mehr 🙂\n"
    assert text.opaque["phase"] == "commentary"
    assert isinstance(second, Thinking)
    assert isinstance(add, Call)
    assert (add.id, add.name, add.arguments) == ("call_5", "add", '{"a": 1}')
    assert isinstance(sub, Call)
    assert (sub.id, sub.arguments) == ("call_6", "{}")
    assert reply.finish_reason == "tool_calls"
    assert reply.usage == Usage(
        70,
        30,
        cached_tokens=40,
        reasoning_tokens=25,
        cache_write_tokens=20,
        provider_calls={"web_search": 1},
    )


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
@pytest.mark.parametrize("step", [1, 3, 7])
def test_line_ends_and_the_network_s_pieces_change_nothing(end, step):
    data = to_bytes(*events(RICH))
    assert read(data.replace(b"\n", end), step) == read(data)


@settings(max_examples=60)
@given(st.data())
def test_any_cutting_into_pieces_gives_the_same_reply_and_text(data):
    stream = to_bytes(*events(RICH))
    cuts = data.draw(st.lists(st.integers(0, len(stream)), max_size=20))
    reader, at = ReplyReader(RESPONSES), 0
    pieces: list[str | Thinking] = []
    for cut in [*sorted(cuts), len(stream)]:
        pieces += reader.feed(stream[at:cut])
        at = cut
    whole = read(stream)
    assert reader.finish(100) == whole
    assert "".join(each for each in pieces if isinstance(each, str)) == whole.text
    assert "".join(each.text for each in pieces if isinstance(each, Thinking)) == whole.thinking


def test_every_cut_of_a_stream_is_an_error_or_the_whole_reply():
    data = to_bytes(*events([reasoning(1), message(2, "one"), function_call(3, "add", {})]))
    whole = read(data)
    for cut in range(0, len(data), 3):
        try:
            reply = read(data[:cut])
        except ModelUnavailable:
            continue
        assert reply == whole


def test_a_body_without_a_stream_is_the_same_reply():
    body = json.dumps(response(RICH)).encode()
    assert read(body) == replied(RICH)


WORDS = [b"data: ", b"\n\n", b"\r", b"event: error\n", b"event: response.completed\n", b"[DONE]"]
WORDS += [b'{"type":"response.output_item.done","item":', b'{"type":"response.completed"', b"null"]
WORDS += [b',"response":{"output":[', b'{"type":"message","content":[', b"[]", b"{}", b'"x"']
WORDS += [b"1e999", b"9" * 5000, b"]}", b"}", b"[" * 2000, b"<html>", b"\xff", b'"usage":']


@settings(max_examples=60)
@given(st.lists(st.one_of(st.binary(max_size=20), st.sampled_from(WORDS)), max_size=30))
def test_nonsense_raises_nothing_but_model_errors(parts):
    reader = ReplyReader(RESPONSES)
    try:
        for part in parts:
            reader.feed(part)
        reader.finish(1)
    except ModelError:
        pass


KEYS = "type id item response output content text summary refusal call_id name arguments status"
KEYS += " action sources url annotations title results outputs queries error code usage delta"
KEYS += " output_index item_id content_index summary_index incomplete_details tool_usage web_search"
KINDS = "message reasoning function_call web_search_call file_search_call code_interpreter_call"
KINDS += " image_generation_call mcp_call output_text refusal vendor:thing compaction search"
EVENTS = "response.output_item.added response.output_item.done response.output_text.delta"
EVENTS += " response.reasoning_summary_text.delta response.function_call_arguments.delta"
EVENTS += " response.refusal.delta response.completed response.incomplete response.new"
json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=5)
    | st.sampled_from(KINDS.split()),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(KEYS.split()), inner, max_size=5)
    ),
    max_leaves=12,
)
items = st.dictionaries(st.sampled_from(KEYS.split()), json_values, max_size=6)
typed_items = st.builds(
    lambda item, kind: item | {"type": kind}, items, st.sampled_from(KINDS.split())
)
any_event = st.builds(
    lambda event, kind, item: event | {"type": kind, "item": item, "response": {"output": [item]}},
    items,
    st.sampled_from(EVENTS.split()),
    typed_items,
)


@pytest.mark.slow
@settings(max_examples=40)
@given(st.lists(any_event, max_size=6), st.booleans())
def test_json_of_wrong_types_raises_nothing_but_model_errors_and_gives_what_encodes(made, framed):
    end = {"type": "response.completed", "response": {"output": []}}
    body = json.dumps({"output": [event["item"] for event in made]}).encode()
    try:
        reply = read_events(*made, end) if framed else read(body)
    except ModelError:
        return
    encode_message(Message("assistant", reply.content))
    assert all(
        type(field) is str for call in reply.calls for field in (call.id, call.name, call.arguments)
    )


def test_unknown_events_and_fields_are_passed_over():
    made = events([message(1, "hi")])
    strange: list[dict[str, Any]] = [
        {"type": "response.heartbeat", "item": 7, "output_index": "x"},
        {"type": "keepalive"},
        {"type": "response.output_text.annotation.added", "annotation": None},
    ]
    assert read_events(*made[:3], *strange, *made[3:]) == read_events(*made)


def test_an_item_of_an_unknown_type_is_a_fact_and_goes_back_verbatim():
    item = {"type": "vendor:look", "id": "v_1", "where": "here", "output": {"seen": 3}}
    [call] = replied([item]).content
    assert call == ProviderCall("vendor:look", '{"where":"here"}', '{"seen":3}', (), item)
    assert json.loads(encode_message(Message("assistant", (call,)))) == item


@pytest.mark.parametrize(
    ("item", "name", "arguments", "result", "sources"),
    [
        (
            {
                "type": "file_search_call",
                "queries": ["q"],
                "results": [{"file_id": "f1", "filename": "a.pdf", "text": "It is 5."}],
            },
            "file_search",
            {"queries": ["q"]},
            "a.pdf: It is 5.",
            (Source("f1", "a.pdf"),),
        ),
        (
            {
                "type": "code_interpreter_call",
                "code": "print(1)",
                "outputs": [
                    {"type": "logs", "logs": "1\n"},
                    {"type": "image", "url": "https://x.test/p.png"},
                ],
            },
            "code_interpreter",
            {"code": "print(1)"},
            "1\n\n[picture: https://x.test/p.png]",
            (),
        ),
        (
            {"type": "mcp_call", "server_label": "docs", "name": "find", "arguments": '{"q":1}'}
            | {"output": "found"},
            "docs.find",
            {"q": 1},
            "found",
            (),
        ),
        (
            {"type": "mcp_call", "server_label": "docs", "name": "find", "arguments": "{}"}
            | {"error": {"message": "no route"}},
            "docs.find",
            {},
            "error: no route",
            (),
        ),
        (
            {"type": "web_search_call", "action": {"type": "open_page", "url": "https://x.test"}}
            | {"status": "failed"},
            "web_search",
            {"type": "open_page", "url": "https://x.test"},
            "failed",
            (),
        ),
        (
            {"type": "image_generation_call", "revised_prompt": "a cat", "result": "AAAA"},
            "image_generation",
            {"prompt": "a cat", "size": None},
            "[a picture, 4 characters of base64]",
            (),
        ),
    ],
)
def test_what_the_provider_s_tools_did_is_a_fact(item, name, arguments, result, sources):
    item = {"id": "x_1", "status": "completed", **item}
    call, *said = replied([item]).content
    assert isinstance(call, ProviderCall)
    assert said == ([Text(PICTURE_ALONE)] if name == "image_generation" else [])
    assert (call.name, json.loads(call.arguments)) == (name, arguments)
    assert (call.result, call.sources) == (result, sources)
    sent = json.loads(encode_message(Message("assistant", (call,))))
    assert sent == {key: value for key, value in item.items() if value is not None}


def test_billed_searches_are_those_that_the_provider_counts():
    opened = searched(1, "x") | {"action": {"type": "open_page", "url": "https://x.test"}}
    output = [searched(2, "x"), searched(3, "y"), opened]
    assert replied(output).usage.provider_calls == {"web_search": 2}
    billed = {"web_search": {"num_requests": 1}, "image_gen": {}}
    assert replied(output, tool_usage=billed).usage.provider_calls == {"web_search": 1}


def test_two_messages_of_one_reply_are_apart_and_go_back_as_they_came():
    output = [message(1, "I look."), searched(2, "x"), message(3, "\n\nIt is 5.")]
    made = events(output)
    reader = ReplyReader(RESPONSES)
    shown = reader.feed(to_bytes(*made))
    reply = reader.finish(1)
    assert reply.text == "I look.\n\n\n\nIt is 5."
    assert "".join(each for each in shown if isinstance(each, str)) == reply.text
    sent = json.loads(b"[%s]" % encode_message(Message("assistant", reply.content)))
    assert [each["type"] for each in sent] == ["message", "web_search_call", "message"]
    assert sent[0]["content"][0]["text"] == "I look."
    assert sent[2]["content"][0]["text"] == "\n\nIt is 5."


def test_a_refusal_is_no_text():
    item = message(1, "") | {"content": [{"type": "refusal", "refusal": "I can't."}]}
    reply = replied([item])
    assert (reply.text, reply.refusal, reply.finish_reason) == ("", "I can't.", "stop")


@pytest.mark.parametrize(
    ("details", "reason"),
    [
        ({"reason": "max_output_tokens"}, "length"),
        ({"reason": "content_filter"}, "content_filter"),
        ({"reason": "something new"}, "length"),
        (None, "length"),
    ],
)
def test_an_incomplete_response_says_why(details, reason):
    half = message(1, "half an ans", status="incomplete")
    reply = replied([reasoning(0), half], "incomplete", incomplete_details=details)
    assert (reply.text, reply.finish_reason) == ("half an ans", reason)


def test_what_was_cut_off_is_made_of_its_pieces_and_without_half_of_a_secret():
    made = events([reasoning(0, "hm"), message(1, "half an answer")])
    cut = [event for event in made if not event["type"].endswith(".done")][:-1]
    ended = response([], "incomplete", incomplete_details={"reason": "max_output_tokens"})
    reply = read_events(*cut, {"type": "response.incomplete", "response": ended})
    thought, text = reply.content
    assert (reply.text, reply.thinking) == ("half an answer", "hm")
    assert isinstance(thought, Thinking)
    assert "encrypted_content" not in thought.opaque
    assert isinstance(text, Text)
    sent = json.loads(encode_message(Message("assistant", reply.content)))
    assert sent == {"type": "message", "role": "assistant", "content": "half an answer"}


@pytest.mark.parametrize("left_out", ["response.output_text.delta", "response.output_item.done"])
def test_servers_that_leave_out_events_are_read_too(left_out):
    output = [message(1, "I add."), function_call(2, "add", {"a": 1})]
    made = [event for event in events(output) if event["type"] != left_out]
    reader = ReplyReader(RESPONSES)
    shown = reader.feed(to_bytes(*made))
    assert reader.finish(1).content == replied(output).content
    assert shown == ["I add."]


def test_a_proxy_that_changes_ids_or_leaves_out_numbers_is_read_too():
    output = [message(1, "I add."), function_call(2, "add", {"a": 1}), function_call(3, "b", {})]
    renamed = [event | ({"item_id": "z"} if "item_id" in event else {}) for event in events(output)]
    assert read_events(*renamed).content == replied(output).content
    unnumbered = [
        {key: value for key, value in event.items() if key != "output_index"}
        for event in events(output)
    ]
    assert read_events(*unnumbered).content == replied(output).content
    for name in ("item_id", "output_index"):
        zeros = [event | ({"output_index": 0} if name in event else {}) for event in events(output)]
        assert read_events(*zeros).content == replied(output).content


def test_the_end_of_a_server_that_sends_done_and_no_completed():
    made = events([message(1, "hi")])[:-1]
    assert read(to_bytes(*made) + b"data: [DONE]\n\n").text == "hi"
    with pytest.raises(ModelUnavailable, match="ended before"):
        read(to_bytes(*made[:-1]) + b"data: [DONE]\n\n")


def failed(**error: Any) -> list[dict[str, Any]]:
    made = events([message(1, "half")])[:-2]
    ended = response([], "failed", error=error, usage=usage(9, 1))
    return [*made, {"type": "response.failed", "response": ended}]


@pytest.mark.parametrize(
    ("code", "words", "kind"),
    [
        ("server_error", "The model had an error", ModelUnavailable),
        ("rate_limit_exceeded", "Rate limit reached", ModelUnavailable),
        ("vector_store_timeout", "timed out", ModelUnavailable),
        ("invalid_prompt", "Invalid prompt: it may not be asked", ModelRejected),
        ("invalid_base64_image", "The image is no base64", ModelRejected),
        ("image_too_large", "The image is too large", ModelRejected),
        ("bio_policy", "This may not be asked", ModelRejected),
        ("insufficient_quota", "You exceeded your current quota", ModelDenied),
        ("context_length_exceeded", "Your input exceeds the context window", ContextOverflow),
    ],
)
def test_errors_in_mid_stream_say_who_must_act(code, words, kind):
    with pytest.raises(kind, match=words):
        read_events(*failed(code=code, message=words))
    event = {"type": "error", "code": code, "message": words, "param": None, "sequence_number": 3}
    with pytest.raises(kind, match=words):
        read_events(*events([message(1, "half")])[:4], event)
    with pytest.raises(kind, match=words):
        read(json.dumps(response([], "failed", error={"code": code, "message": words})).encode())


def test_a_failed_response_has_its_count():
    reader = ReplyReader(RESPONSES)
    with pytest.raises(ModelUnavailable):
        reader.feed(to_bytes(*failed(code="server_error", message="x")))
    assert reader.usage_so_far(100) == Usage(9, 1)


@pytest.mark.parametrize(
    ("item", "words"),
    [
        ({"type": "custom_tool_call", "name": "sql", "input": "x", "call_id": "c"}, "custom tools"),
        ({"type": "computer_call", "call_id": "c", "action": {}}, "computer use"),
        ({"type": "mcp_approval_request", "name": "x"}, "require_approval"),
    ],
)
def test_what_treadle_can_t_do_for_a_model_is_said(item, words):
    with pytest.raises(ModelRejected, match=words):
        replied([{"id": "i_1", **item}])


def test_sizes_and_depths_are_bounded():
    deep: Any = "x"
    for _ in range(100):
        deep = [deep]
    with pytest.raises(ModelUnavailable, match="nested"):
        replied([{"id": "v_1", "type": "vendor:x", "deep": deep}])
    many = [function_call(number, "add", {}) for number in range(257)]
    with pytest.raises(ModelRejected, match="256 tool calls"):
        replied(many)
    with pytest.raises(ModelRejected, match="1024 items"):
        replied([message(number, "x") for number in range(1025)])


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"choices": []}, "openai-chat"),
        ({"hello": 1}, "no output"),
        (response([], "in_progress"), "isn't ready"),
    ],
)
def test_a_body_that_is_no_response_says_what_it_is(body, words):
    with pytest.raises(ModelError, match=words):
        read(json.dumps(body).encode())


def test_no_count_is_an_estimate_and_the_tier_is_told():
    assert replied([message(1, "hi")], usage=None).usage.estimated
    assert replied([message(1, "hi")], service_tier="priority").usage.service_tier == "priority"


THOUGHT, SAID = reasoning(1, "hm"), message(2, "hi")
PAY, AGAIN = function_call(3, "pay", {"a": 1}), function_call(4, "pay", {"a": 1})


@pytest.mark.parametrize(
    ("streamed", "listed", "kinds"),
    [
        ([PAY], [THOUGHT, PAY], [Thinking, Call]),  # a thought that wasn't streamed
        ([SAID, PAY], [THOUGHT, SAID, PAY], [Thinking, Text, Call]),
        ([PAY], [THOUGHT, PAY | {"id": "fc_9"}], [Thinking, Call]),
        ([SAID, PAY], [THOUGHT, SAID | {"id": "m"}, PAY], [Thinking, Text, Call]),
        ([PAY, SAID], [SAID, PAY], [Text, Call]),  # the list's order counts
        ([AGAIN], [PAY, AGAIN], [Call, Call]),
        ([THOUGHT, SAID, PAY], [SAID], [Thinking, Text, Call]),  # a list that lacks some
        ([THOUGHT, SAID, PAY], [], [Thinking, Text, Call]),
    ],
)
def test_an_item_that_was_streamed_and_is_listed_at_the_end_is_one(streamed, listed, kinds):
    made = events(streamed)
    made[-1]["response"]["output"] = listed
    content = read_events(*made).content
    assert [type(block) for block in content] == kinds
