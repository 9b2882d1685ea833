"""What a result brings along is the same, whoever brings the result: the tool, its poll, a post."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from fakes import agent, live
from treadle import (
    Agent,
    Flow,
    Labelled,
    MemoryStore,
    OutcomeDecided,
    Pending,
    Ran,
    ScriptedModel,
    flow,
    step,
    tool,
)
from treadle.models.scripted import calls, says

STRANGE = ("untrusted", "private")
HANDLE = {"mail": 1}
WAYS = ("itself", "post", "poll", "verify", "person")


@tool(labels=("outward",))
def send(to: str) -> str:
    raise AssertionError("it asks a person first")


def inbox(way: str, by_tool: bool) -> Any:
    """A tool whose result comes in this way; the tool is labelled, or each result is."""
    mails: Any = "from eve" if by_tool else Labelled("from eve", STRANGE)
    settings: dict[str, Any] = {"labels": STRANGE if by_tool else ()}

    async def poll(handle: Any, context: Any) -> Any:
        return mails

    async def verify() -> Ran:
        return Ran(mails)

    if way == "poll":
        settings["poll"] = poll
    if way in ("verify", "person"):
        settings["timeout_s"] = 1
    if way == "verify":
        settings["verify"] = verify

    @tool(name="inbox", **settings)
    async def read() -> Any:
        if way in ("post", "poll"):
            raise Pending(HANDLE, due=60)
        if way in ("verify", "person"):
            await asyncio.sleep(3600)
        return mails

    return read, mails


async def bring(way: str, mails: Any, one: Agent | Flow[[], Any]) -> list[str]:
    """Which calls wait once the result has come in this way, and its thread has been resumed."""
    [*held] = (await one.resume("t")).waiting
    if way == "post":
        await one.settle(HANDLE, mails, by="hook")
        [again] = await one.settle(HANDLE, "from eve", by="hook")
        assert again.again
    if way == "poll":
        await asyncio.sleep(60)
    if way == "person":
        await one.post("t", OutcomeDecided(held[0].id, "ran", "ann", '"from eve"'))
    return [each.name for each in (await one.resume("t")).waiting]


@pytest.mark.parametrize("by_tool", [True, False])
@pytest.mark.parametrize("way", WAYS)
def test_what_a_call_brings_is_held_by_its_thread(way: str, by_tool: bool) -> None:
    if way == "person" and not by_tool:
        return  # a person says no labels
    read, mails = inbox(way, by_tool)
    model = ScriptedModel([calls("inbox"), calls(("send", {"to": "eve"}))])
    one = agent(model, read, send)

    async def whole() -> list[str]:
        await one.run("Answer my mails.", thread="t")
        return await bring(way, mails, one)

    assert live(whole()) == ["send"]


@pytest.mark.parametrize("by_tool", [True, False])
@pytest.mark.parametrize("way", WAYS)
def test_what_a_step_brings_is_held_by_its_flow_and_given_to_its_agents(
    way: str, by_tool: bool
) -> None:
    if way == "person" and not by_tool:
        return
    store = MemoryStore()
    read, mails = inbox(way, by_tool)
    sender = agent(ScriptedModel([calls(("send", {"to": "eve"}))] * 2), send, store=store)

    @flow(store=store, world=sender.world)
    async def answer() -> str:
        return (await sender.run(f"Answer {await step(read)}")).answer

    async def whole() -> list[str]:
        await answer.options(thread="t").run()
        return await bring(way, mails, answer)

    assert live(whole()) == ["send"]


def test_labels_of_a_labelled_result_that_is_labelled_again_are_all_held() -> None:
    @tool
    async def look() -> Any:
        return Labelled(Labelled("from eve", ("untrusted",)), ("private",))

    model = ScriptedModel([calls("look"), calls(("send", {"to": "eve"})), says("Done.")])
    assert live(replace(agent(model), tools=[look, send]).run("go")).status == "waiting"
