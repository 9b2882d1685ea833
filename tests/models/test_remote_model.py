import asyncio
import base64
import email.utils
import gzip
import json
import socket
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import pytest
from msgspec.structs import replace

from server import Server, calls, delta, failing, http, says, serving, stream, streamed, usage
from treadle.core.errors import (
    ContextOverflow,
    ModelDenied,
    ModelError,
    ModelRejected,
    ModelUnavailable,
    UsageError,
)
from treadle.core.events import Call, File, Image, Thinking, Usage
from treadle.core.model import Message, Reply, Request, ToolSchema
from treadle.core.model_settings import ModelSettings
from treadle.models.chat.encode import encode_message
from treadle.models.http_client import MAX_ERROR_BYTES
from treadle.models.known_secrets import redact_known
from treadle.models.provider_errors import http_error, to_model_error
from treadle.models.remote_model import RemoteModel
from treadle.models.retry_after import parse_retry_after

GO = Request((Message("user", "go"),))


def model(url: str, **settings: Any) -> RemoteModel:
    return RemoteModel("m", **{"base_url": url, "api_key": "sk-very-secret"} | settings)


def ask(*answers: Any, request: Request = GO, **settings: Any) -> tuple[Reply, list[str], Server]:
    async def main() -> tuple[Reply, list[str], Server]:
        pieces: list[str] = []
        async with serving(*answers) as server:
            return await model(server.url, **settings).reply(request, pieces.append), pieces, server

    return asyncio.run(main())


def refused(*answers: Any, **settings: Any) -> ModelError:
    with pytest.raises(ModelError) as caught:
        ask(*answers, **settings)
    return caught.value


def test_a_stream_is_emitted_as_it_comes_and_given_whole():
    reply, pieces, server = ask(says("hello there"))
    assert (reply.text, "".join(pieces), len(pieces) >= 1) == ("hello there", "hello there", True)
    assert reply.usage == Usage(10, 5)
    assert server.asked[0].line == "POST /v1/chat/completions HTTP/1.1"
    assert server.asked[0].headers["authorization"] == "Bearer sk-very-secret"


BODY = {"choices": [{"message": {"content": "hello"}, "finish_reason": "stop"}]}


@pytest.mark.parametrize(
    "answer",
    [
        http(200, json.dumps(BODY).encode()),
        streamed([stream(delta("stop", content="hello"), done=False).rstrip()]),
    ],
)
def test_what_comes_with_the_last_bytes_or_in_one_body_is_emitted_too(answer):
    reply, pieces, _ = ask(answer)
    assert (reply.text, "".join(pieces)) == ("hello", "hello")


def test_a_reply_that_failed_at_its_end_counts_what_it_used():
    failed = streamed([stream(delta(content="Hel"), delta("error"), usage(1000, 500))])
    error = refused(failed)
    assert isinstance(error, ModelUnavailable)
    assert error.usage == Usage(1000, 500)


def test_tool_calls_arrive():
    assert ask(calls(("add", {"a": 1}), ("add", "{bad")))[0].calls == (
        Call("call_0", "add", '{"a": 1}'),
        Call("call_1", "add", "{bad"),
    )


RICH = Request(
    (
        Message("system", "Sé breve \u2028\n"),
        Message(
            "user",
            (
                "look",
                Image("https://x.test/a.png"),
                File("a.pdf", "data:application/pdf;base64,AAA="),
            ),
        ),
        Message(
            "assistant",
            (Thinking("hm", {"reasoning_content": "hm"}), Call("c1", "add", '{"a": 1}')),
        ),
        Message("tool", "2", call_id="c1"),
    ),
    (ToolSchema("add", "Adds.", {"type": "object", "properties": {"a": {"type": "integer"}}}),),
    100,
    {"type": "object", "properties": {}},
)


def test_tools_that_may_not_be_called_are_sent_with_that_choice():
    body = json.loads(model("http://127.0.0.1:1/v1").body(replace(RICH, tool_choice="none")))
    assert (len(body["tools"]), body["tool_choice"]) == (1, "none")
    assert "tool_choice" not in json.loads(model("http://127.0.0.1:1/v1").body(RICH))


