"""A fork of a flow in whose first records an agent is at work: the agent's thread stays the other one's."""

import asyncio

import pytest

from fakes import live, world
from treadle import (
    Agent,
    ApprovalGiven,
    MemoryStore,
    OutcomeDecided,
    ScriptedModel,
    StepFailed,
    TurnFailed,
    flow,
    step,
    tool,
)
from treadle.core import events as e
from treadle.models.scripted import calls, says
from treadle.runtime.log import open_log


@tool(needs_approval=True)
def send(what: str) -> str:
    return f"sent {what}"


def made():
    script = [calls(("send", {"what": "a"})), says("first"), says("anew")]
    writer = Agent(name="writer", tools=[send], model=ScriptedModel(script))

    @flow(store=MemoryStore(), world=world())
    async def order() -> str:
        try:
            return (await writer.run("go")).answer
        except StepFailed as failed:
            return f"{failed.kind}: {failed}"

    return order


async def forked(one):
    """The fork's name, and what the flow itself waits for."""
    [held] = (await one.options(thread="t").run()).waiting
    return (await one.fork("t")).thread_id, held


async def end_first(one, held):
    await one.post(held.thread_id, ApprovalGiven(held.id, True, by="eve"))
    assert (await one.resume("t")).output == "first"


def test_whoever_resumes_it_is_told_what_a_person_must_decide():
    one = made()

    async def whole():
        fork, _ = await forked(one)
        [held] = (await one.resume(fork)).waiting
        assert (held.thread_id, held.id, held.status) == (fork, "writer", "unknown")
        statuses = {info.thread_id: info.status for info in await one.store.threads()}
        assert statuses[fork] == "waiting"
        assert await one.due() == []

    live(whole())


@pytest.mark.parametrize(
    ("decided", "output"),
    [
        (OutcomeDecided("writer", "not_run", "ann"), "anew"),
        (OutcomeDecided("writer", "tell", "ann"), "unknown: nobody knows what came of it"),
        (OutcomeDecided("writer", "ran", "ann", "x"), "x"),
    ],
)
@pytest.mark.parametrize("ends_before", [True, False])
def test_what_a_person_decides_counts_whatever_becomes_of_the_first_ones_agent(
    decided, output, ends_before
):
    one = made()

    async def whole():
        fork, held = await forked(one)
        if ends_before:
            await end_first(one, held)
        await one.post(fork, decided)
        result = await one.resume(fork)
        if not ends_before and decided.outcome != "not_run":
            await end_first(one, held)
        assert await one.replay(fork) is None
        return result.output

    assert live(whole()) in (output, "first" if decided.outcome == "not_run" else output)


def test_a_fork_holds_a_failure_also_once_the_first_thread_has_tried_that_again():
    broken = True

    async def deliver() -> str:
        if broken:
            raise ConnectionError("the post office is closed")
        return "delivered"

    @flow(store=MemoryStore(), world=world())
    async def inner() -> str:
        return await step(deliver)

    @flow(store=inner.store, world=world())
    async def send() -> str:
        return (await inner.run()).output

    with pytest.raises(TurnFailed):
        live(send.options(thread="t").run())
    records = live(open_log("t", send.store, world())).records
    failed = next(record.seq for record in records if isinstance(record.event, e.ToolFailed))
    fork = live(send.fork("t", at=failed))
    broken = False
    assert live(send.resume("t", retry_failed=True)).output == "delivered"
    with pytest.raises(TurnFailed, match="the post office is closed"):
        live(send.resume(fork.thread_id))


def test_a_fork_asks_about_an_agent_that_was_stopped_with_a_failure():
    broken = True

    async def deliver() -> None:
        await asyncio.sleep(30.0)
        if broken:
            raise ConnectionError("the post office is closed")

    async def charge() -> str:
        """Charge."""
        await asyncio.sleep(60.0)
        return "charged"

    clerk = Agent(name="clerk", model=ScriptedModel([calls("charge")]), tools=[tool(charge)])

    @flow(store=MemoryStore(), world=world())
    async def send() -> str:
        await asyncio.gather(clerk.run("go"), step(deliver))
        return ""

    with pytest.raises(TurnFailed):
        live(send.options(thread="t").run())
    fork = live(send.fork("t"))
    broken = False
    [held] = live(send.resume(fork.thread_id, retry_failed=True)).waiting
    assert (held.id, held.status) == ("1.clerk", "unknown")
