"""A client of the SDK that the user has made: Azure with Entra, Vertex, a gateway of one's own."""

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest

from messages_server import says as said
from messages_server import stream_events
from models.test_aws_stream import chunk, frame
from server import Server, delta, failing, http, says, serving, stream, streamed
from treadle.core.errors import ModelDenied, ModelError, ModelRejected, ModelUnavailable, UsageError
from treadle.core.model import Message, Reply, Request
from treadle.models.anthropic.dialect import MESSAGES
from treadle.models.aws_stream import CONTENT_TYPE
from treadle.models.remote_model import RemoteModel
from treadle.models.settings import with_settings

GO = Request((Message("user", "go"),))


def plain(url: str) -> Any:
    import openai  # slow: whoever runs other tests doesn't wait for it

    return openai.AsyncOpenAI(base_url=url, api_key="sk-of-the-client")


def azure(url: str) -> Any:
    import openai

    async def token() -> str:
        return "token-of-entra"

    return openai.AsyncAzureOpenAI(
        azure_endpoint=url.removesuffix("/v1"),
        azure_ad_token_provider=token,
        api_version="2024-10-21",
    )


def ask(
    make: Callable[[str], Any], *answers: Any, **settings: Any
) -> tuple[Reply, list[str], Server]:
    async def main() -> tuple[Reply, list[str], Server]:
        pieces: list[Any] = []
        async with serving(*answers) as server, make(server.url) as client:
            one = RemoteModel("my-dep", client=client, **settings)
            return await one.reply(GO, pieces.append), pieces, server

    return asyncio.run(main())


def test_the_client_s_key_and_address_are_used():
    reply, pieces, server = ask(plain, says("hello there"), headers={"X-A": "1"})
    assert (reply.text, "".join(pieces)) == ("hello there", "hello there")
    assert server.asked[0].line == "POST /v1/chat/completions HTTP/1.1"
    assert server.asked[0].headers["authorization"] == "Bearer sk-of-the-client"
    assert server.asked[0].headers["x-a"] == "1"
    assert server.asked[0].body["messages"] == [{"role": "user", "content": "go"}]


def test_azure_s_client_finds_the_deployment_and_asks_entra_for_a_token():
    server = ask(azure, says("x"))[2]
    path = "/openai/deployments/my-dep/chat/completions?api-version=2024-10-21"
    assert server.asked[0].line == f"POST {path} HTTP/1.1"
    assert server.asked[0].headers["authorization"] == "Bearer token-of-entra"


@pytest.mark.parametrize(
    ("answer", "error", "words"),
    [
        (failing(401, {"error": {"message": "no: sk-of-the-client"}}), ModelDenied, "HTTP 401"),
        (failing(400, {"error": {"message": "what?"}}), ModelRejected, "what"),
        (failing(500, b"<html>"), ModelUnavailable, "HTTP 500"),
        (http(307, b"", {"location": "http://a.test/"}), ModelRejected, "redirects"),
        (streamed([stream(delta(content="half"), done=False)]), ModelUnavailable, "ended before"),
        (streamed([stream(delta(content="x"), done=False)], end=False), ModelUnavailable, "whole"),
        (b"garbage\r\n\r\nconnection: close", ModelUnavailable, "no whole reply"),
    ],
)
def test_what_goes_wrong_is_our_own_error_and_never_tried_again(answer, error, words):
    async def main() -> int:
        async with serving(answer, says("again")) as server, plain(server.url) as client:
            with pytest.raises(ModelError, match=words) as found:
                await RemoteModel("m", client=client).reply(GO, print)
            assert type(found.value) is error
            assert "sk-of-the-client" not in str(found.value)
            return len(server.asked)

    assert asyncio.run(main()) == 1


def test_a_silent_server_is_given_up_and_a_cancelled_call_closes_the_connection():
    async def silent(writer: asyncio.StreamWriter) -> None:
        await asyncio.Event().wait()

    with pytest.raises(ModelUnavailable, match="Timeout"):
        ask(plain, silent, idle_s=0.05)

    async def main() -> None:
        async with serving(silent) as server, plain(server.url) as client:
            task = asyncio.create_task(RemoteModel("m", client=client).reply(GO, print))
            await asyncio.wait_for(server.first.wait(), 60)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            await asyncio.wait_for(server.left.wait(), 60)

    asyncio.run(main())


def bedrock(url: str) -> Any:
    import anthropic

    return anthropic.AsyncAnthropicBedrock(
        base_url=url.removesuffix("/v1"), aws_region="us-east-1", api_key="key-of-aws"
    )


def test_claude_on_bedrock_streams_in_frames_of_aws():
    events = stream_events(said("Hi there"), {"input_tokens": 9, "output_tokens": 3})
    lines = [line for line in events.splitlines() if line.startswith(b"data: ")]
    frames = [chunk(json.loads(line.removeprefix(b"data: "))) for line in lines]
    answer = streamed(frames).replace(b"text/event-stream", CONTENT_TYPE.encode())
    reply, pieces, server = ask(bedrock, answer, dialect=MESSAGES)
    assert (reply.text, "".join(pieces), reply.usage.output_tokens) == ("Hi there", "Hi there", 3)
    path = "/model/my-dep/invoke-with-response-stream"
    assert server.asked[0].line == f"POST {path} HTTP/1.1"
    slow = frame(
        {"message": "Slow"}, message_type="exception", exception_type="throttlingException"
    )
    answer = streamed([*frames[:3], slow]).replace(b"text/event-stream", CONTENT_TYPE.encode())
    with pytest.raises(ModelUnavailable, match="Slow"):
        ask(bedrock, answer, dialect=MESSAGES)


def test_what_is_no_async_client_is_said_when_the_model_is_made():
    import openai

    client = openai.OpenAI(base_url="http://127.0.0.1:1/v1", api_key="k")
    with pytest.raises(UsageError, match="is OpenAI; it must be an async client"):
        RemoteModel("m", client=client)
    client.close()
    with pytest.raises(UsageError, match="give that one address and key"):
        RemoteModel("m", client=plain("http://127.0.0.1:1/v1"), api_key="other")


def test_settings_keep_the_client():
    one = with_settings(RemoteModel("m", client=plain("http://127.0.0.1:1/v1")), {"temperature": 0})
    assert isinstance(one, RemoteModel)
    assert one.base_url == "http://127.0.0.1:1/v1"
    assert "sk-of-the-client" not in repr(one)