def test_pictures_of_a_tool_stand_beside_its_result():
    picture = Image("https://x.test/a.png")
    messages = (*RICH.messages[:-1], Message("tool", ("[picture 1]", picture), "c1"))
    body = json.loads(model("http://127.0.0.1:1/v1").body(replace(RICH, messages=messages)))
    *_, result, beside = body["messages"]
    assert result == {"role": "tool", "content": "[picture 1]", "tool_call_id": "c1"}
    assert beside["role"] == "user"
    assert beside["content"][-1] == {"type": "image_url", "image_url": {"url": picture.url}}


@pytest.mark.parametrize("ours", [True, False])
def test_the_body_is_what_the_sdk_itself_would_send(ours):
    import openai  # slow: whoever runs other tests doesn't wait for it

    # The SDK is given the same settings and messages in its own terms.
    limit = {"max_completion_tokens": 100} if ours else {"max_tokens": 100}

    async def main() -> tuple[Any, Any]:
        async with serving(says("x")) as server:
            client = openai.AsyncOpenAI(base_url=server.url, api_key="k", max_retries=0)
            async with (
                client,
                await client.chat.completions.create(
                    model="m",
                    stream=True,
                    stream_options={"include_usage": True},
                    temperature=0,
                    messages=[json.loads(encode_message(message)) for message in RICH.messages],
                    tools=[
                        {
                            "type": "function",
                            "function": {
                                "name": "add",
                                "description": "Adds.",
                                "parameters": RICH.tools[0].parameters,
                            },
                        }
                    ],
                    response_format={
                        "type": "json_schema",
                        "json_schema": {"name": "answer", "schema": RICH.output_schema},
                    },
                    **limit,
                ) as events,
            ):
                async for _ in events:
                    pass
            url = "https://api.openai.com/v1" if ours else server.url
            return server.asked[0].body, json.loads(
                model(url, settings=ModelSettings(temperature=0)).body(RICH)
            )

    theirs, sent = asyncio.run(main())
    assert sent == theirs
    user = sent["messages"][1]["content"]
    assert [part["type"] for part in user] == ["text", "image_url", "file"]
    assert sent["messages"][2]["reasoning_content"] == "hm"


def test_a_field_set_to_none_is_left_out():
    own = ModelSettings(seed=1, extra={"stream_options": None})
    body = json.loads(model("http://127.0.0.1:1/v1", settings=own).body(GO))
    assert "stream_options" not in body
    assert body["seed"] == 1


CUT = streamed(
    [
        stream(
            delta(content="half an "),
            delta(tool_calls=[{"index": 0, "id": "a", "function": {"name": "pay"}}]),
        )
    ]
)


@pytest.mark.parametrize(
    ("answer", "error", "words"),
    [
        (CUT, ModelUnavailable, "ended before the reply did"),
        (
            streamed([stream(delta(content="x"), done=False)], end=False),
            ModelUnavailable,
            "no whole reply",
        ),
        (
            http(200, b"data: {", {"content-length": "900", "connection": "close"}),
            ModelUnavailable,
            "no whole reply",
        ),
        (b"garbage\r\n\r\nconnection: close", ModelUnavailable, "no whole reply"),
        (
            http(200, b"<html>Sign in to the hotel's network</html>"),
            ModelRejected,
            "is the base URL right",
        ),
        (http(200, b"null"), ModelRejected, "no answer of a model"),
        (http(200, b"[]"), ModelRejected, "no answer of a model"),
        (http(200, b""), ModelUnavailable, "after 0 bytes"),
        (http(204, b""), ModelUnavailable, "after 0 bytes"),
        (http(200, b"{}", {"content-encoding": "gzip"}), ModelUnavailable, "no whole reply"),
        (http(200, b"{}", {"content-encoding": "br"}), ModelRejected, "the server compresses"),
        (
            http(307, b"", {"location": "http://a.test/v1"}),
            ModelRejected,
            "redirects to 'http://a.test/v1'",
        ),
        (http(301, b"<html>", {"location": "/v2"}), ModelRejected, "redirects to '/v2'"),
    ],
)
def test_a_broken_answer_is_an_error_of_the_right_class(answer, error, words):
    found = refused(answer)
    assert type(found) is error
    assert words in str(found)


