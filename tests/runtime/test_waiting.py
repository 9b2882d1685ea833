"""A turn waits exactly where something is listed for a person, and whoever resumes it then writes nothing."""

import asyncio
from dataclasses import dataclass
from typing import Any

import pytest

from fakes import agent, found, live, names, run_in
from treadle import (
    Agent,
    ApprovalGiven,
    Flow,
    Limits,
    MemoryStore,
    Record,
    Result,
    ScriptedModel,
    UserSaid,
    flow,
    step,
    tool,
)
from treadle.core import events as e
from treadle.core.errors import IllegalEvent
from treadle.flows.waits import approve
from treadle.graphs import END, START, Edge, Graph, Node
from treadle.models.scripted import calls, says
from treadle.observe.explain import explain
from treadle.runtime.log import open_log
from treadle.runtime.world import World
from treadle.tools.ask import ask_user


@tool(needs_approval=True)
def pay(n: int) -> str:
    """Pay."""
    return f"paid {n}"


@tool
def book(n: int) -> str:
    """Book."""
    return f"booked {n}"


@tool(parallel=True, needs_approval=True)
def mail(n: int) -> str:
    """Mail."""
    return f"mailed {n}"


def desk(*asked: Any, **settings: Any) -> Agent:
    """An agent that can pay, book, ask, and hand over to a clerk, and asks for these calls."""
    clerk = agent(ScriptedModel([says("the clerk's answer")]), name="clerk")
    model = ScriptedModel([calls(*asked), says("the desk's answer")])
    return agent(model, pay, book, mail, ask_user, name="desk", handoffs=[clerk], **settings)


async def records_of(store: Any, thread: str = "t") -> list[Record]:
    return (await open_log(thread, store, World())).records


async def decide_all(agents: Agent | Flow, result: Result) -> Result:
    """Allow and answer whatever it waits for, until the turn is over."""
    for _ in range(20):
        if result.status != "waiting":
            return result
        assert result.waiting
        for call in result.waiting:
            decision: Any = ApprovalGiven(call.id, True, "ann", digest=call.digest)
            if call.status == "question":
                decision = UserSaid("that one", answers=call.id)
            await agents.post(call.thread_id, decision)
        result = await agents.resume(result.thread_id)
    raise AssertionError(f"it waits for ever for {result.waiting}")


PAY, BOOK = ("pay", {"n": 1}), ("book", {"n": 2})
ASK = ("ask_user", {"question": "Which?"})
MIXES: list[tuple[tuple[Any, ...], list[str]]] = [
    (("hand_to_clerk", PAY), ["pay"]),
    ((PAY, "hand_to_clerk"), ["pay"]),
    (("hand_to_clerk", ASK), ["ask_user"]),
    ((PAY, ASK, "hand_to_clerk"), ["pay", "ask_user"]),
    (("hand_to_clerk", "hand_to_clerk", PAY), ["pay"]),
    (("nope", PAY), ["pay"]),
    ((PAY, BOOK), ["pay"]),
    ((BOOK, PAY, BOOK), ["pay"]),
    ((PAY, PAY, BOOK), ["pay", "pay"]),
    ((("mail", {"n": 1}), BOOK, PAY), ["mail", "pay"]),
    ((("pay", {"n": "x"}), PAY), ["pay"]),
]


@pytest.mark.parametrize(("asked", "waits"), MIXES)
def test_whatever_stands_beside_it_what_waits_is_listed_and_can_be_decided(asked, waits):
    async def whole() -> None:
        agents = desk(*asked)
        result = await agents.run("go", thread="t")
        assert (result.status, [call.name for call in result.waiting]) == ("waiting", waits)
        told = explain(result.records and await records_of(agents.store), agents.run_settings)
        assert (told.status, len(told.waits_for)) == ("waiting", len(waits))
        result = await decide_all(agents, result)
        handed = any("hand_to_clerk" in call for call in asked)
        answer = "the clerk's answer" if handed else "the desk's answer"
        assert (result.status, result.answer) == ("answered", answer)

    live(whole())


@pytest.mark.parametrize(("asked", "waits"), MIXES)
def test_a_parent_waits_for_what_its_child_waits_for(asked, waits):
    async def whole() -> None:
        model = ScriptedModel([calls(("desk", {"task": "x"})), says("done")])
        below = desk(*asked)
        top = agent(model, below.as_tool(), store=below.store)
        result = await top.run("go", thread="t")
        assert (result.status, [call.name for call in result.waiting]) == ("waiting", waits)
        assert all(call.thread_id != "t" for call in result.waiting)
        assert (await decide_all(top, result)).answer == "done"
        assert found(await top.resume("t"), e.ToolReturned)[0].content.startswith(
            "[the agent desk]"
        )

    live(whole())


