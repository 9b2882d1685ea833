"""The whole loop in Anthropic Messages, against a server as strict as its documentation."""

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest

from fakes import Died, DyingStore, world
from messages_server import (
    MessagesServer,
    Said,
    event,
    finds,
    hides,
    messages_server,
    says,
    searches,
    stream_events,
    thinks,
    uses,
)
from server import failing, http, serving, streamed
from treadle import Agent, Limits, MemoryStore, ModelSettings, Result, tool
from treadle.core import events as e
from treadle.core.errors import ModelDenied, ModelRejected, ModelUnavailable, UsageError
from treadle.core.events import Image, ProviderCall, Source, Thinking, Usage
from treadle.core.model import Message, Request
from treadle.core.window import ContextWindow
from treadle.models.anthropic.dialect import MESSAGES
from treadle.models.remote_model import RemoteModel
from treadle.runtime.log import open_log
from treadle.runtime.replay import replay

PICTURE = "data:image/png;base64,iVBORw0KGgo="
GO = Request((Message("user", "go"),))


@tool(read_only=True)
def add(a: int, b: int = 0) -> int:
    """Add two numbers."""
    return a + b


@tool(read_only=True)
def draw() -> Image:
    """Draw something."""
    return Image(PICTURE)


@tool(read_only=True)
def fail() -> str:
    """Fail."""
    raise ValueError("no luck")


Work = Callable[[MessagesServer], Any]


def served(script: list[Said | bytes], work: Work) -> tuple[Any, MessagesServer]:
    """What the work gives, against a server that must not have refused anything."""

    async def main() -> tuple[Any, MessagesServer]:
        async with messages_server(script) as server:
            return await work(server), server

    done = asyncio.run(main())
    assert done[1].faults == []
    return done


def run(*script: Said | bytes, said: str = "go", **settings: Any) -> tuple[Result, MessagesServer]:
    async def work(server: MessagesServer) -> Result:
        model = server.model(**settings.pop("model", {}))
        made: dict[str, Any] = {
            "tools": [add, draw, fail],
            "store": MemoryStore(),
            "world": world(),
        } | settings
        return await Agent(model=model, **made).run(said)

    return served([*script], work)


@tool(read_only=True)
def paint(größe: int, farbe: str = "rot") -> str:
    """Paint."""
    return f"{größe} {farbe}"


def test_a_parameter_with_other_characters_has_a_legal_name_and_its_own_in_the_log():
    script = [uses("t1", "paint", {"gr__e": 3, "farbe": "blau"}), says("done")]
    result, server = run(*script, tools=[paint])
    [returned] = [r.event for r in result.records if isinstance(r.event, e.ToolReturned)]
    assert returned.content == "3 blau"
    [shown] = server.server.asked[0].body["tools"]
    assert shown["input_schema"]["properties"]["gr__e"] == {
        "type": "integer",
        "description": "größe",
    }
    assert shown["input_schema"]["required"] == ["gr__e"]
    [call] = [call for r in result.records for call in getattr(r.event, "calls", ())]
    assert json.loads(call.arguments) == {"größe": 3, "farbe": "blau"}


def test_a_server_that_signs_nothing_tells_that_it_wants_its_thoughts_back():
    begun = {"type": "thinking", "thinking": ""}
    thought = (
        event("message_start", message={"usage": {"input_tokens": 9, "output_tokens": 1}})
        + event("content_block_start", index=0, content_block=begun)
        + event("content_block_delta", index=0, delta={"type": "thinking_delta", "thinking": "hm"})
        + event("content_block_stop", index=0)
    )
    call = stream_events(uses("c1", "add", {"a": 1}), {"input_tokens": 9, "output_tokens": 9})
    words = "The content[].thinking in the thinking mode must be passed back to the API."
    script = [
        streamed([thought + call.replace(b'"index": 0', b'"index": 1')]),
        failing(400, {"error": {"message": words, "type": "invalid_request_error"}}),
        streamed([stream_events(says("1"), {"input_tokens": 9, "output_tokens": 9})]),
    ]

    async def main() -> tuple[Result, list[Any]]:
        async with serving(*script) as server:
            model = RemoteModel("deep", base_url=server.url, api_key="k", dialect=MESSAGES)
            made = {"tools": [add], "store": MemoryStore(), "world": world()}
            result = await Agent(model=model, **made).run("go")
            return result, [asked.body["messages"] for asked in server.asked]

    result, sent = asyncio.run(main())
    assert result.answer == "1"
    assert [each["type"] for each in sent[1][1]["content"]] == ["tool_use"]
    assert sent[2][1]["content"][0] == {"type": "thinking", "thinking": "hm", "signature": ""}