def test_no_other_server_is_asked_after_a_redirect():
    async def main() -> int:
        async with (
            serving(says("stolen")) as other,
            serving(http(307, b"", {"location": f"{other.url}/x"})) as server,
        ):
            with pytest.raises(ModelRejected, match="redirects"):
                await model(server.url).reply(GO, print)
            return len(other.asked)

    assert asyncio.run(main()) == 0


ERROR = {"error": {"message": "it was said", "type": "t", "code": None}}


@pytest.mark.parametrize(
    ("status", "body", "error"),
    [
        (400, ERROR, ModelRejected),
        (401, ERROR, ModelDenied),
        (402, {"error": {"message": "Insufficient Balance"}}, ModelDenied),
        (403, ERROR, ModelDenied),
        (404, ERROR, ModelRejected),
        (408, ERROR, ModelUnavailable),
        (424, ERROR, ModelUnavailable),
        (498, ERROR, ModelUnavailable),
        (499, ERROR, ModelUnavailable),
        (409, ERROR, ModelUnavailable),
        (413, ERROR, ContextOverflow),
        (422, {"detail": [{"loc": ["body"], "msg": "extra"}]}, ModelRejected),
        (429, ERROR, ModelUnavailable),
        (
            429,
            {"error": {"message": "You exceeded your current quota", "code": "insufficient_quota"}},
            ModelDenied,
        ),
        (500, ERROR, ModelUnavailable),
        (503, b"<html>upstream</html>", ModelUnavailable),
        (
            529,
            {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}},
            ModelUnavailable,
        ),
        (
            400,
            [
                {
                    "error": {
                        "code": 400,
                        "message": "API key not valid.",
                        "status": "INVALID_ARGUMENT",
                    }
                }
            ],
            ModelDenied,
        ),
        (500, b"", ModelUnavailable),
        (400, b"null", ModelRejected),
        (400, b"\xff\xfe", ModelRejected),
        (400, b"[" * 3000, ModelRejected),
        (400, {"error": "plain"}, ModelRejected),
        (400, {"error": {"message": None, "code": "9" * 5000}}, ModelRejected),
    ],
)
def test_statuses_become_the_class_of_who_must_act(status, body, error):
    found = refused(failing(status, body))
    assert type(found) is error
    assert f"HTTP {status}" in str(found)
    if body == ERROR:
        assert "it was said" in str(found)


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (
            400,
            {"message": "your messages resulted in 9000 tokens", "code": "context_length_exceeded"},
        ),
        (400, {"message": "Your input exceeds the context window of this model."}),
        (
            400,
            {
                "message": "the request exceeds the available context size",
                "type": "exceed_context_size_error",
            },
        ),
        (500, {"code": 500, "message": "Context size has been exceeded.", "type": "server_error"}),
        (
            400,
            {
                "message": (
                    "The decoder prompt (length 9000) is longer than the maximum model length of"
                    " 4096."
                )
            },
        ),
        (
            400,
            {
                "message": "prompt is too long: 210000 tokens > 200000 maximum",
                "type": "invalid_request_error",
            },
        ),
        (
            400,
            {
                "message": (
                    "input length and `max_tokens` exceed context limit: 190000 + 20000 > 200000"
                )
            },
        ),
        (400, {"message": "the input length exceeds the context length"}),
        (
            400,
            {
                "message": (
                    "The input token count (1200000) exceeds the maximum number of tokens allowed"
                    " (1048576)."
                )
            },
        ),
        (
            400,
            {
                "message": (
                    "Prompt contains 40000 tokens, too large for model with 32768 maximum context"
                    " length"
                )
            },
        ),
        (400, {"message": "Invalid request: Your request exceeded model token limit: 8192"}),
        (400, {"code": "1261", "message": "Prompt exceeds max length"}),
        (400, {"code": "1261", "message": "Prompt too long"}),
        (400, {"code": "1210", "message": "tokens in request more than max tokens allowed"}),
        (400, {"message": "<400> InternalError: Range of input length should be [1, 30720]"}),
        (422, "Input validation error: `inputs` must have less than 4096 tokens. Given: 5000"),
        (422, "Input validation error: `inputs` tokens + `max_new_tokens` must be <= 4096"),
        (
            400,
            {
                "message": (
                    "This model's maximum prompt length is 131072 but the request contains 537812"
                    " tokens."
                )
            },
        ),
        (
            429,
            {
                "message": (
                    "Request too large for m on tokens per min (TPM): Limit 3000, Requested 4000"
                )
            },
        ),
        (
            413,
            {"message": "Request too large for m; reduce your message size and try again in 1m"},
        ),
        (
            429,
            {
                "message": "Request too large on tokens per min (TPM); try again in 3s",
                "code": "rate_limit_exceeded",
            },
        ),
        (None, {"message": "prompt is too long", "type": "invalid_request_error"}),
    ],
)
def test_a_context_that_is_too_small_is_known_by_every_provider_s_words(status, error):
    assert type(to_model_error(error, status)) is ContextOverflow


