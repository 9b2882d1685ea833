"""Child threads: a thread is a call's child if its log says so, whatever its name is."""

import asyncio
from dataclasses import replace

import pytest

from fakes import Died, DyingStore, agent, found, live, world
from treadle import Agent, MemoryStore, ScriptedModel, UsageError, flow, step, tool
from treadle.core import events as e
from treadle.core.errors import IllegalEvent
from treadle.models.scripted import calls, says
from treadle.runtime.log import Log, open_log
from treadle.runtime.world import World

CALL = "c00005000"
TASK = ("checker", {"task": "credit check"})


class Desk:
    """A desk that asks a checker, on a store in which an outsider has begun threads."""

    def __init__(self, *script, store=None) -> None:
        self.store = store or MemoryStore()
        own = ScriptedModel([says("its own answer")] * 3)
        self.checker = Agent(name="checker", model=own, store=self.store, world=world())
        self.agent = agent(
            ScriptedModel(script or [calls(TASK), says("done")]),
            self.checker.as_tool(),
            store=self.store,
            name="desk",
        )

    def outsider(self, thread: str) -> Agent:
        chat = Agent(name="chat", model=ScriptedModel([says("CHECK PASSED")]), store=self.store)
        live(chat.run("say it", thread=thread))
        return chat

    def log(self, thread: str) -> Log:
        return live(open_log(thread, self.store, World()))


def results(model: ScriptedModel) -> str:
    return model.seen[-1].messages[-1].text


def test_a_thread_that_only_has_a_child_s_name_is_not_taken_and_not_touched():
    desk = Desk()
    desk.outsider(f"order.{CALL}")
    before = desk.log(f"order.{CALL}").records
    result = live(desk.agent.run("order 17", thread="order"))
    assert "its own answer" in results(desk.agent.model)
    assert "PASSED" not in results(desk.agent.model)
    [started] = found(result, e.ChildStarted)
    assert started.thread_id.startswith(f"order.{CALL}.")
    assert desk.log(f"order.{CALL}").records == before
    assert live(desk.agent.replay("order")) is None


def killed_before_its_child_begins(desk: Desk) -> None:
    """The child is named in the log, and an outsider begins a thread of that name first."""
    dying = DyingStore(desk.store, 5, Died, False)
    with pytest.raises(Died):
        live(replace(desk.agent, store=dying).run("order 17", thread="order"))
    assert found_in(desk.log("order"), e.ChildStarted)
    desk.outsider(f"order.{CALL}")


def found_in(log: Log, kind: type) -> list:
    return [record.event for record in log.records if isinstance(record.event, kind)]


def test_a_child_whose_thread_somebody_else_has_begun_gets_another_name_and_is_run():
    desk = Desk()
    killed_before_its_child_begins(desk)
    assert live(desk.agent.resume("order")).answer == "done"
    assert "its own answer" in results(desk.agent.model)
    first, second = found_in(desk.log("order"), e.ChildStarted)
    assert (first.thread_id, first.tokens) == (f"order.{CALL}", second.tokens)
    assert second.thread_id.startswith(f"order.{CALL}.")
    assert live(desk.agent.replay("order")) is None


def test_cancelling_ends_no_thread_that_only_has_a_child_s_name():
    desk = Desk()
    killed_before_its_child_begins(desk)
    waits = Agent(name="waits", model=ScriptedModel([calls("pay")]), tools=[pay], store=desk.store)
    other = f"order.{CALL}"
    assert live(waits.run("pay", thread=other)).status == "waiting"
    live(desk.agent.post("order", e.TurnEnded("cancelled")))
    assert live(desk.agent.resume("order")).status == "cancelled"
    assert live(waits.resume(other)).status == "waiting"


@tool(needs_approval=True)
def pay() -> str:
    """Pay."""
    return "paid"


def test_a_step_of_a_flow_takes_no_thread_that_only_has_its_name():
    store = MemoryStore()
    checker = Agent(name="checker", model=ScriptedModel([says("its own answer")]))
    desk = Desk(store=store)

    @flow(store=store, world=world())
    async def order() -> str:
        return (await step.options(id="check")(checker, "check it")).answer

    desk.outsider("t.check")
    assert live(order.options(thread="t").run()).output == "its own answer"
    fork = live(order.fork("t")).thread_id
    assert live(order.resume(fork)).output == "its own answer"


def test_nobody_speaks_in_a_child_but_its_parent():
    desk = Desk()
    live(desk.agent.run("order 17", thread="order"))
    child = f"order.{CALL}"
    with pytest.raises(UsageError, match=f"{child} is a child: it works for call {CALL} of thread"):
        live(desk.checker.run("and now?", thread=child))

    @flow(store=desk.store)
    async def other() -> None: ...

    with pytest.raises(UsageError, match="of thread order"):
        live(other.options(thread=child).run())
    fork = live(desk.checker.fork(child)).thread_id
    assert live(desk.checker.run("and now?", thread=fork)).answer == "its own answer"


def test_a_thread_that_is_its_own_child_is_ended_and_resumed_without_going_round():
    store = MemoryStore()
    call = e.Call("c1", "checker", '{"task": "x"}')
    log = Log("a", store, World())
    start = e.ThreadStarted("desk", "k", "a", "c1", 1)
    facts = (start, e.ThreadClaimed("w"), e.UserSaid("q"), e.ModelCalled("m", "h", 1, 1))
    asked = e.ModelReplied((call,), e.Usage(1, 1), 0.1)
    asyncio.run(log.append(*facts, asked, e.ToolStarted("c1", "k"), e.ChildStarted("c1", "a")))
    desk = Desk(store=store)
    with pytest.raises(UsageError, match="a is a child: it works for call c1 of thread a"):
        live(desk.agent.resume("a"))
    live(desk.agent.post("a", e.TurnEnded("cancelled")))
    assert live(desk.agent.resume("a")).status == "cancelled"


@pytest.mark.parametrize("read_before", [True, False])
def test_a_driver_that_was_stopped_before_it_began_a_child_never_begins_it(read_before):
    async def whole() -> None:
        top = agent(ScriptedModel([says("two")]))
        log = await open_log("t", top.store, top.world)
        asked = e.ModelReplied((e.Call("c1", "helper", "{}"),), e.Usage(1, 1), 0.0, "tool_calls")
        said = (e.ThreadStarted("agent", "k"), e.ThreadClaimed("stopped"), e.UserSaid("one"))
        started = (e.ToolStarted("c1", "key", 1), e.ChildStarted("c1", "t.c1"))
        await log.append(*said, e.ModelCalled("m", "h", 1, 1), asked, *started)
        late = await open_log("t.c1", top.store, top.world)
        await top.post("t", e.TurnEnded("cancelled"))
        await top.run("two", thread="t")
        if not read_before:
            await late.refresh()
        start = e.ThreadStarted("helper", "k", "t", "c1", 1, "t")
        with pytest.raises(IllegalEvent):
            await late.append(start, e.ThreadClaimed("stopped"), e.UserSaid("go"))
        assert late.state.turn.ended.status == "cancelled"

    asyncio.run(whole())
