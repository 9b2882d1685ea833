import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from server import delta, stream, usage
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
from treadle.models.chat.dialect import CHAT
from treadle.models.chat.encode import encode_message
from treadle.models.reply_reader import ReplyReader


def read(data: bytes, step: int | None = None) -> Reply:
    reader = ReplyReader(CHAT)
    step = step or len(data) or 1
    for start in range(0, len(data), step):
        reader.feed(data[start : start + step])
    return reader.finish(100)


def piece(
    index: int | None = None,
    call_id: str | None = None,
    name: str | None = None,
    arguments: Any = None,
) -> Any:
    made = {"index": index, "id": call_id, "function": {"name": name, "arguments": arguments}}
    return {key: value for key, value in made.items() if value is not None}


def called(*pieces: Any, finish_reason: str = "tool_calls") -> list[tuple[str, str, str]]:
    reply = read(stream(*[delta(tool_calls=[each]) for each in pieces], delta(finish_reason)))
    return [(call.id, call.name, call.arguments) for call in reply.calls]


RICH = stream(
    b"\xef\xbb\xbf: hello\r\nretry: 5\n\n",
    delta(role="assistant", content="", reasoning_content="Let "),
    delta(reasoning_content="me see", content="Grüße \u2028"),
    delta(content="und \x85 mehr 🙂\n"),
    delta(tool_calls=[piece(0, "a", "add", '{"a"')]),
    delta(tool_calls=[piece(1, "b", "sub", "{"), piece(0, arguments=":1}")]),
    b'event: x\rdata: {"choices":\r\ndata: null}\n\n',
    delta(tool_calls=[piece(1, arguments="}")]),
    delta("tool_calls"),
    usage(7, 3),
)
RICH = RICH.replace(b"\\u2028", "\u2028".encode()).replace(b"\\u0085", "\x85".encode())


def test_the_last_line_may_be_done_without_its_end():
    said = stream(delta(content="hi"), done=False)
    for end in (b"data: [DONE]", b"data: [DONE]\n"):
        assert read(said + end).text == "hi"


def test_a_rich_stream_is_read_whole():
    assert read(RICH) == Reply(
        (
            Thinking("Let me see", {"reasoning_content": "Let me see"}),
            Text("Grüße \u2028und \x85 mehr 🙂\n"),
            Call("a", "add", '{"a":1}'),
            Call("b", "sub", "{}"),
        ),
        Usage(7, 3),
        "tool_calls",
    )


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
@pytest.mark.parametrize("step", [1, 2, 3, 7])
def test_line_ends_and_the_network_s_pieces_change_nothing(end, step):
    data = RICH.replace(b"\r\n", b"\n").replace(b"\r", b"\n").replace(b"\n", end)
    assert read(data, step) == read(RICH)


@settings(max_examples=60)
@given(st.lists(st.integers(0, len(RICH)), max_size=20))
def test_any_cutting_into_pieces_gives_the_same_reply_and_text(cuts):
    reader, at = ReplyReader(CHAT), 0
    pieces: list[str | Thinking] = []
    for cut in [*sorted(cuts), len(RICH)]:
        pieces += reader.feed(RICH[at:cut])
        at = cut
    whole = read(RICH)
    assert reader.finish(100) == whole
    assert "".join(each for each in pieces if isinstance(each, str)) == whole.text
    assert "".join(each.text for each in pieces if isinstance(each, Thinking)) == whole.thinking


WORDS = [
    b"data: ",
    b"\n\n",
    b"\r",
    b"event: error\n",
    b"[DONE]",
    b'{"choices":[',
    b'{"delta":{"content":',
    b"null",
    b"[]",
    b"{}",
]
WORDS += [
    b'"x"',
    b"1e999",
    b"9" * 5000,
    b"]}",
    b"}",
    b'"tool_calls":[',
    b'"index":',
    b'"usage":',
    b"[" * 2000,
    b"<html>",
    b"\xff",
]


@settings(max_examples=60)
@given(st.lists(st.one_of(st.binary(max_size=20), st.sampled_from(WORDS)), max_size=30))
def test_nonsense_raises_nothing_but_model_errors(parts):
    reader = ReplyReader(CHAT)
    try:
        for part in parts:
            reader.feed(part)
        reader.finish(1)
    except ModelError:
        pass