TOO_MANY = "Too many tokens, please wait before trying again."


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (429, {"message": TOO_MANY}),
        (429, {"message": "Too many tokens per day, please wait before trying again."}),
        (429, {"message": "too many tokens in this minute; retry after 7 s"}),
        (429, {"message": "too many tokens", "type": "ThrottlingException"}),
        (400, {"message": f"BedrockException - ThrottlingException: {TOO_MANY}"}),
        (400, {"message": TOO_MANY, "type": "rate_limit_error"}),
        (503, {"message": TOO_MANY}),
        (None, {"message": TOO_MANY}),
        (None, {"message": "Too many tokens", "type": "throttlingException"}),
    ],
)
def test_too_many_tokens_for_this_minute_are_no_prompt_that_is_too_long(status, error):
    assert type(to_model_error(error, status)) is ModelUnavailable


def test_the_wait_for_too_many_tokens_is_the_provider_s():
    made = http_error(429, {"retry-after": "7"}, json.dumps({"message": TOO_MANY}).encode())
    assert (type(made), made.retry_after_s) == (ModelUnavailable, 7.0)


BUDGET = (
    "`max_tokens` must be greater than `thinking.budget_tokens`. Please consult our documentation"
    " at https://docs.claude.com/extended-thinking#max-tokens-and-context-window-size"
)


@pytest.mark.parametrize(
    ("status", "message", "error"),
    [
        (
            400,
            "max_tokens is too large: 20000. This model supports at most 16384 completion tokens",
            ModelRejected,
        ),
        (
            429,
            "Rate limit reached on tokens per min (TPM): Limit 30000, Used 29000, Requested 4000.",
            ModelUnavailable,
        ),
        (404, "no model of that context length", ModelRejected),
        (400, BUDGET, ModelRejected),
    ],
)
def test_other_talk_of_tokens_is_no_overflow(status, message, error):
    assert type(to_model_error({"message": message}, status)) is error


def test_a_reply_that_may_be_too_short_for_its_thinking_is_refused_once_and_says_so():
    found = refused(failing(400, {"error": {"message": BUDGET}}))
    assert type(found) is ModelRejected
    assert "must be greater than `thinking.budget_tokens`" in str(found)


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"retry-after": "7"}, 7.0),
        ({"retry-after": "0.5"}, 0.5),
        ({"retry-after-ms": "1500", "retry-after": "9"}, 1.5),
        ({"retry-after-ms": "x", "retry-after": "9"}, 9.0),
        ({"retry-after": "Wed, 21 Oct 2015 07:28:00 GMT"}, 0.0),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "inf"}, None),
        ({"retry-after": "-3"}, None),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "Wed, 99 Oct 99999999999 07:28:00 GMT"}, None),
        ({}, None),
    ],
)
def test_retry_after_is_read_in_each_of_its_forms(headers, expected):
    assert parse_retry_after(headers) == expected


@pytest.mark.parametrize("value", ["0", "Wed, 21 Oct 2015 07:28:00 GMT"])
def test_a_wait_of_nothing_leaves_it_to_our_own_back_off(value):
    headers = {"retry-after": value}
    assert refused(failing(503, ERROR, headers)).retry_after_s is None
    limited = refused(failing(429, ERROR, headers | {"x-ratelimit-reset": "3s"}))
    assert limited.retry_after_s == 3


def test_retry_after_reaches_the_error():
    date = email.utils.formatdate(time.time() + 100, usegmt=True)
    for value, low, high in (("20", 20, 20), (date, 90, 101)):
        found = refused(failing(429, ERROR, {"retry-after": value}))
        assert isinstance(found, ModelUnavailable)
        assert low <= (found.retry_after_s or 0) <= high


