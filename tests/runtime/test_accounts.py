"""One account for a tree: calls reserve their worst case in it, wait for each other, and lose nothing."""

import asyncio
from dataclasses import replace

import pytest

from fakes import live
from treadle import (
    Agent,
    Budget,
    IllegalEvent,
    LimitRaised,
    Limits,
    MemoryStore,
    SQLiteStore,
    UsageError,
    flow,
    step,
    tool,
)
from treadle.core import events as e
from treadle.core.account import name_of_turn
from treadle.core.model import Reply
from treadle.models.scripted import ScriptedModel, calls, says
from treadle.runtime.log import open_log
from treadle.runtime.world import World


class Counted:
    """A model that counts how many calls are under way, and uses ten tokens for each."""

    name, context_tokens, max_output_tokens = "counted", 8000, 1000

    def __init__(self, usd_a_token: float = 0.0) -> None:
        self.usd_a_token = usd_a_token
        self.now = self.most = self.calls = 0

    def cost_usd(self, usage: e.Usage) -> float:
        return usage.total_tokens * self.usd_a_token

    async def reply(self, request, emit) -> Reply:
        self.calls += 1
        self.now += 1
        self.most = max(self.most, self.now)
        for _ in range(20):
            await asyncio.sleep(0)
        self.now -= 1
        return Reply("fine", e.Usage(8, 2))


async def wait_a_little(times: int) -> int:
    for _ in range(times):
        await asyncio.sleep(0)
    return times


def crowd(model: Counted, limits: Limits, count: int = 5, store: MemoryStore | None = None):
    store = store or MemoryStore()
    one = Agent("Be brief.", name="one", model=model, store=store)

    @flow(store=store, limits=limits)
    async def all_of_them() -> list[str]:
        async def each(number: int) -> str:
            await step.options(id=f"wait-{number}")(wait_a_little, number)
            return (await one.run(f"item {number}")).answer

        return list(await asyncio.gather(*map(each, range(count))))

    return all_of_them


def test_children_that_start_one_after_another_all_get_their_part():
    result = live(crowd(model := Counted(), Limits(tokens=100_000)).run())
    assert result.output == ["fine"] * 5
    assert model.most > 1, "where all fit, none waits"


@pytest.mark.parametrize(
    "limits", [Limits(tokens=1500, tool_calls=100), Limits(cost_usd=1.5, tokens=None)]
)
def test_calls_that_do_not_fit_side_by_side_are_made_one_after_the_other(limits):
    model = Counted(usd_a_token=0.001)
    result = live(crowd(model, limits, 20).options(thread="t").run())
    assert result.output == ["fine"] * 20
    assert model.most == 1
    assert result.usage.total_tokens == 200


def test_a_call_that_fits_alone_is_made_smaller_only_once_nobody_else_is_at_work():
    model = Counted()
    store = MemoryStore()
    result = live(crowd(model, Limits(tokens=500), 3, store).options(thread="t").run())
    assert result.output == ["fine"] * 3
    names = sorted(each.thread_id for each in live(store.threads(parent="t")))
    called = [found_in(store, name, e.ModelCalled)[0] for name in names]
    assert all(16 <= each.max_output_tokens < 500 for each in called)


def found_in(store, thread, kind):
    records = live(open_log(thread, store, World())).records
    return [record.event for record in records if isinstance(record.event, kind)]


@pytest.mark.slow
def test_a_flow_whose_account_is_used_up_waits_and_goes_on_once_it_is_raised():
    model = Counted()
    store = MemoryStore()
    team = crowd(model, Limits(tokens=300, tool_calls=None), 40, store)
    result = live(team.options(thread="t").run())
    assert result.status == "waiting"
    assert {each.status for each in result.waiting} == {"limit"}
    assert {each.thread_id for each in result.waiting} == {"t"}
    assert "of 300 tokens of thread t and all that works for it" in result.reason
    done = model.calls
    assert 0 < done < 40
    before = live(store.read("t"))

    again = live(team.resume("t"))
    assert again.status == "waiting"
    assert live(store.read("t")) == before, "a resume that can't help leaves no mark"
    assert model.calls == done

    live(team.raise_limit("t", "ann", tokens=5000))
    assert live(team.due()) == ["t"]
    end = live(team.resume("t"))
    assert end.output == ["fine"] * 40
    assert model.calls == 40, "what was answered isn't asked again"