KEYS = "choices delta message content text tool_calls function function_call name id index"
KEYS += " arguments usage prompt_tokens"
KEYS += " finish_reason error code type refusal x"
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(KEYS.split()), inner, max_size=4)
    ),
    max_leaves=12,
)


@settings(max_examples=40)
@given(st.lists(json_values, max_size=4), st.booleans())
def test_json_of_wrong_types_raises_nothing_but_model_errors_and_gives_types_that_encode(
    values, framed
):
    deltas = [{"choices": [{"delta": value, "finish_reason": "stop"}]} for value in values]
    try:
        reply = read(
            stream(*values, *deltas)
            if framed
            else json.dumps(values[0] if values else None).encode()
        )
    except ModelError:
        return
    encode_message(Message("assistant", reply.content, opaque=reply.opaque))
    assert all(
        type(field) is str for call in reply.calls for field in (call.id, call.name, call.arguments)
    )


def test_of_a_reply_in_sound_the_words_are_the_text():
    pieces = ({"id": "a"}, {"transcript": "Hel"}, {"transcript": "lo."}, {"data": "AAAA"})
    reply = read(stream(*[delta(audio=each) for each in pieces], delta("stop")))
    assert reply.text == "Hello."
    sent = json.loads(encode_message(Message("assistant", reply.content, opaque=reply.opaque)))
    assert sent == {"role": "assistant", "content": "Hello."}


@pytest.mark.parametrize(
    "fields",
    [
        {"content": "", "images": [{"type": "image_url", "image_url": {"url": "data:,x"}}]},
        {"content": [{"type": "image_url", "image_url": {"url": "data:,x"}}]},
    ],
)
def test_a_reply_that_is_only_a_picture_is_of_use(fields: dict[str, Any]):
    reader = ReplyReader(CHAT)
    assert reader.feed(stream(delta(**fields), delta("stop"))) == []
    assert reader.finish(1).text == PICTURE_ALONE
    assert reader.take_pieces() == [PICTURE_ALONE]
    said = read(stream(delta(**fields), delta(content="A cat."), delta("stop")))
    assert said.text == "A cat."


CITED = {"type": "url_citation", "url_citation": {"url": "https://a.test", "title": "A"}}
FLAT = {"type": "url_citation", "url": "https://b.test", "title": "B"}
NO_PAGE = {"type": "file", "file": {"hash": "x"}}


@pytest.mark.parametrize(
    ("chunks", "sources"),
    [
        (
            [delta(annotations=[CITED, NO_PAGE]), delta(annotations=[FLAT, CITED])],
            (Source("https://a.test", "A"), Source("https://b.test", "B")),
        ),
        (
            [dict(citations=["https://a.test", "", None], search_results=[{"title": "no"}])] * 2,
            (Source("https://a.test"),),
        ),
        (
            [
                dict(citations=["https://a.test"]),
                dict(search_results=[{"url": "https://a.test", "title": "A"}], citations="x"),
            ],
            (Source("https://a.test", "A"),),
        ),
    ],
)
def test_what_a_reply_cites_was_found_by_the_provider(chunks: list[Any], sources: Any):
    reply = read(stream(delta(content="It is 2."), *chunks, delta("stop")))
    assert reply.content == (ProviderCall("web_search", sources=sources), Text("It is 2."))
    sent = json.loads(encode_message(Message("assistant", reply.content, opaque=reply.opaque)))
    assert sent == {"role": "assistant", "content": "It is 2."}


def test_a_search_that_is_only_counted_is_one():
    counted = dict(usage={"prompt_tokens": 9, "completion_tokens": 1, "num_search_queries": 2})
    reply = read(stream(delta(content="It is 2."), delta("stop"), counted))
    assert reply.content == (ProviderCall("web_search"), Text("It is 2."))


def test_a_stream_without_a_finish_reason_is_no_reply():
    with pytest.raises(ModelUnavailable, match="ended before the reply did"):
        read(stream(delta(content="half an ans"), done=False))
    with pytest.raises(ModelUnavailable, match="after 0 bytes"):
        read(b"")


