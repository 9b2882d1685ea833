import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from messages_server import Said, event, finds, hides, says, searches, stream_events, thinks, uses
from treadle.core.errors import (
    ContextOverflow,
    ModelDenied,
    ModelError,
    ModelRejected,
    ModelUnavailable,
)
from treadle.core.events import Call, ProviderCall, Source, Text, Thinking, Usage
from treadle.core.model import Message, Reply
from treadle.models.anthropic.dialect import MESSAGES
from treadle.models.anthropic.encode import encode_reply
from treadle.models.reply_reader import ReplyReader

USAGE = {
    "input_tokens": 10,
    "cache_read_input_tokens": 100,
    "cache_creation_input_tokens": 50,
    "cache_creation": {"ephemeral_5m_input_tokens": 20, "ephemeral_1h_input_tokens": 30},
    "output_tokens": 40,
    "server_tool_use": {"web_search_requests": 1, "web_fetch_requests": 0},
    "service_tier": "standard",
}
CITATION = {
    "type": "web_search_result_location",
    "cited_text": "Grüße",
    "encrypted_index": "RW5j",
    "title": "A page",
    "url": "https://a.test/x",
}
RICH = (
    thinks("Let me \u2028 see")
    + hides()
    + says("I look 🙂\n")
    + searches("srvtoolu_1", "weather")
    + finds("srvtoolu_1", "https://a.test/x", "A page")
    + says("It says so", citations=[CITATION])
    + thinks("And now?")
    + uses("toolu_1", "add", {"a": 1, "ä": [True, None]})
    + uses("toolu_2", "now", {})
)
RICH = Said(
    tuple(
        b | {"signature": f"s{i}"} if b["type"] == "thinking" else b
        for i, b in enumerate(RICH.content)
    ),
    "tool_use",
)
STREAM = stream_events(RICH, USAGE)
COUNTED = Usage(
    160,
    40,
    100,
    cache_write_tokens=50,
    cache_write_1h_tokens=30,
    provider_calls={"web_search": 1},
    service_tier="standard",
)


def read(data: bytes, step: int | None = None) -> Reply:
    reader = ReplyReader(MESSAGES)
    step = step or len(data) or 1
    for start in range(0, len(data), step):
        reader.feed(data[start : start + step])
    return reader.finish(100)


def read_said(said: Said) -> Reply:
    return read(stream_events(said, USAGE))


def sent_back(reply: Reply) -> list[Any]:
    assert not isinstance(reply.content, str)
    return json.loads(b"[%s]" % encode_reply(Message("assistant", reply.content)))


def test_a_rich_stream_is_read_whole():
    call, found = RICH.content[3:5]
    assert read(STREAM) == Reply(
        (
            Thinking("Let me \u2028 see", {"type": "thinking", "signature": "s0"}),
            Thinking("", {"type": "redacted_thinking", "data": "RW5jcnlwdGVk"}),
            Text("I look 🙂\n"),
            ProviderCall(
                "web_search",
                '{"query":"weather"}',
                "A page https://a.test/x",
                (Source("https://a.test/x", "A page"),),
                {"blocks": [call, found]},
            ),
            Text("It says so", {"type": "text", "citations": [CITATION]}),
            Thinking("And now?", {"type": "thinking", "signature": "s6"}),
            Call("toolu_1", "add", '{"a": 1, "\\u00e4": [true, null]}'),
            Call("toolu_2", "now", ""),
        ),
        COUNTED,
        "tool_calls",
    )


def test_the_reply_goes_back_block_by_block_as_the_sdk_has_it():
    from anthropic.lib.streaming._messages import accumulate_event  # slow, so only here

    snapshot: Any = None
    buffers: dict[int, bytes] = {}
    for chunk in STREAM.split(b"\n\n")[:-1]:
        data = json.loads(chunk.split(b"data: ")[1])
        if data["type"] != "ping":
            snapshot = accumulate_event(event=data, current_snapshot=snapshot, json_bufs=buffers)
    judged = [block.model_dump(mode="json", exclude_none=True) for block in snapshot.content]
    for block in judged:
        block.pop("parsed_output", None)
    ours = sent_back(read(STREAM))
    assert ours[:7] == judged[:7] == list(RICH.content[:7])
    assert [block["input"] for block in ours[7:]] == [block["input"] for block in judged[7:]]


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
@pytest.mark.parametrize("step", [1, 2, 3, 7])
def test_line_ends_and_the_network_s_pieces_change_nothing(end, step):
    assert read(STREAM.replace(b"\n", end), step) == read(STREAM)


