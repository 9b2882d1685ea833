"""What a model takes is found by one tiny request each, against servers that refuse each thing."""

import asyncio
import base64
import json
import zlib
from collections.abc import Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from server import Server, delta, failing, http, says, serving, stream, streamed, usage
from treadle.core.attachments import find_type
from treadle.core.errors import UsageError
from treadle.models.model_check import Finding, check_model, estimate_usd
from treadle.models.probes import make_probes
from treadle.models.remote_model import RemoteModel
from treadle.models.request_rules import find_faults
from treadle.models.scripted import ScriptedModel, calls
from treadle.models.scripted import says as replies


def calling(name: str, arguments: str) -> bytes:
    function = {"name": name, "arguments": arguments}
    call = {"index": 0, "id": "c", "type": "function", "function": function}
    return streamed([stream(delta(tool_calls=[call]), delta("tool_calls"), usage(20, 6))])


GOOD = {
    "text": says("loom"),
    "tool": calling("keep_word", '{"word": "loom"}'),
    "picture": says("Red."),
    "schema": says('{"colour": "green", "legs": 4}'),
}


def kind_of(body: Any) -> str:
    if "tools" in body:
        return "tool"
    if "response_format" in body:
        return "schema"
    return "text" if isinstance(body["messages"][-1]["content"], str) else "picture"


@asynccontextmanager
async def answering(answers: dict[str, bytes]):
    """A server that answers by what a request holds, as often as it is asked."""
    up: list[Server] = []

    async def answer(writer: asyncio.StreamWriter) -> None:
        answer = answers[kind_of(up[0].asked[-1].body)]
        writer.write(answer.replace(b"\r\n", b"\r\nconnection: close\r\n", 1))
        await writer.drain()
        writer.close()

    async with serving(*[answer] * 20) as server:
        up.append(server)
        yield server


def check(answers: dict[str, bytes], **settings: Any) -> dict[str, Finding]:
    async def run() -> dict[str, Finding]:
        async with answering(GOOD | answers) as server:
            model = RemoteModel("m", base_url=server.url, api_key="secret-key", **settings)
            return {finding.probe: finding async for finding in check_model(model)}

    return asyncio.run(run())


def outcomes(found: dict[str, Finding]) -> list[str]:
    return [each.outcome for each in found.values()]


def test_a_server_that_takes_everything():
    found = check({})
    assert list(found) == ["text", "tool", "picture", "schema"]
    assert outcomes(found) == ["taken"] * 4
    text = found["text"]
    assert text.usage is not None
    assert (text.usage.input_tokens, text.usage.estimated) == (10, False)
    assert text.pieces >= 1
    assert text.first_token_s is not None
    assert text.latency_s is not None
    assert 0 <= text.first_token_s <= text.latency_s
    assert text.cost_usd is None  # nobody knows this server's prices
    assert check({}, prices={"input": 1, "output": 2})["text"].cost_usd == pytest.approx(20e-6)


@pytest.mark.parametrize(
    ("probe", "status", "told"),
    [
        ("tool", 400, "this model does not support tools"),
        ("picture", 400, "image input is not enabled"),
        ("picture", 500, "image input is not supported - hint: you may need the mmproj"),
        ("schema", 422, "response_format: Input should be 'text'"),
    ],
)
def test_a_server_that_refuses_one_thing_is_quoted_and_asked_for_the_others(probe, status, told):
    found = check({probe: failing(status, {"error": {"message": told}})})
    assert found[probe].outcome == "refused"
    assert told in found[probe].words
    assert [each.outcome for name, each in found.items() if name != probe] == ["taken"] * 3


@pytest.mark.parametrize(
    ("probe", "answer", "told"),
    [
        ("text", says(" "), "it said nothing"),
        ("tool", says("I kept it."), "it called no tool; it said 'I kept it.'"),
        ("tool", calling("KeepWords", "{}"), "it called 'KeepWords', which isn't"),
        ("tool", calling("keep_word", '{"word": 7}'), "what doesn't fit its schema"),
        ("tool", calling("keep_word", "{bad"), "what doesn't fit its schema"),
        ("picture", says("It is blue."), "the picture is red; it said 'It is blue.'"),
        ("schema", says('Sure: {"colour": "green", "legs": 4}'), "its answer isn't JSON alone"),
        ("schema", says('{"colour": "green"}'), "doesn't fit the schema"),
        ("schema", says("[]"), "doesn't fit the schema"),
    ],
)
def test_what_a_server_takes_and_throws_away_is_seen(probe, answer, told):
    found = check({probe: answer})
    assert found[probe].outcome == "ignored"
    assert told in found[probe].words
    assert [each.outcome for name, each in found.items() if name != probe] == ["taken"] * 3


def test_a_server_without_counts_and_one_that_does_not_stream():
    silent = streamed([stream(delta(content="loom"), delta("stop"))])
    found = check({"text": silent})["text"]
    assert found.usage is not None
    assert found.usage.estimated
    message = {"role": "assistant", "content": "loom"}
    body = {"choices": [{"index": 0, "message": message, "finish_reason": "stop"}]}
    whole = check({"text": http(200, json.dumps(body).encode())})["text"]
    assert whole.outcome == "taken"
    assert whole.pieces <= 1


@pytest.mark.parametrize(
    ("status", "outcome"), [(401, "denied"), (404, "refused"), (503, "unavailable")]
)
def test_a_model_that_cannot_be_asked_is_asked_once(status, outcome):
    found = check({"text": failing(status, {"error": {"message": "no: secret-key"}})})
    assert outcomes(found) == [outcome, "not asked", "not asked", "not asked"]
    assert "no: " in found["text"].words
    assert "secret-key" not in found["text"].words
    assert found["tool"].words == f"the request before, with the text, was {outcome}"


def test_the_requests_are_legal_and_small_and_the_picture_is_red():
    probes = make_probes(ScriptedModel([]))
    assert [find_faults(probe.request) for probe in probes] == [[], [], [], []]
    assert all(probe.request.tokens < 1100 for probe in probes)
    [picture] = [part for probe in probes for part in probe.request.messages[-1].parts]
    png = base64.b64decode(picture.url.partition(",")[2])
    assert find_type(png) == "image/png"
    rows = zlib.decompress(png[png.index(b"IDAT") + 4 :])
    assert rows == (b"\0" + b"\xff\0\0" * 64) * 64


def test_what_it_may_cost_is_known_before():
    assert estimate_usd(ScriptedModel([], price_usd=None)) is None
    assert estimate_usd(ScriptedModel([])) == 0.0
    assert 0 < (estimate_usd(ScriptedModel([], price_usd=(1e-6, 2e-6))) or 0) < 0.02


def test_any_model_can_be_checked():
    answer = '{"colour": "green", "legs": 4}'
    keeps = calls(("keep_word", {"word": "loom"}))
    model = ScriptedModel([replies("loom"), keeps, replies("red"), replies(answer)])

    async def run() -> list[Finding]:
        return [finding async for finding in check_model(model)]

    assert [each.outcome for each in asyncio.run(run())] == ["taken"] * 4


def test_a_missing_key_is_the_caller_s_to_mend(monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.setenv("TREADLE_REAL_MODELS", "no")

    async def run(make: Callable[[], RemoteModel]) -> None:
        async for _ in check_model(make()):
            pass

    with pytest.raises(UsageError):
        asyncio.run(run(lambda: RemoteModel("m")))
