"""The same message twice is one turn: whoever brings it again gets that turn's result."""

import asyncio
import dataclasses
from typing import Any

import pytest

from fakes import Died, Door, DyingStore, Elsewhere, agent, found, live, names, world
from treadle import (
    Agent,
    ApprovalGiven,
    Image,
    Limits,
    MemoryStore,
    Result,
    ScriptedModel,
    TurnFailed,
    TurnOpen,
    UsageError,
    UserSaid,
    flow,
    step,
    stop,
    tool,
)
from treadle.core import events as e
from treadle.core.errors import IllegalEvent, ModelDenied, ModelUnavailable, StoreError
from treadle.graphs import END, START, Edge, Graph, Node
from treadle.models.scripted import calls, says
from treadle.runtime.log import open_log
from treadle.runtime.message_key import thread_of_key
from treadle.tools.ask import ask_user

PAYS = (calls("pay"), says("all paid"))


def payer(paid: list[str], *script: Any, **settings: Any) -> Agent:
    @tool
    async def pay() -> str:
        paid.append("paid")
        await asyncio.sleep(20)
        return "paid"

    return agent(ScriptedModel(script or PAYS), pay, **settings)


def threads_of(agents: Any) -> list[str]:
    return [info.thread_id for info in live(agents._store.threads())]


def turns_of(agents: Any, thread: str) -> int:
    return live(open_log(thread, agents._store, world())).state.turns


@pytest.mark.parametrize("thread", [None, "t"])
def test_a_message_that_comes_again_gives_the_same_result_and_nothing_runs(thread: str | None):
    paid: list[str] = []
    agents = payer(paid)
    first = live(agents.run("pay 5", thread=thread, key="order-7"))
    again = live(agents.run("pay 5", thread=thread, key="order-7"))
    assert first == again
    assert paid == ["paid"]
    assert len(threads_of(agents)) == 1


def test_the_key_makes_the_thread_s_name_for_each_agent_its_own():
    agents = payer([])
    other = dataclasses.replace(payer([]), name="other", store=agents._store)
    one = live(agents.run("pay", key="k")).thread_id
    two = live(other.run("pay", key="k")).thread_id
    assert one == thread_of_key("agent", "k") != two
    assert thread_of_key("a", "bc") != thread_of_key("ab", "c")


def test_the_key_is_in_the_message_s_event_also_if_it_was_given_there():
    agents = payer([])
    first = live(agents.run(UserSaid("pay", key="k")))
    assert live(agents.run("pay", key="k")) == first
    [said] = [each.event for each in first.records if isinstance(each.event, UserSaid)]
    assert said.key == "k"


def test_the_same_key_with_other_words_is_refused_in_words():
    agents = payer([])
    thread = live(agents.run("pay 5", key="k")).thread_id
    with pytest.raises(UsageError, match=f"'k' is that of another message.*{thread}"):
        live(agents.run("pay 6", key="k"))
    picture = UserSaid(("pay 5", Image("data:image/png;base64,AAAA")))
    with pytest.raises(UsageError, match="another message"):
        live(agents.run(picture, key="k"))


@pytest.mark.parametrize("key", ["", " ", 7, "x" * 1001, "\ud800"])
def test_what_can_be_no_key_is_refused(key: Any):
    with pytest.raises(UsageError, match="key"):
        live(payer([]).run("pay", key=key))


def test_two_keys_for_one_message_are_refused():
    with pytest.raises(UsageError, match="has the key 'a' already"):
        live(payer([]).run(UserSaid("pay", key="a"), key="b"))


@pytest.mark.parametrize("gap_s", [0.0, 0.05, 5.0])
@pytest.mark.parametrize("thread", [None, "new", "old"])
@pytest.mark.parametrize("place", [lambda store: store, Elsewhere], ids=["here", "elsewhere"])
def test_callers_at_the_same_moment_run_one_turn_and_all_get_it(
    place: Any, thread: str | None, gap_s: float
):
    paid: list[str] = []
    store = MemoryStore()
    agents = payer(paid, *([says("hi")] if thread == "old" else []), *PAYS, store=store)
    others = dataclasses.replace(agents, store=place(store))
    if thread == "old":
        live(agents.run("hello", thread="old"))

    async def late(run: Any) -> Result:
        await asyncio.sleep(gap_s)
        return await run

    async def whole() -> list[Result]:
        return await asyncio.gather(
            agents.run("pay", thread=thread, key="k"),
            *(late(others.run("pay", thread=thread, key="k")) for _ in range(5)),
        )

    results = live(whole())
    assert {result.answer for result in results} == {"all paid"}
    assert all(result == results[0] for result in results)
    assert paid == ["paid"]
    assert turns_of(agents, results[0].thread_id) == (2 if thread == "old" else 1)


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (ModelDenied("no such key"), ModelDenied),
        (ModelUnavailable("down"), ModelUnavailable),
    ],
)
def test_a_failure_is_everybody_s(error: Exception, kind: type[Exception]):
    paid: list[str] = []
    store = MemoryStore()
    agents = payer(paid, calls("pay"), error, store=store, limits=Limits(model_tries=1))
    others = dataclasses.replace(agents, store=Elsewhere(store))

    async def whole() -> list[Any]:
        runs = [each.run("pay", key="k") for each in (agents, agents, others)]
        found = await asyncio.gather(*runs, return_exceptions=True)
        return [*found, *await asyncio.gather(agents.run("pay", key="k"), return_exceptions=True)]

    found = live(whole())
    assert [type(each) for each in found] == [kind] * 4
    assert len({str(each) for each in found}) == 1
    assert paid == ["paid"]