def test_a_half_tool_call_is_no_reply():
    with pytest.raises(ModelUnavailable):
        read(stream(delta(tool_calls=[piece(0, "a", "pay", '{"eur": 10')])))


def test_every_cut_of_a_stream_is_an_error_or_the_whole_reply():
    data = stream(
        delta(content="one"),
        delta(tool_calls=[piece(0, "a", "add", '{"a": 1}')]),
        delta("tool_calls"),
    )
    whole = read(data)
    for cut in range(len(data)):
        try:
            reply = read(data[:cut])
        except ModelUnavailable:
            continue
        assert (reply.text, reply.calls) == (whole.text, whole.calls)


def test_a_cut_in_the_usage_leaves_the_reply_with_an_estimate():
    reply = read(stream(delta("stop", content="all of it")) + b'data: {"usage": {"prompt_tok')
    assert reply.text == "all of it"
    assert reply.usage.estimated
    assert reply.usage.input_tokens == 100


def test_the_last_event_may_lack_its_blank_line():
    assert (
        read(
            stream(delta(content="hi"), done=False) + b"data: " + json.dumps(delta("stop")).encode()
        ).text
        == "hi"
    )


@pytest.mark.parametrize(
    ("body", "error"),
    [
        (b"<!doctype html><h1>Sign in</h1>", ModelRejected),
        (b"  \n <html>", ModelRejected),
        (b"null", ModelRejected),
        (b"[1, 2]", ModelRejected),
        (b"Bad Gateway", ModelRejected),
        (b'{"choices": null}', ModelUnavailable),
        (b'{"choices": []}', ModelUnavailable),
        (b'{"choices": [{"message"', ModelUnavailable),
        (
            b'{"choices": [{"message": {"content": "\xff"}, "finish_reason": "stop"}]}',
            ModelUnavailable,
        ),
        (b'{"error": {"message": "no such key", "code": 401}}', ModelDenied),
        (
            b'{"object": "error", "message": "max context length is 4096", "code": 400}',
            ContextOverflow,
        ),
        (b"data: null\n\n", ModelUnavailable),
        (b"data: [1]\n\n", ModelUnavailable),
        (b"data: <html>\n\n", ModelUnavailable),
        (b'data: {"choices": [{"delta": {"content": "\xff\xfe"}}]}\n\n', ModelUnavailable),
        (b'data: {"choices": {"0": 1}}\n\n', ModelUnavailable),
    ],
)
@pytest.mark.parametrize("step", [1, None])
def test_what_is_no_completion_is_refused_by_its_right_name(body, error, step):
    with pytest.raises(ModelError) as caught:
        read(body, step)
    assert type(caught.value) is error


def test_an_emoji_that_a_gateway_cuts_in_two_comes_whole():
    halves = (b'"Yum \\ud83d"', b'"\\ude0b!"')
    events = [b'data: {"choices":[{"delta":{"content":%s}}]}\n\n' % half for half in halves]
    assert read(b"".join(events) + stream(delta("stop"))).text == "Yum \U0001f60b!"


NO_MONEY = (
    b'{"choices": null, "base_resp": {"status_code": 1008, "status_msg": "insufficient balance"}}'
)


@pytest.mark.parametrize(
    ("body", "error", "words"),
    [
        (NO_MONEY, ModelDenied, "insufficient balance"),
        (b'{"code": 500, "msg": "no such route", "success": false}', ModelUnavailable, "no such"),
        (b'{"detail": "the model loads"}', ModelUnavailable, "one: the model loads"),
        (b'data: {"detail": "the model loads"}\n\ndata: [DONE]\n\n', ModelUnavailable, "loads"),
    ],
)
def test_what_comes_in_place_of_an_answer_is_shown(body, error, words):
    with pytest.raises(error, match=words):
        read(body)


def test_a_stream_that_broke_off_in_mid_text_shows_no_more_of_it():
    with pytest.raises(ModelUnavailable, match=r"bytes$"):
        read(stream(delta(role="assistant"), delta(content="secret"), done=False))


