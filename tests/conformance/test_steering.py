"""A person talks on while calls are open: what each provider is sent, and takes."""

import asyncio
from typing import Any

import pytest

from conformance.conversation import Calls, Dialect, Says, Thinks, reply
from conformance.suite import DIALECTS, make_agent, make_model
from treadle import ApprovalGiven, Image, MemoryStore, UserSaid, tool
from treadle.core import events as e

PNG = "data:image/png;base64,iVBORw0KGgo="


@tool(needs_approval=True)
def pay(n: int) -> tuple[str, Image]:
    """Pay."""
    return f"paid {n}", Image(PNG)


REPLIES = (
    reply(Thinks("Three things."), Says("I begin."), Calls("look", {}), Calls("report", {})),
    reply(Thinks(), Calls("pay", {"n": 5})),
    reply(Calls("pay", {"n": 5}), Calls("look", {})),
    reply(Says("Still waiting.")),
    reply(Thinks("Paid."), Says("Paid.")),
    reply(Says("All is done.")),
)


async def speak(dialect: Dialect) -> tuple[list[list[str]], list[str], str]:
    """The prompts as they were sent, what the server found wrong with them, and the answer."""
    looked, said, paid = asyncio.Event(), asyncio.Event(), asyncio.Event()

    @tool(read_only=True)
    async def look() -> str:
        """Look, until somebody has said more."""
        looked.set()
        await said.wait()
        return "seen"

    @tool(background=True, read_only=True)
    async def report() -> str:
        """Report, once the payment is through."""
        await paid.wait()
        return "reported"

    read = DIALECTS[dialect].module.read_prompt
    async with DIALECTS[dialect].module.serve(REPLIES) as server:
        settings: dict[str, Any] = {"store": MemoryStore(), "tools": [pay, look, report]}
        agent = make_agent([make_model(dialect, server)], **settings)
        turn = asyncio.create_task(agent.run("Go.", thread="t"))
        await looked.wait()
        await agent.steer("t", UserSaid(("And blue.", Image(PNG))))
        said.set()
        async for item in agent.follow("t"):
            match getattr(item, "event", None):
                case e.ApprovalAsked(call_id=asked):
                    await agent.steer("t", "Any news?")
                case e.ModelReplied(text="Still waiting."):
                    await agent.post("t", ApprovalGiven(asked, True, "ann"))
                case e.ModelReplied(text="Paid."):
                    paid.set()
        result = await turn
        bodies = [each.body for each in server.server.asked]
        return [read(body) for body in bodies], list(server.faults), result.answer


@pytest.mark.parametrize("dialect", DIALECTS)
def test_each_dialect_takes_messages_and_late_results_between_rounds(dialect: Dialect):
    prompts, faults, answer = asyncio.run(speak(dialect))
    assert faults == []
    assert answer == "All is done."
    second, third, fourth, fifth, last = (" | ".join(each) for each in prompts[1:])
    assert "isn't over: it runs in the background" in second
    assert second.index("gives: seen") < second.index("And blue.")
    assert "isn't over: a person must allow it first" in third
    assert third.index("a person must allow it first") < third.index("Any news?")
    assert "this very call is open already" in fourth
    assert "what came of your earlier call" not in fourth
    paid = 'pay({"n":5}): paid 5'
    assert (fourth.count(paid), fifth.count(paid), last.count(paid)) == (0, 1, 1)
    assert last.index(paid) < last.index("report({}): reported")
    assert [each.count("Any news?") for each in (second, third, fourth, last)] == [0, 1, 1, 1]