def test_the_client_itself_never_retries():
    async def main() -> int:
        async with serving(failing(500, ERROR), says("x")) as server:
            with pytest.raises(ModelUnavailable):
                await model(server.url).reply(GO, print)
            return len(server.asked)

    assert asyncio.run(main()) == 1


def test_the_key_is_masked_wherever_a_server_repeats_it():
    said = {"error": {"message": "Incorrect API key provided: sk-very-secret."}}
    for answer in (failing(401, said), streamed([stream(said)]), http(200, b"<p>sk-very-secret")):
        found = refused(answer)
        assert "sk-very-secret" not in str(found)
        assert "[redacted]" in str(found)


def test_no_secret_of_a_model_is_in_an_error():
    def echo(secret: str):
        return failing(401, {"error": {"message": f"refused: {secret}"}})

    told = (
        "plain-header-secret",
        quote("plain header+secret"),
        base64.b64encode(b"Bearer sk-very-secret").decode(),
    )
    for secret in told:

        async def main(secret: str = secret) -> str:
            async with serving(echo(secret)) as server:
                headers = {"X-A": "plain-header-secret", "X-B": "plain header+secret"}
                one = RemoteModel(
                    "m", base_url=server.url, api_key="sk-very-secret", headers=headers
                )
                with pytest.raises(ModelDenied) as found:
                    await one.reply(GO, print)
                return str(found.value)

        assert secret not in asyncio.run(main())


@pytest.mark.parametrize(
    ("body", "is_hinted"),
    [
        (b"404 page not found", True),  # Ollama
        ({"detail": "Not Found"}, True),  # vLLM
        ({"error": {"message": "File Not Found", "type": "not_found_error"}}, True),  # llama.cpp
        ({"error": {"message": "Invalid URL (POST /responses)"}}, True),  # OpenAI
        (b"", True),
        ({"error": {"message": "The model `m` does not exist"}}, False),
    ],
)
def test_an_address_where_nothing_is_asks_whether_it_is_right(body, is_hinted):
    error = refused(failing(404, body, {"x-request-id": "r1"}))
    assert isinstance(error, ModelRejected)
    assert ("is the base URL right? Most end in /v1" in str(error)) is is_hinted
    assert str(error).endswith("(HTTP 404, request r1)")


@pytest.mark.parametrize("ending", ["", "/", "/chat/completions", "/chat/completions/"])
def test_a_base_url_may_have_the_whole_path(ending):
    async def main() -> str:
        async with serving(says("x")) as server:
            await model(server.url + ending).reply(GO, lambda piece: None)
            return server.asked[0].line

    assert asyncio.run(main()) == "POST /v1/chat/completions HTTP/1.1"


def test_the_password_of_a_base_url_is_in_no_error_and_no_representation():
    one = RemoteModel("m", base_url="http://ann:swordfish-1@127.0.0.1:9/v1", api_key="k")
    assert "swordfish-1" not in repr(one) + repr(one._endpoint)
    assert "127.0.0.1:9/v1" in repr(one)
    assert "swordfish-1" not in redact_known("sent to ann with swordfish-1")
    with pytest.raises(UsageError) as found:
        RemoteModel("m", base_url="htp://ann:swordfish-1@host/v1")
    assert "swordfish-1" not in str(found.value)


def test_the_key_is_in_no_representation():
    assert "sk-very-secret" not in repr(model("http://127.0.0.1:1/v1"))


def test_a_refused_connection_is_unavailable():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}/v1"
        with pytest.raises(ModelUnavailable, match=r"can't connect to 127\.0\.0\.1:"):
            asyncio.run(model(url).reply(GO, print))


def trickle(first: bytes, more: bytes) -> Callable[[asyncio.StreamWriter], Any]:
    async def answer(writer: asyncio.StreamWriter) -> None:
        writer.write(first)
        while not writer.is_closing():
            writer.write(more)
            await writer.drain()
            await asyncio.sleep(0.002)

    return answer


HEAD = b"HTTP/1.1 %d x\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n"