def replied(result: Result) -> list[e.ModelReplied]:
    return [r.event for r in result.records if isinstance(r.event, e.ModelReplied)]


def test_thoughts_tools_pictures_and_failures_go_through_the_whole_loop():
    result, server = run(
        thinks("I need both.") + says("Let me see.") + uses("toolu_1", "add", {"a": 1, "b": 2})
        + uses("toolu_2", "draw", {}),
        hides() + uses("toolu_3", "fail", {}),
        thinks("That failed.") + says("3 and a picture"),
        instructions="Be brief.",
    )  # fmt: skip
    assert (result.status, result.answer) == ("answered", "3 and a picture")
    *_, last = server.bodies
    content = [message["content"] for message in last["messages"]]
    assert content[1][0] == {"type": "thinking", "thinking": "I need both.", "signature": "sig-0"}
    kinds = [[block["type"] for block in blocks] for blocks in content[1:]]
    assert kinds == [
        ["thinking", "text", "tool_use", "tool_use"],
        ["tool_result", "tool_result"],
        ["redacted_thinking", "tool_use"],
        ["tool_result"],
    ]
    assert content[2][1]["content"][1]["source"]["media_type"] == "image/png"
    assert content[4][0]["is_error"] is True
    assert "no luck" in content[4][0]["content"][0]["text"]
    first = replied(result)[0].content
    assert first[0] == Thinking("I need both.", {"type": "thinking", "signature": "sig-0"})


def test_a_search_of_the_provider_is_a_fact_with_its_sources_and_goes_back_as_it_came():
    result, server = run(
        says("I look.") + searches("srvtoolu_1", "x"),
        finds("srvtoolu_1", "https://a.test", "A") + thinks("Good.") + uses("t1", "add", {"a": 1}),
        searches("srvtoolu_2", "y") + finds("srvtoolu_2", "https://b.test", "B") + says("Found"),
    )
    assert (result.status, result.answer) == ("answered", "Found")
    [_, found, _] = replied(result)
    assert isinstance(found.content[0], ProviderCall)
    assert found.content[0].sources == (Source("https://a.test", "A"),)
    assert [message["role"] for message in server.bodies[1]["messages"]] == ["user", "assistant"]
    kinds = [block["type"] for block in server.bodies[2]["messages"][1]["content"]]
    wanted = ["text", "server_tool_use", "web_search_tool_result", "thinking", "tool_use"]
    assert kinds == wanted


def test_a_refusal_ends_the_turn_and_says_why():
    refused = Said(says("No").content, "refusal", {"type": "refusal", "category": "cyber"})
    result, _ = run(refused)
    ended = result.records[-1].event
    assert isinstance(ended, e.TurnEnded)
    assert (ended.status, "(cyber)" in ended.reason) == ("refused", True)


@pytest.mark.parametrize("stop", ["max_tokens", "model_context_window_exceeded"])
def test_a_reply_that_was_cut_off_is_at_its_limit(stop):
    result, _ = run(says("Half an", stop), limits=Limits(last_word=False))
    assert (result.status, result.answer) == ("limit", "Half an")


OVERLOADED = {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}


def test_overload_is_waited_for_as_long_as_the_provider_says():
    result, server = run(failing(529, OVERLOADED, {"retry-after": "0.01"}), says("ok"))
    assert (result.answer, len(server.bodies)) == ("ok", 2)
    [failed] = [r.event for r in result.records if isinstance(r.event, e.ModelFailed)]
    assert failed.kind == "unavailable"
    assert 0.01 <= (failed.retry_after_s or 0) < 0.1