def test_a_turn_that_waits_is_given_as_waiting_and_later_as_it_ended():
    @tool(needs_approval=True)
    def pay() -> str:
        return "paid"

    agents = agent(ScriptedModel(PAYS), pay)
    [held] = live(agents.run("pay", key="k", thread="t")).waiting
    assert live(agents.run("pay", key="k", thread="t")).waiting == (held,)
    live(agents.post("t", ApprovalGiven(held.id, True, "ann")))
    assert live(agents.run("pay", key="k", thread="t")).answer == "all paid"


def test_of_a_later_turn_it_knows_nothing():
    agents = payer([], *PAYS, says("you are welcome"))
    first = live(agents.run("pay", thread="t", key="k"))
    live(agents.run("thanks", thread="t"))
    assert live(agents.run("pay", thread="t", key="k")) == first


def test_while_another_turn_is_open_a_new_message_is_refused_and_an_old_one_isn_t():
    @tool
    async def look() -> str:
        assert (await agents.run("first", thread="t", key="a")).answer == "one"
        with pytest.raises(TurnOpen):
            await agents.run("third", thread="t", key="c")
        return "looked"

    agents = agent(ScriptedModel([says("one"), calls("look"), says("two")]), look)
    live(agents.run("first", thread="t", key="a"))
    assert live(agents.run("second", thread="t", key="b")).answer == "two"
    assert agents.model.seen[-1].messages[-1].text == "looked"  # type: ignore[union-attr]


def test_a_dead_driver_s_message_is_brought_to_its_end_by_the_next_delivery():
    store = MemoryStore()
    door = Door(store)
    paid: list[str] = []

    @tool(idempotent=True)
    async def pay() -> str:
        paid.append("paid")
        if len(paid) == 1:
            door.kill()
        return "paid"

    agents = agent(ScriptedModel(PAYS), pay, store=door)
    assert live(door.life(agents.run("pay", key="k"))) is None
    alive = dataclasses.replace(agents, store=store, model=ScriptedModel(PAYS[1:]))
    assert live(alive.run("pay", key="k")).answer == "all paid"
    assert len(paid) == 2  # it is idempotent


def test_start_and_stream_take_a_key_and_join_what_runs():
    paid: list[str] = []
    agents = payer(paid)

    async def whole() -> None:
        name = await agents.start("pay", key="k")
        assert await agents.start("pay", key="k") == name
        streamed = [item async for item in agents.stream("pay", key="k")]
        assert streamed[-1] == await agents.run("pay", key="k")
        assert names([x for x in streamed if isinstance(x, e.Record)])[0] == "ThreadStarted"
        again = [item async for item in agents.stream("pay", key="k")]
        assert again[-1] == streamed[-1]

    live(whole())
    assert paid == ["paid"]


def test_a_stopped_message_goes_on_with_the_next_delivery():
    paid: list[str] = []
    agents = payer(paid)

    async def first() -> Result:
        running = asyncio.create_task(agents.run("pay", key="k"))
        await asyncio.sleep(1)
        await stop(60)
        return await running

    assert live(first()).status == "unfinished"
    assert live(agents.run("pay", key="k")).answer == "all paid"
    assert paid == ["paid"]


def test_an_answer_that_is_posted_twice_with_one_key_is_one_answer():
    store = MemoryStore()
    agents = agent(
        ScriptedModel([calls(("ask_user", {"question": "which?"})), says("ok")]),
        ask_user,
        store=store,
    )
    [held] = live(agents.run("go", thread="t")).waiting
    blue = UserSaid("blue", answers=held.id, by="ann", key="click 1")

    async def both() -> None:
        others = dataclasses.replace(agents, store=Elsewhere(store))
        await asyncio.gather(agents.post("t", blue), others.post("t", blue))
        await agents.post("t", blue)

    live(both())
    with pytest.raises(UsageError, match="another message"):
        live(agents.post("t", UserSaid("red", answers=held.id, key="click 1")))
    with pytest.raises(IllegalEvent, match="answered already"):
        live(agents.post("t", UserSaid("red", answers=held.id, key="click 2")))
    result = live(agents.resume("t"))
    assert result.answer == "ok"
    live(agents.post("t", blue))
    assert [each.key for each in found(result, UserSaid)] == ["", "click 1"]