@settings(max_examples=60)
@given(st.lists(st.integers(0, len(STREAM)), max_size=20))
def test_any_cutting_into_pieces_gives_the_same_reply_and_text(cuts):
    reader, at = ReplyReader(MESSAGES), 0
    pieces: list[str | Thinking] = []
    for cut in [*sorted(cuts), len(STREAM)]:
        pieces += reader.feed(STREAM[at:cut])
        at = cut
    whole = read(STREAM)
    assert reader.finish(100) == whole
    assert "".join(each for each in pieces if isinstance(each, str)) == whole.text
    thoughts = [each.text for each in pieces if isinstance(each, Thinking)]
    assert "".join(thoughts) == whole.thinking.replace("\n", "")


@settings(max_examples=60)
@given(st.integers(0, len(STREAM) - 1))
def test_a_stream_that_is_cut_off_is_an_outage_or_the_whole_reply(end):
    try:
        reply = read(STREAM[:end])
    except ModelUnavailable:
        return
    assert reply == read(STREAM)


WORDS = [b"data: ", b"\n\n", b"event: error\n", b"event: message_stop\n", b'{"type":"', b'"}', b"}"]
WORDS += [
    b'content_block_start","content_block":{"type":"tool_use","input":',
    b'"index":',
    b"null,",
]
WORDS += [b'content_block_delta","delta":{"type":"input_json_delta","partial_json":"{', b"9" * 5000]
WORDS += [b'message_delta","delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":', b"1e999"]
WORDS += [
    b"[" * 2000,
    b"[]",
    b"\xff",
    b"<html>",
    b'web_search_tool_result","tool_use_id":1,"content":',
]
WORDS += [
    b'{"a":' * 100,
    b"18446744073709551616",
    b'"\\ud800"',
    b'message_start","message":{',
    b",",
]


@pytest.mark.slow
@settings(max_examples=300)
@given(st.lists(st.sampled_from(WORDS), max_size=14), st.booleans())
def test_nonsense_gives_a_reply_or_a_model_error(words, begins_well):
    data = b"".join(words)
    if begins_well:
        data = STREAM[:600] + data + b'\n\ndata: {"type":"message_stop"}\n\n'
    try:
        reply = read(data)
    except ModelError:
        return
    if not isinstance(reply.content, str):
        encode_reply(
            Message("assistant", tuple(b for b in reply.content if not isinstance(b, Call)))
        )


@pytest.mark.parametrize(
    ("stop_reason", "finish_reason"),
    [
        ("end_turn", "stop"),
        ("stop_sequence", "stop"),
        ("tool_use", "tool_calls"),
        ("max_tokens", "length"),
        ("model_context_window_exceeded", "length"),
        ("pause_turn", "pause_turn"),
        ("compaction", "compaction"),
    ],
)
def test_stop_reasons_are_those_of_chat_completions(stop_reason, finish_reason):
    reply = read_said(says("x", stop_reason))
    assert (reply.text, reply.finish_reason, reply.refusal) == ("x", finish_reason, "")


@pytest.mark.parametrize(
    ("details", "why"),
    [
        (None, ""),
        (
            {"type": "refusal", "category": "cyber"},
            "the provider's safety filter stopped the reply (cyber)",
        ),
        ({"type": "refusal", "category": "bio", "explanation": "No."}, "No."),
    ],
)
def test_a_refusal_says_why(details, why):
    reply = read_said(Said(says("Half").content, "refusal", details))
    assert (reply.text, reply.finish_reason, reply.refusal) == ("Half", "content_filter", why)