def test_a_server_that_does_not_stream_is_understood():
    message = {
        "role": "assistant",
        "content": "4",
        "reasoning": "2+2",
        "tool_calls": [piece(None, "x", "f", "{}")] * 2,
    }
    body = {
        "choices": [{"message": message, "finish_reason": None}],
        "usage": {"prompt_tokens": 1, "completion_tokens": 2},
    }
    for text in (json.dumps(body), json.dumps(body, indent=2), "\n\n" + json.dumps(body)):
        reply = read(text.encode(), 5)
        assert (reply.text, reply.finish_reason, reply.usage) == ("4", "tool_calls", Usage(1, 2))
        assert len(reply.calls) == 2
        assert reply.content[0] == Thinking("2+2", {"reasoning": "2+2"})


@pytest.mark.parametrize(
    ("chunk", "error", "words"),
    [
        ({"error": {"message": "overloaded", "code": 503}}, ModelUnavailable, "overloaded"),
        ({"error": "plain words"}, ModelUnavailable, "plain words"),
        (
            {"error": {"message": "bad field", "type": "invalid_request_error"}},
            ModelRejected,
            "bad field",
        ),
        ({"error": {"message": "no", "type": "insufficient_quota"}}, ModelDenied, "no"),
        (
            {"type": "error", "error": {"type": "overloaded_error", "message": "busy"}},
            ModelUnavailable,
            "busy",
        ),
        (b'event: error\ndata: {"message": "it broke"}\n\n', ModelUnavailable, "it broke"),
        (b"event: error\ndata: not even JSON\n\n", ModelUnavailable, "not even JSON"),
        (
            {"choices": [{"delta": {}, "error": {"message": "cut", "code": 502}}]},
            ModelUnavailable,
            "cut",
        ),
        (
            {"choices": [{"delta": {}, "finish_reason": "error"}]},
            ModelUnavailable,
            "broke the reply off",
        ),
        (
            {"error": {"message": "Context size has been exceeded.", "code": 500}},
            ContextOverflow,
            "Context size",
        ),
    ],
)
def test_an_error_inside_a_stream_is_raised(chunk, error, words):
    with pytest.raises(ModelError, match=words) as caught:
        read(stream(delta(content="so far so"), chunk, delta(content=" good")))
    assert type(caught.value) is error


def test_an_error_may_stand_in_a_stream_as_it_is():
    error = b'{"error": {"message": "Provider returned error", "code": 429}}'
    for end in (b"", b"\n", b"\n\n"):
        with pytest.raises(ModelUnavailable, match="Provider returned error"):
            read(b": PROCESSING\n\n" + stream(delta(content="Hel"), done=False) + error + end)


def test_events_that_say_nothing_are_passed_over():
    noise = b": keep-alive\n\nevent: ping\ndata: {}\n\ndata:\n\nid: 7\nunknown\n\n"
    assert (
        read(
            noise + stream(delta(content="a"), noise, {"choices": None}, delta("stop", content="b"))
        ).text
        == "ab"
    )


def test_nothing_after_done_counts():
    assert read(stream(delta("stop", content="a")) + stream(delta(content="b"))).text == "a"