def test_overload_in_mid_stream_is_an_outage_that_counts_what_was_used():
    begun = {"type": "message_start", "message": {"usage": {"input_tokens": 9}}}
    events = [("message_start", begun), ("error", OVERLOADED)]
    data = [b"event: %s\ndata: %s\n\n" % (n.encode(), json.dumps(d).encode()) for n, d in events]

    async def work(server: MessagesServer) -> None:
        with pytest.raises(ModelUnavailable, match="Overloaded") as caught:
            await server.model().reply(GO, print)
        assert caught.value.usage == Usage(9, 0, estimated=True)

    served([streamed(data)], work)


SCRIPT = (
    thinks("First.") + uses("toolu_1", "add", {"a": 1}),
    thinks("Second.") + uses("toolu_2", "add", {"a": 2}),
    thinks("Third.") + says("done"),
)


@pytest.mark.parametrize("appends", range(2, 9))
@pytest.mark.parametrize("written", [False, True])
def test_a_thread_that_was_killed_goes_on_with_its_thoughts(appends, written):
    inner = MemoryStore()

    async def work(server: MessagesServer) -> Result:
        dying = DyingStore(inner, appends, Died, written)
        try:
            await Agent(model=server.model(), tools=[add], store=dying).run("go", thread="t")
        except (Died, BaseExceptionGroup):
            # The request in flight is made again: its reply is the same one.
            done = len([r for r in await inner.read("t") if b"ModelReplied" in r.event])
            server.script[:] = SCRIPT[done:]
        agent = Agent(model=server.model(), tools=[add], store=inner)
        return await agent.resume("t")

    result, server = served([*SCRIPT], work)
    assert (result.status, result.answer) == ("answered", "done")
    texts = [b for m in server.bodies[-1]["messages"] for b in m["content"]]
    assert [b["thinking"] for b in texts if b["type"] == "thinking"] == ["First.", "Second."]


def test_a_recorded_thread_replays_without_the_server():
    async def work(server: MessagesServer) -> Any:
        store = MemoryStore()
        await Agent(model=server.model(), tools=[add], store=store).run("go", thread="t")
        log = await open_log("t", store, world())
        return await replay(log.records), len(server.bodies)

    assert served([*SCRIPT], work)[0] == (None, 3)


def test_thoughts_survive_another_turn_and_are_left_out_when_the_past_has_changed():
    async def work(server: MessagesServer) -> list[list[str]]:
        store = MemoryStore()
        for instructions, said in (("Be brief.", "go"), ("Be brief.", "on"), ("Be long.", "and")):
            agent = Agent(model=server.model(), instructions=instructions, tools=[add], store=store)
            await agent.run(said, thread="t")
        return [
            [b["thinking"] for m in body["messages"] for b in m["content"] if "thinking" in b]
            for body in server.bodies
        ]

    script = [thinks(f"{n}.") + says(f"Answer {n}") for n in range(3)]
    thoughts, _ = served([*script], work)
    assert thoughts == [[], ["0."], []]


def test_a_thread_of_which_something_was_left_out_goes_on():
    steps = [
        thinks(f"Step {n}.") + says("word " * 200) + uses(f"toolu_{n}", "add", {"a": n})
        for n in range(12)
    ]

    async def work(server: MessagesServer) -> Result:
        agent = Agent(
            model=server.model(context_tokens=4000, max_output_tokens=500),
            tools=[add],
            store=MemoryStore(),
            context_window=ContextWindow(summarize=False),
        )
        return await agent.run("go")

    result, server = served([*steps, says("done")], work)
    assert any(isinstance(r.event, e.ContextCompacted) for r in result.records)
    assert (result.status, result.answer) == ("answered", "done")
    assert any("thinking" in str(m["content"]) for m in server.bodies[-1]["messages"])


