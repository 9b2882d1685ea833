"""What a model wants to be sent: by the table, and by what a refusal has shown.

A user's own setting wins.
"""

import asyncio
import json
import logging
from typing import Any

import pytest

from server import Answer, calls, delta, failing, says, serving, stream
from treadle.core.errors import ModelRejected
from treadle.core.model import Message, Reply, Request, ToolSchema
from treadle.core.model_settings import settings_of
from treadle.models.accepted_fields import find_accepted_fields
from treadle.models.remote_model import RemoteModel

STOCK = ToolSchema("stock", "How many.", {"type": "object", "properties": {}})
GO = Request((Message("user", "go"),), (STOCK,))
PROSE = Request((Message("user", "go"),))
OPENAI, AZURE = "https://api.openai.com/v1", "https://mine.openai.azure.com/openai/v1"

NO = (
    "Function tools with reasoning_effort are not supported for m in /v1/chat/completions."
    " To use function tools, use"
)
REFUSED = failing(
    400, {"error": {"message": f"{NO} /v1/responses or set reasoning_effort to 'none'."}}
)
UNKNOWN = failing(400, {"error": {"message": "Unknown parameter: 'reasoning_effort'."}})


@pytest.fixture
def warned(caplog):
    """The lines that a user was told."""

    def lines() -> list[str]:
        return [record.getMessage() for record in caplog.records if record.name == "treadle"]

    caplog.set_level(logging.WARNING, "treadle")
    return lines


def asked(
    *answers: Answer, requests: tuple[Request, ...] = (GO,), **settings: Any
) -> tuple[list[Any], list[Reply]]:
    """The bodies that a server got, and the replies; the model is made anew for each request."""

    async def main() -> tuple[list[Any], list[Reply]]:
        async with serving(*answers) as server:
            replies = []
            for request in requests:
                model = RemoteModel("m", base_url=server.url, api_key="sk-secret", **settings)
                replies.append(await model.reply(request, lambda text: None))
            return [each.body for each in server.asked], replies

    return asyncio.run(main())


@pytest.mark.parametrize(
    ("name", "url", "effort"),
    [
        ("gpt-6-luna", OPENAI, "none"),
        ("gpt-6", AZURE, "none"),
        ("gpt-5.6-terra", OPENAI, "none"),
        ("gpt-5.6-luna-2026-08-01", OPENAI, "none"),
        ("gpt-5.10", OPENAI, "none"),
        ("ft:gpt-6-luna:acme", OPENAI, "none"),
        ("gpt-10", OPENAI, "none"),
        ("gpt-35-turbo", AZURE, None),
        ("gpt-41-mini", AZURE, None),
        ("gpt-5.4-mini", OPENAI, None),
        ("gpt-5-mini", OPENAI, None),
        ("gpt-4o", OPENAI, None),
        ("o3", OPENAI, None),
        ("openai/gpt-6-luna", "https://openrouter.ai/api/v1", None),
        ("gpt-6-luna", "http://127.0.0.1:1/v1", None),
    ],
)
def test_a_family_that_takes_tools_only_without_reasoning_is_sent_that(name, url, effort):
    model = RemoteModel(name, base_url=url, api_key="sk-secret")
    assert json.loads(model.body(GO)).get("reasoning_effort") == effort
    assert "reasoning_effort" not in json.loads(model.body(PROSE))


def test_the_sdk_s_own_address_is_openai_s(monkeypatch):
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    body = json.loads(RemoteModel("gpt-6-luna").body(GO))
    assert body["reasoning_effort"] == "none"
    assert "max_completion_tokens" in body


@pytest.mark.parametrize(
    ("url", "key"), [(OPENAI, "k"), (AZURE, None), ("http://127.0.0.1:1/v1", None)]
)
def test_a_key_for_the_cache_is_sent_where_it_is_known(url, key):
    request = Request(PROSE.messages, cache_key="k")
    body = json.loads(RemoteModel("gpt-5", base_url=url, api_key="sk-secret").body(request))
    assert body.get("prompt_cache_key") == key


@pytest.mark.parametrize(("own", "sent"), [("low", "low"), (None, None)])
def test_an_effort_of_the_user_s_wins_over_the_table(own, sent):
    model = RemoteModel(
        "gpt-6-luna", base_url=OPENAI, settings=settings_of({"reasoning_effort": own})
    )
    assert json.loads(model.body(GO)).get("reasoning_effort") == sent