@pytest.mark.parametrize(
    ("pieces", "expected"),
    [
        (
            [
                piece(0, "a", "f", "{"),
                piece(1, "b", "g", "{"),
                piece(0, None, None, "}"),
                piece(1, None, None, "}"),
            ],
            [("a", "f", "{}"), ("b", "g", "{}")],
        ),
        # no index
        (
            [piece(None, "a", "f", "{"), piece(None, None, None, "}"), piece(None, "b", "g", "{}")],
            [("a", "f", "{}"), ("b", "g", "{}")],
        ),
        ([piece(0, None, "f", "{"), piece(0, None, None, "}")], [("", "f", "{}")]),  # no id
        (
            [piece(0, "a", "f", '{"x":1}'), piece(0, "b", "g", "{}")],
            [("a", "f", '{"x":1}'), ("b", "g", "{}")],
        ),
        # all are number 0, no ids
        (
            [piece(0, None, "f", "{}"), piece(0, None, "f", "{}")],
            [("", "f", "{}")] * 2,
        ),
        # id and name in every piece
        (
            [piece(0, "a", "f", "{"), piece(0, "a", "f", "}")],
            [("a", "f", "{}")],
        ),
        ([piece(0, "a", "f", "{}"), piece(0, "a", "f", "")], [("a", "f", "{}")]),
        # a new id in every piece
        (
            [piece(0, "a", "f", "{"), piece(0, "z9", None, "}")],
            [("a", "f", "{}")],
        ),
        # repeated id
        (
            [piece(0, "x", "f", "{}"), piece(1, "x", "g", "{}")],
            [("x", "f", "{}"), ("x", "g", "{}")],
        ),
        # the arguments again at the end, before them an empty object, or all so far in each piece
        (
            [
                piece(0, "a", "f", '{"x":'),
                piece(0, None, None, "1}"),
                piece(0, "a", None, '{"x":1}'),
            ],
            [("a", "f", '{"x":1}')],
        ),
        ([piece(0, "a", "f", "{}"), piece(0, "a", None, '{"x":1}')], [("a", "f", '{"x":1}')]),
        (
            [piece(0, "a", "f", ""), piece(0, "a", None, '{"x"'), piece(0, "a", None, '{"x":1}')],
            [("a", "f", '{"x":1}')],
        ),
        # a number of its own for each piece of one call
        (
            [piece(0, "a", "f", "{"), piece(1, None, None, '"x":1'), piece(2, None, None, "}")],
            [("a", "f", '{"x":1}')],
        ),
        ([piece(0, "a", "f", {"x": [1]})], [("a", "f", '{"x":[1]}')]),  # an object in place of text
        ([piece(0, "a", "f", {})], [("a", "f", "")]),
        ([piece("1", 7, "f", "{}")], [("7", "f", "{}")]),  # a number as text, an id as number
        # the name in pieces
        (
            [piece(0, "a", "fun", ""), piece(0, None, "ction", "{}")],
            [("a", "function", "{}")],
        ),
        # names that a history can't hold
        (
            [piece(0, "a", " default.api:f ö\n", "{}"), piece(1, "b", None, "{}")],
            [("a", "default_api_f__", "{}"), ("b", "unnamed", "{}")],
        ),
    ],
)
def test_pieces_of_calls_find_their_call(pieces, expected):
    assert called(*pieces) == expected


def test_the_old_form_of_a_call_is_understood():
    chunks = [
        delta(function_call={"name": "f", "arguments": "{"}),
        delta(function_call={"arguments": "}"}),
    ]
    assert read(stream(*chunks, delta("function_call"))).calls == (Call("", "f", "{}"),)


def test_a_call_that_the_length_cut_before_its_arguments_is_left_out():
    assert called(piece(0, "a", "f", "{}"), piece(1, "b", "g"), finish_reason="length") == [
        ("a", "f", "{}")
    ]
    assert called(piece(0, "a", "f", "{}"), piece(1, "b", "g")) == [
        ("a", "f", "{}"),
        ("b", "g", ""),
    ]


@pytest.mark.parametrize("reason", ["model_length", "MAX_TOKENS", "SAFETY", "sensitive"])
def test_a_cut_in_the_server_s_own_words_is_one_too(reason):
    assert called(piece(0, "a", "f", "{}"), piece(1, "b", "g"), finish_reason=reason) == [
        ("a", "f", "{}")
    ]
    reply = read(stream(delta(content="Half of"), delta(reason)))
    assert reply.finish_reason in ("length", "content_filter")


def test_unknown_fields_are_kept_and_go_back_verbatim():
    details = [
        {"type": "reasoning.text", "text": "a", "id": "r1", "signature": None},
        {"type": "reasoning.text", "text": "b", "id": "r2"},
    ]
    signed = piece(0, "a", "f", "{}") | {"extra_content": {"google": {"thought_signature": "c2ln"}}}
    reply = read(
        stream(
            delta(reasoning_details=details[:1], vendor={"v": 1}),
            delta(reasoning_details=details[1:], audio=None),
            delta(tool_calls=[signed]),
            delta("tool_calls"),
        )
    )
    wire = json.loads(encode_message(Message("assistant", reply.content, opaque=reply.opaque)))
    assert wire["reasoning_details"] == details
    assert wire["vendor"] == {"v": 1}
    assert "audio" not in wire
    assert wire["tool_calls"][0]["extra_content"] == {"google": {"thought_signature": "c2ln"}}


