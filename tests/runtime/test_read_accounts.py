"""What accounts have come to, as a person sees it: by whom, and who waits."""

import asyncio

from fakes import live
from treadle import Agent, Budget, Limits, MemoryStore, UserSaid, flow
from treadle.core import events as e
from treadle.core.limits import Ceiling
from treadle.core.model import Reply
from treadle.observe.account_lines import describe_accounts
from treadle.runtime.log import open_log
from treadle.runtime.read_accounts import AccountInfo, Charge, find_turn_limits, read_accounts
from treadle.runtime.world import World


class Held:
    """A model that answers once it is told to."""

    name, context_tokens, max_output_tokens = "held", 8000, 100

    def __init__(self) -> None:
        self.asked = asyncio.Event()
        self.go = asyncio.Event()

    def cost_usd(self, usage: e.Usage) -> float:
        return usage.total_tokens * 0.001

    async def reply(self, request, emit) -> Reply:
        self.asked.set()
        await self.go.wait()
        return Reply("fine", e.Usage(8, 2))


def test_who_has_reserved_and_who_waits_in_line():
    async def whole():
        store, model = MemoryStore(), Held()
        one = Agent(name="one", model=model, store=store)

        @flow(store=store, limits=Limits(tokens=200))
        async def both() -> None:
            await asyncio.gather(one.run("a"), one.run("b"))

        await both.options(thread="t").start()
        await model.asked.wait()
        log = await open_log("t", store, World())
        for _ in range(500):
            [info] = await read_accounts(log, {"both": both.run_settings})
            if info.waits_in_line:
                break
            await asyncio.sleep(0)
        model.go.set()
        result = await both.resume("t")
        [after] = await read_accounts(await open_log("t", store, World()), {})
        return info, result, after

    info, result, after = live(whole())
    assert result.status == "answered"
    assert info.name == "turn:t#3"
    assert info.most == Ceiling(200)
    [charge] = info.charges
    assert (charge.in_flight, charge.has_driver, charge.tokens) == (True, True, info.tokens)
    assert len(info.waits_in_line) == 1
    assert info.waits_for_limit == ()
    assert (after.tokens, after.charges, after.waits_in_line) == (20, (), ())


def test_budgets_of_the_user_are_found_by_the_agent_s_settings_and_by_what_was_called():
    store = MemoryStore()
    mine = Budget("mine", tokens_a_day=500, requests_a_minute=9, per="user")
    now = 1_767_225_600.0
    world = World(now=lambda: now)
    model = Held()
    one = Agent(name="one", model=model, store=store, world=world, budgets=[mine])

    async def whole():
        model.go.set()
        await one.run(UserSaid("hi", by="ann"), thread="t")
        log = await open_log("t", store, world)
        return [await read_accounts(log, known) for known in ({}, {"one": one.run_settings})]

    by_log, by_agent = live(whole())
    assert {each.name for each in by_log} == {each.name for each in by_agent}
    day = next(each for each in by_agent if each.name.startswith("day:"))
    assert (day.tokens, day.most) == (10, Ceiling(500))
    assert [each.most for each in by_log] == [None, None]
    minute = next(each for each in by_agent if each.name.startswith("minute:"))
    assert describe_accounts([minute]) == (
        "the budget mine of ann in a minute: 1 of 9 model calls and 10 tokens used or reserved",
    )


def test_the_limits_of_an_agent_s_turn_stand_in_its_log():
    store, model = MemoryStore(), Held()
    one = Agent(name="one", model=model, store=store, limits=Limits(steps=3))

    async def whole():
        model.go.set()
        await one.run("hi", thread="t")
        log = await open_log("t", store, World())
        return find_turn_limits(log, {}), await read_accounts(log, {})

    limits, accounts = live(whole())
    assert limits
    assert limits.steps == 3
    assert accounts == []


def test_sentences_name_five_and_count_the_rest():
    charges = tuple(Charge(f"t{n}", 10, 0.5) for n in range(7))
    names = tuple(f"w{n}" for n in range(7))
    info = AccountInfo("day:2026-01-31:team", 70, 3.5, 0, Ceiling(usd=20), charges, (), names)
    first, *lines = describe_accounts([info])
    assert first == "the budget team for 2026-01-31: 70 tokens and $3.50 of $20.00 used or reserved"
    assert len(lines) == 7
    assert (
        "10 tokens and $0.5 are of a model call of thread t0 that never got its reply" in lines[0]
    )
    assert lines[5] == "  and 2 more calls at their worst case"
    assert lines[6].endswith("thread w4 and 2 more")
    assert "until it begins anew, or its limit is raised in the code" in lines[6]