def test_a_refusal_for_the_effort_is_asked_once_more_and_remembered(warned):
    bodies, replies = asked(
        REFUSED,
        calls(("stock", {})),
        says("17."),
        says("hi"),
        requests=(GO, GO, PROSE),
        name="learns",
    )
    assert [body.get("reasoning_effort") for body in bodies] == [None, "none", "none", None]
    assert [reply.text for reply in replies] == ["", "17.", "hi"]
    [line] = warned()
    assert line == (
        "learns takes tools here only with reasoning_effort=none, so that is sent with them: it"
        " doesn't reason before"
        " it calls one. To be told no more, set it yourself: -o reasoning_effort=none, or"
        " ModelSettings(effort=...) in Python"
    )


@pytest.mark.parametrize(
    ("answer", "request_", "own"),
    [
        (REFUSED, GO, {"reasoning_effort": "high"}),
        (REFUSED, GO, {"reasoning_effort": None}),
        (REFUSED, PROSE, {}),
        (failing(400, {"error": {"message": "tools: name is too long"}}), GO, {}),
    ],
)
def test_no_other_refusal_is_asked_again(answer, request_, own, warned):
    with pytest.raises(ModelRejected):
        asked(answer, says("never"), requests=(request_,), settings=settings_of(own), name="once")
    assert warned() == []


def test_an_effort_that_is_refused_later_is_left_out_from_then_on():
    bodies, _ = asked(REFUSED, says("a"), UNKNOWN, says("b"), says("c"), requests=(GO, GO, GO))
    assert [body.get("reasoning_effort") for body in bodies] == [None, "none", "none", None, None]


def test_a_second_refusal_is_what_is_said_and_nothing_is_remembered(warned):
    async def main() -> list[Any]:
        async with serving(REFUSED, UNKNOWN, says("x")) as server:
            model = RemoteModel("m", base_url=server.url, api_key="sk-secret", name="never")
            with pytest.raises(ModelRejected, match="Unknown parameter"):
                await model.reply(GO, lambda text: None)
            await model.reply(GO, lambda text: None)
            return [each.body.get("reasoning_effort") for each in server.asked]

    assert asyncio.run(main()) == [None, "none", None]
    assert warned() == []


def test_a_reply_that_has_begun_is_not_asked_again():
    async def main() -> tuple[str, int]:
        shown = asyncio.Event()

        async def breaks(writer: asyncio.StreamWriter) -> None:
            writer.write(
                b"HTTP/1.1 200 x\r\nconnection: close\r\n\r\n"
                + stream(delta(content="half"), done=False)
            )
            await shown.wait()
            writer.write(stream({"error": {"message": NO, "type": "invalid_request_error"}}))

        async with serving(breaks, says("never")) as server:
            model = RemoteModel("m", base_url=server.url, api_key="sk-secret")
            with pytest.raises(ModelRejected) as refused:
                await model.reply(GO, lambda text: shown.set())
            return str(refused.value), len(server.asked)

    said, requests = asyncio.run(main())
    assert (said.startswith(NO), requests) == (True, 1)


@pytest.mark.parametrize(
    ("model", "output_format", "bound_thoughts"),
    [
        ("claude-3-5-haiku-latest", False, False),
        ("claude-opus-4-1-20250805", False, False),
        ("claude-sonnet-4-20250514", False, False),
        ("claude-sonnet-4@20250514", False, False),
        ("claude-haiku-4-5", True, False),
        ("anthropic/claude-opus-4.8", True, False),
        ("us.anthropic.claude-opus-4-7-v1", True, False),
        ("claude-sonnet-5", True, False),
        ("claude-opus-5-20260801", True, False),
        ("claude-mythos-preview", True, False),
        ("claude-fable-5-1", True, True),
        ("claude-sonnet-5-5-20260930", True, True),
        ("anthropic/claude-opus-5.5", True, True),
        ("claude-haiku-6", True, True),
        ("deepseek-chat", False, False),
    ],
)
def test_what_claude_takes_goes_by_its_family(model, output_format, bound_thoughts):
    fields = find_accepted_fields("gateway.test", model)
    assert (fields.output_format, fields.bound_thoughts) == (output_format, bound_thoughts)