def test_each_request_finds_the_whole_one_before_it_in_the_cache():
    steps = [
        thinks(f"I think about step {n} for a while.") + says("I add the next numbers.")
        + uses(f"toolu_{n}a", "add", {"a": n}) + uses(f"toolu_{n}b", "add", {"a": n, "b": 1})
        for n in range(9)
    ]  # fmt: skip
    result, server = run(
        *steps,
        says("done"),
        instructions="Be kind. " * 500,
        limits=Limits(steps=60, tool_calls=100, tokens=None),
    )
    assert (result.status, len(server.usages)) == ("answered", 10)
    read = sum(usage["cache_read_input_tokens"] for usage in server.usages)
    written = sum(usage["cache_creation_input_tokens"] for usage in server.usages)
    fresh = sum(usage["input_tokens"] for usage in server.usages)
    assert fresh == 0
    # The only misses: what is new in each request.
    totals = [
        u["cache_read_input_tokens"] + u["cache_creation_input_tokens"] for u in server.usages
    ]
    assert [u["cache_read_input_tokens"] for u in server.usages] == [0, *totals[:-1]]
    assert result.usage.cached_tokens == read
    assert result.usage.cache_write_tokens == written


def test_many_calls_at_once_are_found_in_the_cache_again():
    # Eleven calls with their results are more blocks than are looked back from a point.
    calls = Said((), "tool_use")
    for n in range(11):
        calls += uses(f"toolu_{n}", "add", {"a": n})
    _, server = run(calls, says("done"), instructions="Be kind. " * 500)
    first, second = server.usages
    assert second["cache_read_input_tokens"] == first["cache_creation_input_tokens"]


def test_a_structured_answer_is_asked_for_by_its_schema():
    async def work(server: MessagesServer) -> Result:
        return await Agent(model=server.model(), output=list[int], store=MemoryStore()).run("go")

    result, server = served([says('{"value": [1, 2]}')], work)
    assert result.output == [1, 2]
    schema = server.bodies[0]["output_config"]["format"]["schema"]
    assert schema["properties"] == {"value": {"type": "array", "items": {"type": "integer"}}}


def test_settings_of_the_api_reach_it():
    extra = {"thinking": {"type": "adaptive"}, "output_config": {"effort": "low"}}
    _, server = run(says("ok"), model={"settings": ModelSettings(extra=extra)})
    body = server.bodies[0]
    assert (body["thinking"], body["output_config"]) == (extra["thinking"], extra["output_config"])


def test_a_key_is_sent_as_anthropic_wants_it_and_never_shown():
    async def work(server: MessagesServer) -> MessagesServer:
        with pytest.raises(ModelDenied) as caught:
            await server.model().reply(GO, print)
        assert "k-secret" not in str(caught.value)
        return server

    denied = {"type": "error", "error": {"type": "authentication_error", "message": "no k-secret"}}
    _, server = served([failing(401, denied)], work)
    [asked] = server.server.asked
    assert (asked.headers["x-api-key"], asked.headers["anthropic-version"]) == (
        "k-secret",
        "2023-06-01",
    )
    assert "authorization" not in asked.headers


@pytest.mark.parametrize("path", ["", "/", "/v1", "/v1/", "/gateway", "/gateway/v1"])
def test_a_base_url_may_have_the_version_or_not(path):
    async def work(server: MessagesServer) -> str:
        url = server.server.url.removesuffix("/v1") + path
        model = RemoteModel("m", base_url=url, api_key="k-secret", dialect=MESSAGES)
        server.script[:] = []
        with pytest.raises((ModelUnavailable, ModelRejected)):
            await model.reply(GO, print)
        server.faults.clear()
        return server.server.asked[0].line

    line, _ = served([], work)
    gateway = "/gateway" if "gateway" in path else ""
    assert line == f"POST {gateway}/v1/messages HTTP/1.1"