@pytest.mark.parametrize(
    ("first", "more"),
    [
        (b"HTTP/1.1 200 OK\r\n", b"x-a: b\r\n"),  # headers that never end
        (HEAD % 200, b": keep-alive\n\n"),
        (HEAD % 200, b"\n"),
        (HEAD % 200 + b"data: {", b"x"),  # a line by the byte
        (HEAD % 500, b"x"),  # an error by the byte
    ],
)
def test_a_deadline_ends_a_server_that_trickles_and_closes_the_connection(first, more):
    async def main() -> None:
        async with serving(says("x"), trickle(first, more)) as server:
            one = model(server.url)
            await one.reply(
                GO, lambda text: None
            )  # the connection is there, so that the time is the server's
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.03):
                    await one.reply(GO, print)
            await asyncio.wait_for(server.left.wait(), 60)
            assert len(server.asked) == 2

    asyncio.run(main())


def test_cancelling_closes_the_connection_at_once():
    async def main() -> None:
        async with serving(trickle(HEAD % 200, b": still here\n\n")) as server:
            task = asyncio.create_task(model(server.url).reply(GO, print))
            await asyncio.wait_for(server.first.wait(), 60)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            await asyncio.wait_for(server.left.wait(), 60)

    asyncio.run(main())


@pytest.mark.parametrize(
    "begun", [b"", HEAD % 200, HEAD % 200 + stream(delta(content="a"), done=False)]
)
def test_a_silent_server_is_given_up_after_the_idle_time(begun: bytes):
    async def silent(writer: asyncio.StreamWriter) -> None:
        writer.write(begun)
        await asyncio.Event().wait()

    assert "Timeout" in str(refused(silent, idle_s=0.03))


def test_a_server_that_says_done_and_then_nothing_is_not_waited_for():
    async def dawdling(writer: asyncio.StreamWriter) -> None:
        writer.write(HEAD % 200 + stream(delta("stop", content="all")))
        await asyncio.Event().wait()

    assert ask(dawdling, idle_s=0.03)[0].text == "all"


def test_a_connection_that_breaks_after_the_reply_s_end_does_not_matter():
    assert ask(streamed([stream(delta("stop", content="all"), usage(3, 4))], end=False))[
        0
    ].usage == Usage(3, 4)
    assert (
        ask(streamed([stream(delta("stop", content="all"), done=False)], end=False))[0].text
        == "all"
    )


def test_an_endless_error_is_read_to_its_cap_only():
    written = 0

    async def endless(writer: asyncio.StreamWriter) -> None:
        nonlocal written
        writer.write(HEAD % 400)
        while not writer.is_closing():
            writer.write(b"no " * 10_000)
            written += 30_000
            await writer.drain()

    found = refused(endless)
    assert type(found) is ModelRejected
    assert len(str(found)) < 3000
    assert written < MAX_ERROR_BYTES + 20_000_000  # what the sockets' buffers took


def test_a_gzip_bomb_is_given_up():
    bomb = gzip.compress(b": " + b"x" * 70 * 2**20, 1)
    assert "larger than" in str(refused(http(200, bomb, {"content-encoding": "gzip"})))


def test_a_compressed_reply_is_read_all_the_same():
    body = gzip.compress(stream(delta("stop", content="small")))
    assert ask(http(200, body, {"content-encoding": "gzip"}))[0].text == "small"


def test_one_connection_serves_many_calls_and_each_event_loop_has_its_own():
    async def main(one: RemoteModel, server: Server) -> None:
        for _ in range(3):
            assert (await one.reply(GO, lambda text: None)).text == "x"

    async def both() -> tuple[int, int]:
        async with serving(*[says("x")] * 6) as server:
            one = model(server.url)
            await main(one, server)
            here = server.connections
            await asyncio.to_thread(asyncio.run, main(one, server))
            return here, server.connections

    assert asyncio.run(both()) == (1, 2)


def test_a_loop_that_ends_closes_its_connections():
    async def main() -> RemoteModel:
        async with serving(says("x")) as server:
            one = model(server.url)
            await one.reply(GO, lambda text: None)
        return one

    one = asyncio.run(main())
    assert one  # a socket left open would be a warning, and so an error, here


def test_a_broken_listener_is_the_listener_s_error():
    def emit(text: str) -> None:
        raise BrokenPipeError("nobody reads")

    async def main() -> None:
        async with serving(says("x")) as server:
            await model(server.url).reply(GO, emit)

    with pytest.raises(BrokenPipeError):
        asyncio.run(main())