def test_flows_and_graphs_take_keys_too():
    ran: list[int] = []

    async def double(number: int) -> int:
        await asyncio.sleep(5)
        ran.append(number)
        return 2 * number

    async def order(number: int) -> int:
        return await step(double, number)

    orders = flow(store=MemoryStore(), world=world())(order)

    async def whole() -> list[Result]:
        return await asyncio.gather(*(orders.options(key="k").run(4) for _ in range(3)))

    results = live(whole())
    assert {result.output for result in results} == {8}
    assert results[0] == live(orders.options(key="k").run(number=4))
    with pytest.raises(UsageError, match="another message"):
        live(orders.options(key="k").run(5))
    graph = Graph(
        State,
        [Node(double, "number")],
        [Edge(START, "double"), Edge("double", END)],
        store=MemoryStore(),
        world=world(),
    )
    assert live(graph.options(key="k").run(number=1)) == live(graph.options(key="k").run(number=1))
    assert ran == [4, 1]


@dataclasses.dataclass
class State:
    number: int = 0


def test_a_failed_run_of_a_flow_fails_again():
    async def order() -> int:
        raise ValueError("no such order")

    orders = flow(store=MemoryStore(), world=world())(order)
    for _ in range(2):
        with pytest.raises(TurnFailed, match="no such order"):
            live(orders.options(key="k").run())


def test_in_a_flow_steps_have_ids_and_no_keys():
    agents = payer([])

    async def order() -> str:
        return (await agents.run("pay", key="k")).answer

    orders = flow(store=MemoryStore(), world=world())(order)
    with pytest.raises(TurnFailed, match="thread= or key= has no place in a flow"):
        live(orders.run())


def test_a_parameter_of_a_flow_may_be_called_as_the_options_are():
    @flow(store=MemoryStore())
    async def order(key: str, thread: str = "a") -> str:
        return key + thread

    assert live(order.options(thread="t", key="k").run("lamp", thread="b")).output == "lampb"


def test_a_thread_of_that_name_which_others_have_begun_isn_t_taken_for_the_message_s():
    agents = payer([])
    name = thread_of_key("agent", "k")
    live(agents.run("pay", thread=name))
    with pytest.raises(UsageError, match="begun without the key"):
        live(agents.run("pay", key="k"))


def test_an_imported_thread_answers_no_message():
    agents = payer([])
    name = live(agents.run("pay", key="k")).thread_id
    log = live(open_log(name, agents._store, world()))
    live(log.append(e.TrustChanged(False, "imported")))
    with pytest.raises(UsageError, match="nobody has adopted"):
        live(agents.run("pay", key="k"))


@pytest.mark.parametrize("thread", [None, "t"])
def test_a_message_of_a_deleted_thread_doesn_t_run_again(thread: str | None):
    paid: list[str] = []
    agents = payer(paid, *PAYS, *PAYS)
    result = live(agents.run("pay", thread=thread, key="k"))
    live(agents.delete(result.thread_id))
    for say in (agents.run, agents.start):
        with pytest.raises(UsageError, match=r"was deleted; it doesn't run again"):
            live(say("pay", thread=thread, key="k"))
    assert (paid, threads_of(agents)) == (["paid"], [])
    assert live(agents.run("pay", thread=thread, key="another")).answer == "all paid"


@pytest.mark.parametrize("written", [False, True])
@pytest.mark.parametrize("error", [Died, lambda: StoreError("disk full")], ids=["kill", "full"])
def test_a_delivery_that_dies_at_any_append_is_one_turn_in_the_end(error: Any, written: bool):
    whole = MemoryStore()
    counting = DyingStore(whole, 10_000, Died, False)
    assert live(payer([], store=counting).run("pay", key="k")).answer == "all paid"
    for cut in range(10_000 - counting.left):
        store = MemoryStore()
        paid: list[str] = []
        dying = DyingStore(store, cut, error, written)
        with pytest.raises((Died, StoreError)):
            live(payer(paid, store=dying).run("pay", key="k"))
        records = live(open_log(thread_of_key("agent", "k"), store, world())).records
        left = 1 if any(isinstance(each.event, e.ModelReplied) for each in records) else 0
        agents = payer(paid, *PAYS[left:], store=store)
        if any(isinstance(each.event, e.TurnEnded) for each in records):
            agents = payer(paid, store=store)
        result = live(agents.run("pay", key="k"))
        for held in result.waiting:
            outcome = "ran" if paid else "not_run"
            live(agents.post(result.thread_id, e.OutcomeDecided(held.id, outcome, "ann", "paid")))
            result = live(agents.run("pay", key="k"))
        assert result.answer == "all paid", f"cut {cut}"
        assert paid == ["paid"], f"cut {cut}"
        assert turns_of(agents, result.thread_id) == 1