def test_a_gateway_without_a_key_is_sent_the_version_too():
    async def work(server: MessagesServer) -> Any:
        model = RemoteModel(
            "m",
            base_url=server.server.url,
            api_key="",
            dialect=MESSAGES,
            headers={"Anthropic-Version": "2026-10-21", "anthropic-beta": "a-1"},
        )
        with pytest.raises(ModelDenied):
            await model.reply(GO, print)
        server.faults.clear()
        return server.server.asked[0].headers

    headers, _ = served([says("x")], work)
    assert (headers["anthropic-version"], headers["anthropic-beta"]) == ("2026-10-21", "a-1")
    assert "x-api-key" not in headers


def test_the_sdk_s_client_can_send():
    import anthropic  # slow: whoever runs other tests doesn't wait for it

    async def work(server: MessagesServer) -> Any:
        url = server.server.url.removesuffix("/v1")
        async with anthropic.AsyncAnthropic(
            base_url=url,
            api_key="k-secret",
            default_headers={"x-api-key": "k-secret", "anthropic-version": "2023-06-01"},
        ) as client:
            model = RemoteModel("claude-sonnet-5-5", client=client, dialect=MESSAGES)
            assert model.name == "anthropic:claude-sonnet-5-5"
            return await model.reply(GO, print)

    reply, _ = served([thinks("hm") + says("hi")], work)
    assert (reply.text, reply.thinking) == ("hi", "hm")


@pytest.mark.treadle_real_models
def test_a_missing_key_is_named():
    model = RemoteModel("claude-sonnet-5-5", api_key="", dialect=MESSAGES)
    with pytest.raises(UsageError, match="ANTHROPIC_API_KEY"):
        asyncio.run(model.reply(GO, print))


def test_what_is_written_to_the_cache_is_priced_by_how_long_it_is_kept():
    model = RemoteModel("claude-sonnet-4-5", api_key="k", dialect=MESSAGES)
    usage = Usage(
        3_000_000, 0, 1_000_000, cache_write_tokens=1_000_000, cache_write_1h_tokens=1_000_000
    )
    assert model.cost_usd(usage) == pytest.approx(
        model.cost_usd(Usage(1_000_000, 0)) * (1 + 0.1 + 2), rel=0.3
    )


def test_a_page_instead_of_an_answer_is_no_reply():
    async def work(server: MessagesServer) -> None:
        with pytest.raises(ModelRejected, match="is the base URL right"):
            await server.model().reply(GO, print)

    served([http(200, b"<html>hello</html>", {"content-type": "text/html"})], work)


def test_a_plan_and_a_last_word_leave_a_thread_that_goes_on():
    async def work(server: MessagesServer) -> list[str]:
        limits = Limits(steps=2)
        agent = Agent(
            model=server.model(), tools=[add], plan=True, limits=limits, store=MemoryStore()
        )
        results = [await agent.run(said, thread="t") for said in ("go", "on", "and on")]
        return [result.answer for result in results]

    script: list[Said | bytes] = []
    for turn in range(3):
        plan = thinks("A plan.") + says("1. add")
        act = thinks("Now.") + uses(f"toolu_{turn}", "add", {"a": turn})
        script += [plan, act, thinks("Enough.") + says(f"Answer {turn}")]
    answers, _ = served(script, work)
    assert answers == ["Answer 0", "Answer 1", "Answer 2"]


def test_a_thread_goes_on_with_another_model_and_comes_back():
    async def work(server: MessagesServer) -> str:
        store = MemoryStore()
        for name, said in (
            ("claude-sonnet-5-5", "go"),
            ("claude-haiku-5-5", "on"),
            ("claude-sonnet-5-5", "and"),
        ):
            agent = Agent(model=server.model(name), tools=[add], store=store)
            result = await agent.run(said, thread="t")
        return result.answer

    script = [
        thinks("One.") + searches("srv_1", "x") + finds("srv_1", "https://a.test", "A") + uses("toolu_1", "add", {"a": 1}),
        thinks("Two.") + says("2"),
        thinks("Three.") + says("3"),
        says("4"),
    ]  # fmt: skip
    answer, server = served([*script], work)
    assert answer == "4"
    kinds = [[block["type"] for block in m["content"]] for m in server.bodies[2]["messages"]]
    assert kinds == [["text"], ["tool_use"], ["tool_result"], ["text"], ["text"]]