@pytest.mark.parametrize(
    "url", ["localhost:8000/v1", "ftp://x/v1", "http://", "http://x:99999/v1", "http://x/\nv1"]
)
def test_a_bad_base_url_is_said_at_once(url):
    with pytest.raises(UsageError, match="must be like"):
        RemoteModel("m", base_url=url)


@pytest.mark.treadle_real_models
def test_a_missing_or_impossible_key_is_the_caller_s_error(monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    with pytest.raises(UsageError, match="OPENAI_API_KEY"):
        asyncio.run(RemoteModel("m").reply(GO, print))
    for key in ("sk-ünï", "sk-a\nb"):
        with pytest.raises(UsageError, match="characters") as caught:
            asyncio.run(RemoteModel("m", api_key=key).reply(GO, print))
        assert key not in str(caught.value)


@pytest.mark.parametrize("error", [ConnectionError("refused"), TimeoutError()])
def test_a_key_that_can_not_be_had_now_is_an_outage(error):
    async def present_key() -> str:
        raise error

    failed = refused(says("x"), api_key=present_key)
    assert isinstance(failed, ModelUnavailable)
    assert "api_key of openai:m failed" in str(failed)


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"model": None}, r"RemoteModel\(model=\) is"),
        ({"model": " "}, "names no model"),
        ({"name": 5}, r"RemoteModel\(name=\) is"),
        ({"base_url": b"http://x"}, r"RemoteModel\(base_url=\) is"),
        ({"api_key": 5}, "a function that gives one"),
        ({"headers": [("a", "b")]}, r"RemoteModel\(headers=\) is a list"),
        ({"headers": {"x-team": 5}}, "has 'x-team', which isn't a text"),
        ({"dialect": "messages"}, "give CHAT, RESPONSES or MESSAGES of treadle.models"),
        ({"idle_s": 0}, "0.001 or more"),
    ],
)
def test_what_no_model_can_be_made_of_is_told_at_once(given, told):
    with pytest.raises(UsageError, match=told):
        RemoteModel(**{"model": "m", "base_url": "http://127.0.0.1:1/v1"} | given)


