"""The whole loop over the Responses API, against a server as strict as OpenAI's."""

import asyncio
from collections.abc import Coroutine
from dataclasses import replace
from typing import Any, TypeVar

import pytest

from fakes import Died, DyingStore, agent, found, world
from responses_server import (
    Item,
    Strict,
    function_call,
    message,
    reasoning,
    searched,
    streams,
    strict,
)
from server import failing, serving
from treadle import Agent, MemoryStore, Result, ScriptedModel, tool
from treadle.core import events as e
from treadle.core.events import Call, Thinking
from treadle.core.model import Message, Reply, Request
from treadle.models.remote_model import RemoteModel
from treadle.models.responses.accepted_fields import find_accepted_fields
from treadle.models.responses.dialect import RESPONSES

T = TypeVar("T")

AT_OPENAI = replace(
    RESPONSES, find_accepted=lambda host, model: find_accepted_fields("api.openai.com", model)
)
"""As OpenAI is spoken to, wherever it is."""


@tool(read_only=True)
def add(a: int, b: int) -> int:
    """Add."""
    return a + b


@tool(read_only=True)
def draw(what: str) -> e.Image:
    """Draw."""
    return e.Image("data:image/png;base64,iVBORw0KGgo=")


def model(judge: Strict, **settings: Any) -> RemoteModel:
    assert judge.server
    settings = {"dialect": RESPONSES, **settings}
    return RemoteModel("gpt-5-mini", base_url=judge.server.url, api_key="k", **settings)


def round_of(number: int, *calls: tuple[str, Any]) -> list[Item]:
    """Reasoning, a word, and calls that it led to."""
    made = [reasoning(number, f"thought {number}"), message(number, "So.", phase="commentary")]
    for index, (name, arguments) in enumerate(calls):
        made.append(function_call(number * 10 + index, name, arguments))
    return made


SCRIPT = (
    round_of(1, ("add", {"a": 1, "b": 2}), ("draw", {"what": "a cat"})),
    round_of(2, ("add", {"a": 3, "b": 4})),
    [reasoning(3, "easy"), searched(4, "sums", "https://a.test"), message(5, "It is 7.")],
    [reasoning(6), message(7, "You are welcome.")],
)


def run(work: Coroutine[Any, Any, T]) -> T:
    return asyncio.run(work)


def test_tools_pictures_searches_and_a_second_turn_are_what_the_provider_takes():
    async def main() -> tuple[Strict, Result, Result]:
        async with strict(*SCRIPT) as judge:
            adder = agent(model(judge), add, draw, instructions="Add.")
            first = await adder.run("What is 3 + 4?", thread="t")
            second = await adder.run("Thanks.", thread="t")
            return judge, first, second

    judge, first, second = run(main())
    assert judge.faults == []
    assert (first.answer, second.answer) == ("It is 7.", "You are welcome.")
    assert len(judge.bodies) == 4
    [picture] = [
        part
        for item in judge.bodies[1]["input"]
        if isinstance(item.get("output"), list)
        for part in item["output"]
        if part["type"] == "input_image"
    ]
    assert picture["image_url"].startswith("data:image/png")
    sent = [item["type"] for item in judge.bodies[3]["input"]]
    assert sent.count("reasoning") == 3
    assert "web_search_call" in sent
    assert not any("prompt_cache_key" in body for body in judge.bodies)  # not at any host
    replied = found(first, e.ModelReplied)
    assert replied[0].thinking == "thought 1"
    assert [call.provider_id for call in replied[0].calls] == ["call_10", "call_11"]
    assert any(isinstance(block, e.ProviderCall) for block in replied[2].content)


@pytest.mark.parametrize("written", [False, True])
@pytest.mark.parametrize("appends", range(1, 14))
def test_after_a_kill_at_any_append_the_provider_takes_what_is_resumed(appends, written):
    async def main() -> tuple[Strict, Result]:
        async with strict() as judge:
            judge.replies = [again(judge) for _ in range(8)]
            store = MemoryStore()
            dying: Any = DyingStore(store, appends, Died, written)
            with pytest.raises((Died, BaseExceptionGroup)):
                await agent(model(judge), add, draw, store=dying).run("What is 3 + 4?", thread="t")
            resumed = agent(model(judge), add, draw, store=store)
            if await store.read("t"):
                return judge, await resumed.resume("t")
            return judge, await resumed.run("What is 3 + 4?", thread="t")

    judge, result = run(main())
    assert judge.faults == []
    assert result.answer == "It is 7."


def again(judge: Strict) -> Any:
    """The reply that fits what the request already holds: replies have ids of their own."""

    def reply(body: Any) -> list[Item]:
        outputs = sum(item["type"] == "function_call_output" for item in body["input"])
        number = 100 * (len(judge.bodies) + 1)
        if outputs == 0:
            return round_of(number, ("add", {"a": 1, "b": 2}), ("draw", {"what": "a cat"}))
        if outputs == 2:
            return round_of(number, ("add", {"a": 3, "b": 4}))
        return [reasoning(number), message(number, "It is 7.")]

    return reply


def test_a_replay_gives_the_same_log_and_asks_nobody():
    async def main() -> tuple[int, object]:
        async with strict(*SCRIPT) as judge:
            adder = agent(model(judge), add, draw)
            await adder.run("What is 3 + 4?", thread="t")
            asked = len(judge.bodies)
            difference = await adder.replay("t")
            return len(judge.bodies) - asked, difference

    assert run(main()) == (0, None)