@pytest.mark.parametrize("early", [True, False])
@pytest.mark.parametrize("depth", [1, 2])
def test_a_child_that_is_approved_while_its_parent_still_runs_goes_on_by_itself(early, depth):
    ran: list[int] = []

    @tool(needs_approval=True)
    async def wire(n: int) -> str:
        ran.append(n)
        return "wired"

    @tool(parallel=True)
    async def slow() -> str:
        await asyncio.sleep(5)
        return "slow"

    async def whole() -> None:
        store = MemoryStore()
        below = agent(
            ScriptedModel([calls(("wire", {"n": 1})), says("kid done")]), wire, name="kid"
        )
        if depth == 2:
            below = agent(
                ScriptedModel([calls(("kid", {"task": "x"})), says("mid done")]),
                below.as_tool(),
                name="mid",
            )
        model = ScriptedModel([calls((below.name, {"task": "x"}), "slow"), says("end")])
        top = agent(model, below.as_tool(), slow, store=store)
        running = asyncio.create_task(top.run("go", thread="t"))
        await asyncio.sleep(1)
        call = (await open_log("t", store, World())).state.turn.calls["c00005000"]
        [waits] = call.waiting
        assert waits.status == "waiting"
        if early:
            await top.post(waits.thread_id, ApprovalGiven(waits.id, True, "ann"))
        result = await running
        if not early:
            assert result.waiting == (waits,)
            await top.post(waits.thread_id, ApprovalGiven(waits.id, True, "ann"))
            with pytest.raises(IllegalEvent, match="was allowed already, by ann"):
                await top.post(waits.thread_id, ApprovalGiven(waits.id, True, "bob"))
            result = await top.resume("t")
        assert (result.status, result.answer, ran) == ("answered", "end", [1])

    live(whole())


def charge(n: int) -> str:
    return f"charged {n}"


@dataclass
class Bill:
    told: str = ""


def bill() -> str:
    return charge(1)


def made_to_wait(kind: str) -> Any:
    """An agent, a parent, a flow or a graph whose thread waits for an approval."""
    if kind == "agent":
        return desk(PAY)
    if kind == "handoff":
        return desk("hand_to_clerk", PAY)
    if kind == "parent":
        below = desk(PAY)
        model = ScriptedModel([calls(("desk", {"task": "x"})), says("done")])
        return agent(model, below.as_tool(), store=below.store)
    store = MemoryStore()
    if kind == "flow":

        @flow(store=store)
        async def pays() -> str:
            done = await step.options(idempotent=True)(charge, 1)
            return done if await approve("it") else "no"

        return pays
    if kind == "flow with an agent":
        below = desk(PAY)

        @flow(store=store)
        async def asks() -> str:
            return (await below.run("go")).answer

        return asks
    nodes = [Node(bill, "told", approve="before")]
    edges = [Edge(START, "bill"), Edge("bill", END)]
    return Graph(Bill, nodes, edges, store=store)


KINDS = ["agent", "handoff", "parent", "flow", "flow with an agent", "graph"]


@pytest.mark.parametrize("kind", KINDS)
def test_resuming_what_waits_again_and_again_appends_nothing(kind):
    async def whole() -> None:
        made = made_to_wait(kind)
        result = await run_in("t", made, *(["go"] if isinstance(made, Agent) else []))
        assert result.status == "waiting"
        store: Any = made.store
        before = {info.thread_id: info.records for info in await store.threads()}
        for _ in range(100):
            again = await made.resume("t")
            assert (again.status, again.waiting) == ("waiting", result.waiting)
        assert {info.thread_id: info.records for info in await store.threads()} == before
        if not isinstance(made, Agent | Flow):
            made = made.flow
        assert (await decide_all(made, again)).status == "answered"
        claims = names(await records_of(store)).count("ThreadClaimed")
        assert claims == 2  # the first driver's, and that of the resume which had something to do

    live(whole())


def test_nobody_is_asked_about_a_call_that_a_limit_stops():
    """What is used up then is used up, whatever the person says."""
    paid = []

    @tool(needs_approval=True)
    def pay(euros: int) -> str:
        paid.append(euros)
        return "paid"

    script = [calls(("pay", {"euros": 1})), calls(("pay", {"euros": 2})), says("One is paid.")]
    made = agent(ScriptedModel(script), pay, limits=Limits(tool_calls=1))
    [held] = live(made.run("go", thread="t")).waiting
    live(made.post("t", ApprovalGiven(held.id, True, "ann")))
    result = live(made.resume("t"))
    assert (result.status, result.reason) == ("limit", "tool_calls")
    assert (result.answer, paid) == ("One is paid.", [1])


def test_an_approval_is_for_the_arguments_that_were_shown():
    async def whole() -> None:
        agents = desk(PAY, ("pay", {"n": 2}))
        result = await agents.run("go", thread="t")
        first, second = result.waiting
        before = await records_of(agents.store)
        for digest in (second.digest, "0" * 24):
            with pytest.raises(IllegalEvent, match=r'look at it again: pay\({"n": 1}\)'):
                await agents.post("t", ApprovalGiven(first.id, True, "ann", digest=digest))
        assert await records_of(agents.store) == before
        await agents.post("t", ApprovalGiven(first.id, True, "ann", digest=first.digest))
        await agents.post("t", ApprovalGiven(second.id, True, "ann"))
        assert (await agents.resume("t")).answer == "the desk's answer"

    live(whole())
