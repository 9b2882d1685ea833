import asyncio
from typing import Any

import pytest

from fakes import agent, live, world
from treadle import Agent, MemoryStore, Record, ScriptedModel, ToolRetry, tool
from treadle.core import events as e
from treadle.models.scripted import calls, says
from treadle.observe.diff import diff
from treadle.runtime.fork import fork
from treadle.runtime.log import open_log

TRIED: list[int] = []


@tool
async def wait(seconds: int) -> str:
    """Wait."""
    await asyncio.sleep(seconds)
    return f"waited {seconds}"


@tool
def busy() -> str:
    """Is busy once."""
    TRIED.append(1)
    if len(TRIED) % 2:
        raise ToolRetry("busy", retry_after_s=3.0)
    return "free"


def an_agent(store: MemoryStore, *script: Any, **settings: Any) -> Agent:
    model = ScriptedModel(script, price_usd=(0.001, 0.01))
    return agent(
        model, wait, busy, **({"store": store, "world": world(), "instructions": "sys"} | settings)
    )


def thread(*script: Any, text: str = "go", **settings: Any) -> list[Record]:
    store = MemoryStore()
    live(an_agent(store, *script, **settings).run(text, thread="t"))
    return live(open_log("t", store, world())).records


def test_a_thread_is_the_same_as_itself_run_again_at_another_pace():
    asks = calls(("wait", {"seconds": 1})), "busy"
    left = thread(asks[0], calls("busy"), says("done"))
    slower = world(chance=0.9)
    right = thread(asks[0], calls("busy"), says("done"), world=slower)
    found = diff(left, right)
    assert found.same
    assert found.shared == len(left) - 2
    assert found.left.first_difference is None
    assert found.left.rest.model_calls == found.right.rest.model_calls == 0
    assert found.left.whole.tool_retries == 1


@pytest.mark.slow
def test_threads_part_at_the_first_fact_that_differs():
    left = thread(calls(("wait", {"seconds": 1})), says("done"))
    right = thread(calls(("wait", {"seconds": 2})), says("done"))
    found = diff(left, right)
    assert not found.same
    assert found.shared == 3
    assert (found.left.first_difference.seq, found.right.first_difference.seq) == (6, 6)
    assert found.left.rest.tool_calls == found.right.rest.tool_calls == 1
    assert (found.left.rest.seconds, found.right.rest.seconds) == (1.0, 2.0)


def test_another_message_parts_them_at_once():
    found = diff(thread(says("a")), thread(says("a"), text="stop"))
    assert found.shared == 0
    assert isinstance(found.left.first_difference.event, e.UserSaid)


def test_another_prompt_parts_them_where_the_agent_is_described():
    found = diff(thread(says("a")), thread(says("a"), instructions="other"))
    assert isinstance(found.right.first_difference.event, e.AgentDescribed)


def test_a_thread_that_is_the_beginning_of_the_other_has_no_fact_of_its_own():
    records = thread(calls(("wait", {"seconds": 1})), says("done"))
    found = diff(records[:7], records)
    assert not found.same
    assert (found.left.first_difference, found.right.first_difference.seq) == (None, 8)
    assert found.left.rest.tool_calls == 0
    assert found.right.rest.model_calls == 1


@pytest.mark.parametrize("edit", ["or rather this", None])
def test_a_fork_parts_from_its_parent_where_it_was_made(edit):
    store, places = MemoryStore(), world()
    first = an_agent(
        store, calls(("wait", {"seconds": 5})), says("done"), says("more"), world=places
    )

    async def whole() -> Any:
        await first.run("go", thread="t")
        await first.run("on", thread="t")
        forked = await fork(store, "t", at=None if edit else 6, edit=edit, world=places)
        await an_agent(store, says("forked"), world=places, unknown="tell").resume(forked.thread_id)
        return [(await open_log(each, store, places)).records for each in ("t", forked.thread_id)]

    parent, child = live(whole())
    found = diff(parent, child)
    assert (found.left.thread_id, found.right.thread_id) == ("t", child[0].thread_id)
    assert found.left.first_difference.seq == (
        13 if edit else 10
    )  # the call that both ran gave the same
    assert found.right.rest.model_calls == 1
    assert found.right.whole.tool_calls == 1


def test_cost_and_seconds_are_of_each_side_alone():
    both = calls(("wait", {"seconds": 4}))
    left, right = (
        thread(both, says("short")),
        thread(both, calls(("wait", {"seconds": 6})), says("long")),
    )
    found = diff(left, right)
    assert found.left.whole.seconds == 4.0
    assert found.right.whole.seconds == 10.0
    assert found.right.rest.seconds == 6.0
    assert found.right.rest.cost_usd > found.left.rest.cost_usd > 0
    assert found.right.whole.cost_usd > found.right.rest.cost_usd


def test_seconds_that_a_person_took_are_not_counted():
    store, places = MemoryStore(), world()

    @tool(needs_approval=True)
    def wire() -> str:
        """Wire."""
        return "wired"

    agents = agent(ScriptedModel([calls("wire"), says("ok")]), wire, store=store, world=places)

    async def whole() -> list[Record]:
        result = await agents.run("go", thread="t")
        await asyncio.sleep(86_400)
        await agents.post("t", e.ApprovalGiven(result.waiting[0].id, True, "ann"))
        await asyncio.sleep(86_400)
        await agents.resume("t")
        return (await open_log("t", store, places)).records

    records = live(whole())
    assert diff(records, records).left.whole.seconds == 0.0


def test_who_drove_and_how_often_it_crashed_does_not_count():
    records = thread(calls(("wait", {"seconds": 1})), says("done"))
    events = [record.event for record in records]
    claimed = [*events[:3], e.ThreadClaimed("another"), *events[3:]]
    again = [Record("u", seq, 1000.0 + seq, event) for seq, event in enumerate(claimed, 1)]
    assert diff(records, again).same


def test_a_fork_that_does_the_same_is_the_same_though_its_records_have_other_numbers():
    store = MemoryStore()
    script = [
        calls(("wait", {"seconds": 1}), ("wait", {"seconds": 2})),
        calls(("wait", {"seconds": 3})),
        says("done"),
    ]
    talking = an_agent(store, *script, *script, *script)

    async def whole() -> list[list[Record]]:
        await talking.run("go", thread="t")
        made = await talking.fork("t", at=3)
        await talking.resume(made.thread_id)
        other = an_agent(store, script[0], calls(("wait", {"seconds": 4})), says("done"))
        third = await other.fork("t", at=3)
        await other.resume(third.thread_id)
        return [
            (await open_log(name, store, world())).records
            for name in ("t", made.thread_id, third.thread_id)
        ]

    left, same, unlike = live(whole())
    assert diff(left, same).same
    parted = diff(left, unlike).right.first_difference
    assert [call.arguments for call in parted.event.calls] == ['{"seconds": 4}']