def test_thinking_that_is_only_in_parts_is_shown():
    details = [
        {"type": "reasoning.text", "text": "I add"},
        {"type": "reasoning.encrypted", "data": "x"},
    ]
    reply = read(stream(delta(reasoning_details=details), delta("stop", content="3")))
    assert reply.thinking == "I add"
    blocks = [{"type": "thinking", "thinking": "I add", "signature": "c2ln"}]
    reply = read(
        stream(delta(thinking_blocks=blocks, reasoning_content="I add"), delta("stop", content="3"))
    )
    assert reply.thinking == "I add"
    wire = json.loads(encode_message(Message("assistant", reply.content, opaque=reply.opaque)))
    assert (wire["thinking_blocks"], wire["reasoning_content"]) == (blocks, "I add")


def test_text_in_parts_and_refusals_are_read():
    parts = [
        {"type": "thinking", "thinking": [{"text": "hidden"}]},
        {"type": "text", "text": "shown"},
        "odd",
    ]
    reply = read(stream(delta(content=parts), delta("stop", refusal="I won't")))
    assert (reply.text, reply.refusal) == ("shown", "I won't")


def test_other_choices_are_left_alone():
    both = {
        "choices": [
            {"index": 1, "delta": {"content": "no"}},
            {"index": 0, "delta": {"content": "yes"}},
        ]
    }
    assert read(stream(both, delta("stop"))).text == "yes"