def test_a_key_may_end_in_a_newline_and_a_server_may_need_none(monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    assert ask(says("x"), api_key="k\n")[2].asked[0].headers["authorization"] == "Bearer k"
    assert ask(says("x"), api_key=None)[0].text == "x"


def test_headers_of_one_s_own_go_along_as_gateways_want_them():
    asked = ask(says("x"), api_key="k", headers={"Helicone-Auth": "Bearer h"})[2].asked[0]
    assert (asked.headers["helicone-auth"], asked.headers["authorization"]) == (
        "Bearer h",
        "Bearer k",
    )


def test_loopback_is_asked_directly_whatever_the_proxy(monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    assert ask(says("x"))[0].text == "x"


def test_costs_are_those_of_the_price_table():
    used = Usage(1_000_000, 0)
    assert RemoteModel("gpt-4o", base_url="https://api.openai.com/v1").cost_usd(
        used
    ) == pytest.approx(2.5)
    assert RemoteModel("no-such-model", base_url="https://api.openai.com/v1").cost_usd(used) is None
    assert model("http://127.0.0.1:1/v1").cost_usd(used) is None
    assert (
        RemoteModel("deepseek-chat", base_url="https://api.deepseek.com").cost_usd(Usage(10, 1, 99))
        or 0
    ) > 0


def test_a_call_that_broke_off_says_what_it_may_have_cost():
    used = refused(streamed([stream(delta(content="x" * 800), done=False)])).usage
    assert used is not None
    assert used.estimated
    assert (used.input_tokens, used.output_tokens > 10) == (GO.messages[0].tokens, True)


PAGE = http(200, b"<!doctype html><h1>Down for maintenance</h1>", {"content-type": "text/html"})


@pytest.mark.parametrize("page", [PAGE, http(200, b"Bad Gateway"), http(200, b"null")])
def test_a_page_from_an_address_that_has_answered_before_is_an_outage(page):
    async def main() -> list[ModelError]:
        errors = []
        async with serving(page, says("x"), page) as server:
            for _ in range(3):
                try:
                    await model(server.url).reply(GO, print)
                except ModelError as error:
                    errors.append(error)
        return errors

    first, later = asyncio.run(main())
    assert (type(first), type(later)) == (ModelRejected, ModelUnavailable)
    assert "is the base URL right" in str(first)
    assert "no answer of a model" in str(later)


@pytest.mark.parametrize(
    ("headers", "body", "request_id"),
    [
        ({"x-request-id": "req-1"}, ERROR, "req-1"),
        ({"request-id": "req-2", "cf-ray": "r"}, ERROR, "req-2"),
        ({"cf-ray": "r-3"}, ERROR, "r-3"),
        ({}, ERROR | {"request_id": "req-4"}, "req-4"),
        ({}, ERROR, ""),
    ],
)
def test_an_error_has_its_status_its_body_and_the_provider_s_name_of_the_request(
    headers, body, request_id
):
    found = refused(failing(500, body, headers))
    assert (found.status, found.request_id) == (500, request_id)
    assert json.loads(found.body) == body
    words = f"request {request_id}" if request_id else "HTTP 500"
    assert words in str(found)


def test_an_error_inside_a_stream_has_what_it_says():
    found = refused(streamed([stream({"error": {"message": "busy", "code": 503}})]))
    assert (found.status, json.loads(found.body)["message"]) == (503, "busy")
    broken = refused(streamed([stream(delta(content="x"), done=False)], end=False))
    assert (broken.status, broken.body, broken.request_id) == (None, "", "")


def test_no_secret_is_in_the_body_or_the_request_id_of_an_error():
    said = {"error": {"message": "no", "key": "sk-very-secret"}}
    found = refused(failing(401, said, {"x-request-id": "sk-very-secret"}))
    assert "sk-very-secret" not in found.body + found.request_id + str(found)
    assert "[redacted]" in found.body


UNREAD = {
    "message": "Failed to call a function. Please adjust your prompt.",
    "type": "invalid_request_error",
    "code": "tool_use_failed",
    "failed_generation": '<function=stock={"item": "lamp"}</function>',
}


@pytest.mark.parametrize(
    "answer", [failing(400, {"error": UNREAD}), streamed([stream({"error": UNREAD})])]
)
def test_a_call_that_the_provider_could_not_read_is_a_reply_with_a_fault(answer):
    reply = ask(answer)[0]
    assert (reply.text, reply.finish_reason) == (UNREAD["failed_generation"], "malformed_call")
    assert reply.fault.startswith("Failed to call a function.")
    assert reply.usage.estimated
    assert reply.usage.input_tokens > 0


def test_json_that_the_provider_could_not_read_is_an_answer_to_be_checked():
    unread = UNREAD | {"code": "json_validate_failed", "failed_generation": '{"item": '}
    reply = ask(failing(400, {"error": unread}))[0]
    assert (reply.text, reply.finish_reason) == ('{"item": ', "stop")


@pytest.mark.parametrize("code", ["content_filter", "data_inspection_failed"])
def test_a_prompt_that_the_provider_s_filter_refuses_is_a_refusal(code):
    reply = ask(failing(400, {"error": {"message": "It breaks the policy.", "code": code}}))[0]
    assert (reply.text, reply.finish_reason) == ("", "content_filter")
    assert reply.refusal.startswith("It breaks the policy.")
    assert reply.usage.input_tokens > 0


def test_a_call_goes_back_under_the_provider_s_own_id():
    call = Call("c00004000", "add", "{}", {}, "functions.add:0")
    messages = (*GO.messages, Message("assistant", (call,)), Message("tool", "2", "c00004000"))
    sent = json.loads(model("http://127.0.0.1:1/v1").body(Request(messages, RICH.tools)))
    _, reply, result = sent["messages"]
    assert reply["tool_calls"][0]["id"] == result["tool_call_id"] == "functions.add:0"


def test_a_place_is_an_address_and_a_dialect_and_shows_neither():
    one = model("http://ann:swordfish-1@127.0.0.1:9/v1?key=k")
    assert one.place == model("http://127.0.0.1:9/v1/").place
    assert one.place != model("http://127.0.0.1:8/v1").place
    assert one.place != model("http://127.0.0.1:9/v2").place
    assert len(one.place) == 12