def test_a_raise_while_the_flow_is_driven_is_taken_at_once():
    model = Counted()
    team = crowd(model, Limits(tokens=300, tool_calls=None), 40)

    async def whole():
        await team.options(thread="t").start()
        async for item in team.follow("t"):
            if isinstance(item, e.Record) and isinstance(item.event, e.ChildWaits):
                await team.raise_limit("t", tokens=5000)
                break
        return await team.resume("t")

    assert live(whole()).output == ["fine"] * 40


def test_two_levels_below_a_thread_waits_for_the_limit_of_the_flow():
    store = MemoryStore()
    helper = Agent(name="helper", model=(model := Counted()), store=store)
    boss = Agent(
        name="boss",
        model=ScriptedModel([calls(("helper", {"task": "x"})), says("done")], max_output_tokens=50),
        tools=[helper.as_tool()],
        store=store,
    )

    @flow(store=store, limits=Limits(tokens=300))
    async def top() -> str:
        return (await boss.run("go")).answer

    result = live(top.options(thread="t").run())
    assert [(each.status, each.thread_id) for each in result.waiting] == [("limit", "t")]
    assert model.calls == 0
    live(top.raise_limit("t", tokens=10_000))
    assert live(top.resume("t")).output == "done"
    assert model.calls == 1


def test_a_limit_of_an_agent_above_is_a_status_and_leaves_it_its_last_word():
    store = MemoryStore()
    greedy = Agent(name="greedy", model=ScriptedModel([says("word " * 900)] * 9), store=store)
    boss = Agent(
        name="boss",
        model=ScriptedModel(
            [*[calls(("greedy", {"task": str(n)})) for n in range(9)], says("so far")]
        ),
        tools=[greedy.as_tool()],
        limits=Limits(tokens=6000, steps=None),
        store=store,
    )
    result = live(boss.run("go", thread="t"))
    assert (result.status, result.reason) == ("limit", "tokens")
    assert result.usage.total_tokens <= 6000
    assert live(boss.replay("t")) is None
    for info in live(store.threads(parent="t")):
        assert live(replace(greedy, limits=greedy.limits).replay(info.thread_id)) is None


def test_a_child_that_waits_for_a_person_holds_nothing():
    store = MemoryStore()

    @tool(needs_approval=True)
    def refund(amount: int) -> str:
        """Refund."""
        return "ok"

    till = Agent(
        name="till",
        tools=[refund],
        model=ScriptedModel([calls(("refund", {"amount": 5})), says("paid")]),
        store=store,
    )
    scribe = Agent(name="scribe", model=Counted(), store=store)

    @flow(store=store, limits=Limits(tokens=10_000))
    async def both() -> list[str]:
        async def letter() -> str:
            await step(wait_a_little, 50)
            return (await scribe.run("write")).answer

        paid, wrote = await asyncio.gather(till.run("refund"), letter())
        return [paid.answer, wrote]

    result = live(both.options(thread="t").run())
    assert result.status == "waiting"
    assert not live(store.balance("turn:t#3", 0.0)).holders
    live(
        both.post(
            result.waiting[0].thread_id, e.ApprovalGiven(result.waiting[0].id, True, by="ann")
        )
    )
    assert live(both.resume("t")).output == ["paid", "fine"]


def test_what_a_dead_driver_had_in_flight_counts_as_used_and_is_waited_for_by_nobody():
    store = MemoryStore()
    model = Counted()
    team = crowd(model, Limits(tokens=2500), 3, store)

    async def whole() -> None:
        log = await open_log("t", store, World())
        await log.append(
            e.ThreadStarted("all_of_them", "k"),
            e.ThreadClaimed("dead"),
            e.UserSaid("{}"),
        )

    # A thread of another process, which has died in its model call, holds most of the account.
    live(whole())
    other = live(open_log("other", store, World()))
    called = e.ModelCalled("m", "h", 500, 600, accounts=(name_of_turn("t", 3),))
    live(other.append(e.ThreadStarted("x", "k"), e.ThreadClaimed("gone"), e.UserSaid("go"), called))
    assert live(store.balance("turn:t#3", 0.0)).tokens == 1100
    live(team.resume("t"))
    assert live(store.balance("turn:t#3", 0.0)).tokens == 1100 + 30
    # Its next driver finds the call lost: it counts as used at its worst case, and once.
    live(other.append(e.ThreadClaimed("new")))
    balance = live(store.balance("turn:t#3", 0.0))
    assert (balance.tokens, balance.holders) == (1130, ())
    # The driver that was taken for dead tells what was really used.
    late = e.ModelFailed("late", "came", usage=e.Usage(20, 5), claim="gone")
    live(other.append(late))
    assert live(store.balance("turn:t#3", 0.0)).tokens == 55