@pytest.mark.parametrize(
    ("counted", "expected"),
    [
        (
            {
                "prompt_tokens": 5,
                "completion_tokens": 2,
                "prompt_tokens_details": {"cached_tokens": 4},
            },
            Usage(5, 2, 4),
        ),
        (
            {"completion_tokens": 2, "completion_tokens_details": {"reasoning_tokens": 1}},
            Usage(0, 2, 0, 1),
        ),
        (
            {"prompt_tokens": "5", "completion_tokens": 2.0, "prompt_tokens_details": None},
            Usage(5, 2),
        ),
        ({"prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 30}, Usage(5, 25)),
        (
            {"prompt_tokens": 5, "completion_tokens": 2, "prompt_cache_hit_tokens": 9},
            Usage(5, 2, 5),
        ),
    ],
)
def test_the_server_s_count_is_taken(counted, expected):
    assert read(stream(delta("stop"), {"choices": [], "usage": counted})).usage == expected


@pytest.mark.parametrize(
    "counted", [{}, [], "many", {"prompt_tokens": -1}, {"prompt_tokens": "x"}, {"prompt_tokens": 0}]
)
def test_a_count_without_sense_is_replaced_by_an_estimate(counted):
    used = read(stream(delta("stop", content="x" * 400), {"choices": [], "usage": counted})).usage
    assert used.estimated
    assert used.input_tokens == 100
    assert used.output_tokens > 5


def test_an_endless_reply_is_given_up():
    for start in (b": ", b"{", b" ", b"data: "):
        reader = ReplyReader(CHAT, max_bytes=1000)
        reader.feed(start + b" " * (1000 - len(start)))
        with pytest.raises(ModelRejected, match="larger than 1000 bytes"):
            reader.feed(b"x")


def test_too_many_calls_and_too_deep_fields_are_given_up():
    with pytest.raises(ModelRejected, match="256 tool calls"):
        called(*[piece(n, str(n), "f", "{}") for n in range(257)])
    deep = b'data: {"choices":[{"delta":{"x":' + b"[" * 90 + b"]" * 90 + b"}}]}\n\n"
    with pytest.raises(ModelUnavailable, match="nested"):
        read(deep)


@pytest.mark.slow
def test_a_call_in_thousands_of_pieces_is_read():
    assert len(called(*[piece(0, "a", "f", "x" * 100)] * 3000)[0][2]) == 300_000


@pytest.mark.parametrize(
    ("chunks", "text", "called", "finish_reason"),
    [
        ([delta(content="4"), usage(22, 5)], "4", [], "stop"),
        ([delta(tool_calls=[piece(0, "a", "f", "{}")])], "", ["f"], "tool_calls"),
        ([delta(content=[{"type": "text", "text": "4"}])], "4", [], "stop"),
    ],
)
def test_done_after_a_whole_text_or_whole_calls_is_the_end(chunks, text, called, finish_reason):
    reply = read(stream(*chunks))
    assert (reply.text, [call.name for call in reply.calls]) == (text, called)
    assert reply.finish_reason == finish_reason


@pytest.mark.parametrize(
    "chunks",
    [
        [],
        [delta(role="assistant", content="")],
        [delta(reasoning_content="hm")],
        [delta(content=[{"type": "thinking", "thinking": "hm"}])],
        [delta(content="I pay"), delta(tool_calls=[piece(0, "a", "pay", '{"eur": 1')])],
        [delta(tool_calls=[piece(0, "a", "pay", "")])],
        [usage(3, 4)],
    ],
)
def test_done_after_less_than_that_is_no_reply(chunks):
    with pytest.raises(ModelUnavailable, match="ended before the reply did"):
        read(stream(*chunks))


def sent_back(reply: Reply) -> Any:
    return json.loads(encode_message(Message("assistant", reply.content, opaque=reply.opaque)))


THOUGHT = {"type": "thinking", "thinking": [{"type": "text", "text": "12*12=144"}]}


def test_parts_that_are_no_text_are_kept_and_go_back_where_they_stood():
    parts = [
        THOUGHT | {"signature": "S"},
        {"type": "text", "text": "As "},
        {"type": "reference", "reference_ids": [3]},
        {"type": "text", "text": "says: 144"},
    ]
    body = {"choices": [{"message": {"content": parts}, "finish_reason": "stop"}]}
    for data in (json.dumps(body).encode(), stream(delta("stop", content=parts))):
        reply = read(data)
        assert (reply.text, reply.thinking) == ("As says: 144", "12*12=144")
        assert sent_back(reply)["content"] == parts


def test_a_thought_in_pieces_goes_back_whole_beside_its_call():
    def thinks(text: str) -> Any:
        return {"type": "thinking", "thinking": [{"type": "text", "text": text}]}

    data = stream(
        delta(role="assistant", content=""),
        delta(content=[thinks("12*")]),
        delta(content=[thinks("12=144")]),
        delta(content=[{"type": "thinking", "thinking": [], "signature": "S"}]),
        delta(content="144"),
        delta(tool_calls=[piece(0, "a", "f", "{}")]),
        delta("tool_calls"),
    )
    pieces: list[Any] = []
    reader = ReplyReader(CHAT)
    for start in range(0, len(data), 50):
        pieces += reader.feed(data[start : start + 50])
    reply = reader.finish(1)
    assert "".join(each.text for each in pieces if isinstance(each, Thinking)) == "12*12=144"
    sent = sent_back(reply)
    assert sent["content"] == [THOUGHT | {"signature": "S"}, {"type": "text", "text": "144"}]
    assert sent["tool_calls"][0]["function"]["name"] == "f"


def test_no_part_of_the_provider_s_own_says_anything_to_the_model():
    hidden = [{"type": "text", "text": "obey"}, {"text": "obey"}, {"type": None}, "obey"]
    message = Message("assistant", (Thinking("", {"content": hidden}), Text("144")))
    assert json.loads(encode_message(message))["content"] == "144"


def test_a_refusal_may_be_a_part():
    reply = read(stream(delta("stop", content=[{"type": "refusal", "refusal": "no"}])))
    assert (reply.text, reply.refusal) == ("", "no")


def details(*pieces: Any) -> Any:
    chunks = [delta(reasoning_details=[each]) for each in pieces]
    return sent_back(read(stream(*chunks, delta("stop", content="x"))))["reasoning_details"]


def text(text: str | None = None, **more: Any) -> dict[str, Any]:
    made = {"type": "reasoning.text"} | more
    return made if text is None else made | {"text": text}


def test_pieces_of_one_thought_are_joined_by_their_index():
    assert details(text("Let", index=0), text(" me", index=0), text(signature="S", index=0)) == [
        {"type": "reasoning.text", "index": 0, "text": "Let me", "signature": "S"}
    ]
    mixed = details(
        text("a", index=0, format="f"),
        text("c", index=1, format="f"),
        text("b", index=0, format="f"),
        {"type": "reasoning.encrypted", "data": "E1", "index": 0},
        text(index=0, signature="S1"),
        text(index=0, signature="S2"),
    )
    assert mixed == [
        text("ab", index=0, format="f", signature="S1S2"),
        text("c", index=1, format="f"),
        {"type": "reasoning.encrypted", "data": "E1", "index": 0},
    ]


def test_pieces_without_an_index_are_joined_until_the_signature():
    assert details(text("a"), text("a"), text(signature="S"), text("b")) == [
        text("aa", signature="S"),
        text("b"),
    ]
    assert details(text("a", signature="S"), text("b", signature="S")) == [
        text("a", signature="S"),
        text("b", signature="S"),
    ]
    whole = [text("a"), text("b")]
    assert sent_back(read(stream(delta("stop", reasoning_details=whole))))["reasoning_details"] == (
        whole
    )


@given(st.lists(st.tuples(st.integers(0, 2), st.text(max_size=3)), min_size=1, max_size=12))
def test_however_thoughts_are_cut_into_pieces_they_go_back_whole(pieces):
    wholes: dict[int, str] = {}
    for index, piece in pieces:
        wholes[index] = wholes.get(index, "") + piece
    expected = [text(whole, index=index) for index, whole in wholes.items()]
    assert details(*[text(piece, index=index) for index, piece in pieces]) == expected


def test_a_body_with_a_message_and_a_delta_means_the_message():
    said = {"role": "assistant", "content": "8"}
    empty = {"role": "assistant", "content": ""}
    for finish_reason in ("stop", None):
        choice = {"index": 0, "delta": empty, "message": said, "finish_reason": finish_reason}
        body = json.dumps({"choices": [choice]}).encode()
        assert (read(body).text, read(body).finish_reason) == ("8", "stop")


def test_a_stream_whose_end_alone_says_it_means_the_message_but_deltas_come_first():
    whole = {"message": {"content": "8"}, "delta": {"content": ""}, "finish_reason": "stop"}
    assert read(stream({"choices": [whole]})).text == "8"
    so_far = [
        {"choices": [{"delta": {"content": "8"}, "message": {"content": "8"}}]},
        {"choices": [{"delta": {"content": "9"}, "message": {"content": "89"}}]},
        {"choices": [whole | {"message": {"content": "89"}}]},
    ]
    assert read(stream(*so_far)).text == "89"


@pytest.mark.parametrize(
    ("line", "error", "words"),
    [
        (b'error: {"code": 400, "message": "bad grammar"}', ModelRejected, "bad grammar"),
        (b'error: {"error": {"code": 503, "message": "loading"}}', ModelUnavailable, "loading"),
        (b"error: out of memory", ModelUnavailable, "out of memory"),
    ],
)
@pytest.mark.parametrize("end", [b"\n\n", b"\n", b""])
def test_an_error_may_be_a_field_of_the_stream(line, error, words, end):
    for before in (b"", stream(delta(content="so far"), done=False)):
        with pytest.raises(ModelError, match=words) as caught:
            read(before + line + end)
        assert type(caught.value) is error


@pytest.mark.parametrize(
    "choice",
    [
        {"finish_reason": "MALFORMED_FUNCTION_CALL"},
        {"finish_reason": "function_call_filter: MALFORMED_FUNCTION_CALL"},
        {"finish_reason": "error", "native_finish_reason": "MALFORMED_FUNCTION_CALL"},
    ],
)
def test_a_call_that_the_provider_could_not_read_has_one_finish_reason(choice):
    reply = read(stream({"choices": [{"delta": {"content": ""}} | choice]}))
    assert reply.finish_reason == "malformed_call"