def test_a_family_of_threads_has_one_cache_key_and_no_name_in_it():
    async def main() -> list[Any]:
        asks = [reasoning(1), function_call(2, "child", {"task": "1 + 2"})]
        async with strict(asks, *[[message(n, "ok")] for n in range(3, 7)]) as judge:
            asked = model(judge, dialect=AT_OPENAI)
            shared: Any = {"model": asked, "store": MemoryStore(), "world": world()}
            lead = Agent(tools=[Agent("Add.", name="child", **shared).as_tool()], **shared)
            await lead.run("go", thread="ada@example.com")
            fork = await lead.fork("ada@example.com")
            await lead.run("go", thread=fork.thread_id)
            await lead.run("go", thread="other")
            assert judge.faults == []
            return [body["prompt_cache_key"] for body in judge.bodies]

    parent, child, parent_again, forked, other = run(main())
    assert parent == child == parent_again == forked != other
    assert "ada" not in parent


def test_an_older_thread_of_chat_completions_goes_on():
    async def main() -> Strict:
        async with strict([message(1, "5")]) as judge:
            store, made = MemoryStore(), world()
            asked = model(judge)
            old = ScriptedModel(
                [
                    Reply(
                        (
                            Thinking("hm", {"reasoning_content": "hm"}),
                            Call("x", "add", '{"a":1,"b":2}'),
                        )
                    ),
                    Reply("3", opaque={"annotations": []}),
                ],
                name=asked.name,
            )
            await agent(old, add, store=store, world=made).run("1 + 2?", thread="t")
            await agent(asked, add, store=store, world=made).run("2 + 3?", thread="t")
            return judge

    judge = run(main())
    assert judge.faults == []
    [body] = judge.bodies
    assert [item["type"] for item in body["input"]] == [
        "message",
        "function_call",
        "function_call_output",
        "message",
        "message",
    ]


@pytest.mark.parametrize(
    ("words", "left"),
    [
        ("Encrypted content is not supported with this model.", "reasoning"),
        ("Unknown parameter: 'reasoning'.", "include"),
        (
            "Your organization must be verified to generate reasoning summaries. Please go to:"
            " https://platform.openai.com/settings/organization/general",
            "include",
        ),
    ],
)
def test_a_field_that_treadle_added_and_a_model_refuses_is_left_out_from_then_on(
    words, left, caplog
):
    error = {"error": {"message": words, "type": "invalid_request_error"}}

    async def main() -> list[Any]:
        ok = streams([message(1, "ok")])
        async with serving(failing(400, error), ok, ok) as server:
            name = f"refuses {words[:20]}"  # a warning is given once a process
            asked = RemoteModel(
                "gpt-5", base_url=server.url, api_key="k", dialect=AT_OPENAI, name=name
            )
            for _ in range(2):
                await asked.reply(Request((Message("user", "hi"),)), lambda piece: None)
            return [each.body for each in server.asked]

    bodies = run(main())
    added = [{"include", "reasoning"} & body.keys() for body in bodies]
    assert added == [{"include", "reasoning"}, {left}, {left}]
    assert sum("isn't sent to it any more" in line.getMessage() for line in caplog.records) == 1


def test_thoughts_that_the_provider_can_t_read_any_more_are_left_out():
    words = "The encrypted content gAAAA could not be verified. Reason: organization_id mismatch"

    async def main() -> list[Any]:
        error = failing(400, {"error": {"message": words, "code": "invalid_encrypted_content"}})
        async with serving(
            streams([reasoning(1, "hm"), message(2, "3")]), error, streams([message(3, "5")])
        ) as server:
            asked = RemoteModel("gpt-5", base_url=server.url, api_key="k", dialect=RESPONSES)
            adder = agent(asked)
            await adder.run("1 + 2?", thread="t")
            assert (await adder.run("2 + 3?", thread="t")).answer == "5"
            return [[item["type"] for item in each.body["input"]] for each in server.asked]

    assert run(main())[1:] == [
        ["message", "reasoning", "message", "message"],
        ["message", "message", "message"],
    ]


def test_a_refusal_ends_the_turn_and_a_cut_reply_is_told():
    refusing = message(1, "") | {"content": [{"type": "refusal", "refusal": "I can't help."}]}
    cut = [reasoning(2), function_call(3, "add", '{"a": 1') | {"status": "incomplete"}]

    async def main() -> tuple[Result, Result, list[Any]]:
        details = {"reason": "max_output_tokens"}
        async with serving(
            streams([refusing]),
            streams(cut, "incomplete", incomplete_details=details),
            streams([message(4, "3")]),
        ) as server:
            asked = RemoteModel("gpt-5", base_url=server.url, api_key="k", dialect=RESPONSES)
            adder = agent(asked, add)
            refused = await adder.run("Help me.", thread="a")
            result = await adder.run("1 + 2?", thread="b")
            return refused, result, [each.body["input"] for each in server.asked]

    refused, result, sent = run(main())
    assert refused.status == "refused"
    assert result.answer == "3"
    assert [item["type"] for item in sent[2]] == ["message"]  # no reasoning without its call
    assert "cut off" in sent[2][0]["content"]


def test_a_client_of_the_sdk_sends_the_same():
    from openai import AsyncOpenAI  # slow: whoever runs other tests doesn't wait for it

    async def main() -> Strict:
        async with strict([reasoning(1), message(2, "hi")]) as judge:
            assert judge.server
            client = AsyncOpenAI(base_url=judge.server.url, api_key="k")
            asked = RemoteModel("gpt-5", client=client, dialect=RESPONSES)
            assert (await agent(asked).run("hello")).answer == "hi"
            assert judge.server.asked[0].line.split()[1] == "/v1/responses"
            await client.close()
            return judge

    assert run(main()).faults == []