def test_waiting_for_room_costs_no_seconds():
    now = [0.0]

    async def sleep(seconds: float) -> None:
        now[0] += seconds
        await asyncio.sleep(0)

    world = World(monotonic=lambda: now[0], sleep=sleep, now=lambda: 1e9 + now[0])
    store = MemoryStore()
    budget = Budget("team", requests_a_minute=1)
    one = Agent(
        name="one",
        model=Counted(),
        budgets=[budget],
        store=store,
        world=world,
        limits=Limits(seconds=5),
    )
    for number in range(3):
        result = live(one.run("go", thread=str(number)))
        assert result.status == "answered"
        assert result.seconds < 1
    assert now[0] >= 119.9


def test_a_budget_of_a_day_holds_for_all_who_name_it(tmp_path):
    now = [1_767_225_600.0]  # midnight
    world = World(now=lambda: now[0])
    store = SQLiteStore(tmp_path / "t.db")
    budget = Budget("team", tokens_a_day=300)
    first = Agent(name="first", model=Counted(), budgets=[budget], store=store, world=world)
    second = Agent(name="second", model=Counted(), budgets=[budget], store=store, world=world)
    statuses = [live(first.run(str(n))).status for n in range(60)]
    assert statuses.count("answered") > 5
    assert live(store.balance("day:2026-01-01:team", now[0])).tokens <= 300
    last = live(second.run("and now?"))
    assert (last.status, last.reason) == ("limit", "tokens_a_day")
    now[0] += 86_400
    assert live(second.run("and now?")).status == "answered"


def test_below_a_flow_a_budget_is_waited_for_until_the_next_day():
    now = [1_767_225_600.0]
    world = World(now=lambda: now[0])
    store = MemoryStore()
    budget = Budget("team", tokens_a_day=300)
    one = Agent(name="one", model=Counted(), store=store, world=world)

    @flow(store=store, world=world, budgets=[budget])
    async def daily() -> list[str]:
        return [(await one.run(str(number))).answer for number in range(12)]

    result = live(daily.options(thread="t").run())
    assert result.status == "waiting"
    assert "the budget team for 2026-01-01" in result.reason
    assert result.waiting[0].until == now[0] + 86_400
    assert live(daily.due()) == []
    now[0] += 86_400
    assert live(daily.due()) == ["t"]
    assert live(daily.resume("t")).output == ["fine"] * 12


def test_an_agent_that_had_ended_at_its_limit_goes_on_where_it_was():
    looked = []

    @tool
    def look(what: str) -> str:
        """Look."""
        looked.append(what)
        return what

    script = [
        calls(("look", {"what": "a"})),
        says("so far"),
        calls(("look", {"what": "b"})),
        says("all"),
    ]
    one = Agent(
        model=ScriptedModel(script), tools=[look], limits=Limits(steps=1), store=MemoryStore()
    )
    first = live(one.run("go", thread="t"))
    assert (first.status, first.answer) == ("limit", "so far")
    live(one.raise_limit("t", "ann", steps=5))
    result = live(one.resume("t"))
    assert (result.status, result.answer) == ("answered", "all")
    assert looked == ["a", "b"]
    assert live(one.replay("t")) is None


def test_a_limit_that_is_raised_while_the_last_word_is_written_is_raised_for_who_resumes():
    class Raises(ScriptedModel):
        async def reply(self, request, emit):
            if len(self.seen) == 1:
                await one.raise_limit("t", "ann", steps=5)
            return await super().reply(request, emit)

    script = [calls("look"), says("so far"), says("all")]
    one = Agent(model=Raises(script), limits=Limits(steps=1), store=MemoryStore())
    first = live(one.run("go", thread="t"))
    assert (first.status, first.answer) == ("limit", "so far")
    result = live(one.resume("t"))
    assert (result.status, result.answer) == ("answered", "all")
    assert live(one.replay("t")) is None


def test_a_turn_that_was_cancelled_does_not_go_on_though_its_limit_was_raised():
    class Raises(ScriptedModel):
        async def reply(self, request, emit):
            if len(self.seen) == 1:
                await one.raise_limit("t", "ann", steps=5)
                await one.post("t", e.TurnEnded("cancelled"))
            return await super().reply(request, emit)

    script = [calls("look"), says("so far"), says("all")]
    one = Agent(model=Raises(script), limits=Limits(steps=1), store=MemoryStore())
    assert live(one.run("go", thread="t")).status == "cancelled"
    assert live(one.resume("t")).status == "cancelled"