def test_the_container_of_the_provider_s_code_is_kept():
    data = stream_events(says("x", "pause_turn"), USAGE)
    container = b'{"container": {"id": "c_1"}, "stop_reason": "pause_turn"'
    reply = read(data.replace(b'{"stop_reason": "pause_turn"', container))
    assert reply.opaque == {"type": "message", "container": {"id": "c_1"}}


def test_a_call_that_was_cut_off_is_no_call():
    data = stream_events(says("I add") + uses("t1", "add", {"a": 1}), USAGE)
    cut = data.replace(event("content_block_stop", index=1), b"").replace(
        b'"tool_use"}', b'"tool_use" }'
    )
    cut = cut.replace(b'"stop_reason": "tool_use"', b'"stop_reason": "max_tokens"')
    assert read(cut).calls == ()
    assert read(cut).text == "I add"
    assert len(read(data).calls) == 1


def test_a_body_without_a_stream_is_read_too():
    body = {
        "type": "message",
        "content": list(RICH.content),
        "stop_reason": "tool_use",
        "usage": USAGE,
    }
    reply = read(json.dumps(body).encode())
    assert sent_back(reply) == list(RICH.content)
    assert (reply.usage, reply.finish_reason) == (COUNTED, "tool_calls")


def test_what_isn_t_known_is_kept_and_passed_over():
    mark = {"type": "fallback", "from": "a", "to": {"b": [1]}}
    reply = read(
        event("message_start", message={})
        + event("content_block_start", index=0, content_block=mark)
        + event(
            "content_block_start", index=1, content_block={"type": "text", "text": "a", "new": 7}
        )
        + event("content_block_delta", index=1, delta={"type": "text_delta", "text": "b"})
        + event("content_block_delta", index=1, delta={"type": "later_delta", "x": 1})
        + event("later_event", x=1)
        + event("message_delta", delta={"stop_reason": "end_turn", "later": 1})
        + event("message_stop")
    )
    assert reply.content == (
        ProviderCall("fallback", opaque={"blocks": [mark]}),
        Text("ab", {"type": "text", "new": 7}),
    )
    assert sent_back(reply) == [mark, {"type": "text", "text": "ab", "new": 7}]


def test_events_without_names_indexes_or_a_stop_reason_are_read():
    events = [
        {"type": "content_block_start", "content_block": {"type": "thinking"}},
        {"type": "content_block_delta", "delta": {"type": "thinking_delta", "thinking": "hm"}},
        {"type": "content_block_delta", "index": 1, "delta": {"type": "text_delta", "text": "a"}},
        {"type": "content_block_delta", "index": 1, "delta": {"type": "text_delta", "text": "b"}},
        {"type": "message_stop"},
    ]
    data = b"".join(b"data: %s\n\n" % json.dumps(each).encode() for each in events)
    reply = read(data)
    assert reply.content == (Thinking("hm"), Text("ab"))
    assert (reply.finish_reason, reply.usage.estimated) == ("stop", True)


def test_blocks_that_all_have_one_index_are_several():
    data = stream_events(
        says("a") + uses("t1", "add", {"a": 1}) + uses("t2", "add", {"a": 2}), USAGE
    )
    data = data.replace(b'"index": 1', b'"index": 0').replace(b'"index": 2', b'"index": 0')
    assert [(call.id, call.arguments) for call in read(data).calls] == [
        ("t1", '{"a": 1}'),
        ("t2", '{"a": 2}'),
    ]


@pytest.mark.parametrize(
    ("block", "text", "sources"),
    [
        (
            {"type": "web_search_tool_result", "content": {"error_code": "max_uses_exceeded"}},
            "error: max_uses_exceeded",
            (),
        ),
        (
            {
                "type": "web_fetch_tool_result",
                "content": {
                    "type": "web_fetch_result",
                    "url": "https://a.test",
                    "content": {"type": "document", "title": "T", "source": {"data": "long"}},
                },
            },
            "https://a.test",
            (Source("https://a.test", "T"),),
        ),
        (
            {
                "type": "bash_code_execution_tool_result",
                "content": {"stdout": "3\n", "stderr": "", "return_code": 0},
            },
            "3\n",
            (),
        ),
        (
            {
                "type": "tool_search_tool_result",
                "content": {"tool_references": [{"tool_name": "add"}]},
            },
            "add",
            (),
        ),
        ({"type": "later_tool_result", "content": [1, {"url": 2}]}, "", ()),
    ],
)
def test_a_result_of_the_provider_s_tool_says_what_was_found(block, text, sources):
    block = block | {"tool_use_id": "srv_1"}
    call = searches("srv_1", "q")
    [made] = read_said(call + Said((block,))).content
    assert isinstance(made, ProviderCall)
    assert (made.name, made.result, made.sources) == ("web_search", text, sources)
    assert made.opaque == {"blocks": [call.content[0], block]}


def test_a_result_that_comes_later_stands_alone():
    [made] = read_said(finds("srv_1", "https://a.test", "T")).content
    assert isinstance(made, ProviderCall)
    assert (made.name, made.arguments, made.result) == ("web_search", "", "T https://a.test")


@pytest.mark.parametrize(
    ("kind", "message", "error"),
    [
        ("overloaded_error", "Overloaded", ModelUnavailable),
        ("rate_limit_error", "slow down", ModelUnavailable),
        ("api_error", "Internal server error", ModelUnavailable),
        ("timeout_error", "Request timed out", ModelUnavailable),
        ("invalid_request_error", "max_tokens: too large", ModelRejected),
        (
            "invalid_request_error",
            "prompt is too long: 210000 tokens > 200000 maximum",
            ContextOverflow,
        ),
        (
            "invalid_request_error",
            "Your credit balance is too low to access the Anthropic API",
            ModelDenied,
        ),
        ("authentication_error", "invalid x-api-key", ModelDenied),
        ("permission_error", "no", ModelDenied),
        ("billing_error", "no", ModelDenied),
    ],
)
def test_an_error_in_mid_stream_is_the_right_one(kind, message, error):
    failed = event("error", error={"type": kind, "message": message}, request_id="req_1")
    with pytest.raises(error, match=message[:10]):
        read(STREAM[:1500] + failed)
    with pytest.raises(error):
        read(json.dumps({"type": "error", "error": {"type": kind, "message": message}}).encode())


def test_a_broken_stream_counts_what_it_has_shown():
    reader = ReplyReader(MESSAGES)
    said = stream_events(says("word " * 400), USAGE, pieces=50)
    reader.feed(said[: len(said) // 2])
    usage = reader.usage_so_far(100)
    assert usage.estimated
    assert usage.input_tokens == 160
    assert 150 < usage.output_tokens < 300


def test_sizes_are_bounded():
    many = b"".join(
        event(
            "content_block_start",
            index=i,
            content_block={"type": "tool_use", "id": str(i), "name": "a", "input": {}},
        )
        for i in range(257)
    )
    with pytest.raises(ModelRejected, match="256 tool calls"):
        read(many + event("message_stop"))
    blocks = b"".join(
        event("content_block_start", index=i, content_block={"type": "text", "text": "a"})
        for i in range(4097)
    )
    with pytest.raises(ModelRejected, match="4096 blocks"):
        read(blocks + event("message_stop"))
    deep: Any = {}
    for _ in range(100):
        deep = {"a": deep}
    with pytest.raises(ModelUnavailable, match="64 deep"):
        read(
            event("content_block_start", index=0, content_block={"type": "x", "y": deep})
            + event("message_stop")
        )


@pytest.mark.parametrize(
    ("reason", "finish_reason"),
    [("guardrail_intervened", "content_filter"), ("length", "length"), ("MAX_TOKENS", "length")],
)
def test_other_servers_of_this_api_have_words_of_their_own(reason, finish_reason):
    assert read_said(Said(says("Half of").content, reason)).finish_reason == finish_reason


def test_a_reply_that_failed_is_none():
    with pytest.raises(ModelUnavailable, match="broke the reply off"):
        read_said(Said(says("Half of").content, "error"))


def test_what_comes_in_place_of_an_answer_is_shown():
    with pytest.raises(ModelUnavailable, match="no content: the model loads"):
        read(b'{"detail": "the model loads"}')