def test_what_cannot_be_raised_is_refused_in_words():
    one = Agent(model=ScriptedModel([says("hi")]), store=MemoryStore())
    live(one.run("go", thread="t"))
    with pytest.raises(IllegalEvent, match="no turn is open, and the last one didn't end at a"):
        live(one.raise_limit("t", tokens=5))
    with pytest.raises(UsageError, match="raise_limit"):
        live(one.raise_limit("t", tokens=-5))
    with pytest.raises(IllegalEvent):
        live(one.post("t", LimitRaised("ann", tokens=5)))
    with pytest.raises(UsageError, match=r"cost_usd=-0.5\): it must be"):
        live(one.post("t", LimitRaised("ann", cost_usd=-0.5)))


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"name": ""}, "give a word that names it"),
        ({"name": "a"}, "has no limit; give one"),
        ({"name": "a", "usd_a_day": float("nan")}, "a finite number"),
        ({"name": "a", "requests_a_minute": 1.5}, "a whole number"),
        ({"name": "a", "requests_a_minute": 0}, "1 or more"),
    ],
)
def test_a_wrong_budget_is_refused_where_it_is_made(settings, words):
    with pytest.raises(UsageError, match=words):
        Budget(**settings)


def test_a_budget_of_dollars_needs_a_price():
    class Unpriced(Counted):
        def cost_usd(self, usage):
            return None

    store = MemoryStore()
    one = Agent(model=Unpriced(), budgets=[Budget("team", usd_a_day=1)], store=store)
    with pytest.raises(UsageError, match="no price is known"):
        live(one.run("go"))

    two = Agent(name="two", model=Unpriced(), store=store)

    @flow(store=store, limits=Limits(cost_usd=1.0))
    async def paid() -> str:
        return (await two.run("go")).answer

    with pytest.raises(Exception, match="no price is known"):
        live(paid.run())


def test_only_the_calls_of_its_provider_count():
    store = MemoryStore()
    budget = Budget("far", tokens_a_day=5, provider="openai")
    one = Agent(model=Counted(), budgets=[budget], store=store)
    assert live(one.run("go")).status == "answered"


def test_each_user_and_each_agent_can_have_a_budget_of_its_own():
    store = MemoryStore()
    budgets = [
        Budget("people", tokens_a_day=10_000, per="user"),
        Budget("staff", tokens_a_day=10_000, per="agent"),
    ]
    world = World(now=lambda: 1_767_225_600.0)
    helper = Agent(name="helper", model=Counted(), store=store, world=world)
    boss = Agent(
        name="boss",
        model=ScriptedModel([calls(("helper", {"task": "x"})), says("done")] * 2),
        tools=[helper.as_tool()],
        budgets=budgets,
        store=store,
        world=world,
    )
    used = {}
    for user in ("ann", "bob"):
        result = live(boss.run(e.UserSaid("go", by=user)))
        used[user] = result.usage.total_tokens
    for user, tokens in used.items():
        account = f"day:2026-01-01:people of {user}"
        assert live(store.balance(account, 0.0)).tokens == tokens
    everything = live(store.balance("day:2026-01-01:staff of boss", 0.0)).tokens
    assert everything == sum(used.values())
    with pytest.raises(UsageError, match="nobody has said"):
        live(boss.run("go"))
    assert len(live(store.threads(parent=""))) == 2, "nothing was begun"


def test_a_message_of_nobody_is_refused_before_it_is_written_whichever_way_it_comes():
    """Each user has a budget here. A worker or a resume could only have failed its turn."""
    budgets = [Budget("people", tokens_a_day=10_000, per="user")]
    one = Agent(model=Counted(), budgets=budgets, store=MemoryStore())
    live(one.run(e.UserSaid("go", by="ann"), thread="t"))
    before = live(one.store.threads())
    for say in (
        lambda: one.submit("go"),
        lambda: one.submit("go", thread="t"),
        lambda: one.start("go", thread="t"),
        lambda: one.steer("t", "go"),
    ):
        with pytest.raises(UsageError, match="nobody has said"):
            live(say())
    assert live(one.store.threads()) == before
    edited = live(one.fork("t", edit="go on")).thread_id
    assert live(one.resume(edited)).status == "answered"


def test_a_turn_that_nobody_has_opened_stays_open_where_each_user_has_a_budget():
    budgets = [Budget("people", tokens_a_day=10_000, per="user")]
    one = Agent(model=Counted(), budgets=budgets, store=MemoryStore())
    live(one.import_history([{"role": "user", "content": "go"}], thread="t"))
    with pytest.raises(UsageError, match="nobody has said"):
        live(one.resume("t"))
    assert live(replace(one, budgets=()).resume("t")).status == "answered"
