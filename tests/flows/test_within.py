"""Time limits of steps are in the log: they hold across restarts, and plain timers are refused."""

import asyncio

import pytest

from fakes import found, live, world
from treadle import (
    Agent,
    FlowStuck,
    MemoryStore,
    ScriptedModel,
    StepFailed,
    StepTimedOut,
    TurnFailed,
    UsageError,
    approve,
    ask,
    flow,
    sleep,
    step,
    tool,
    wait_for,
)
from treadle.core import events as e
from treadle.core.errors import IllegalEvent
from treadle.engines import LocalEngine
from treadle.models.scripted import calls, says
from treadle.observe.explain import explain
from treadle.runtime.local_time import format_time
from treadle.runtime.log import open_log


class Clock:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def made(function, clock=None, **settings):
    given = world(clock) if clock else world()
    return flow(**{"store": MemoryStore(), "world": given, **settings})(function)


async def answered() -> str:
    return await ask("which?", within=60)


async def allowed() -> str:
    return "yes" if await approve("it", within=60) else "no"


async def posted() -> str:
    return await wait_for("payment", within=60)


@pytest.mark.parametrize("waits", [answered, allowed, posted])
def test_a_time_that_is_up_is_found_by_whoever_resumes_the_flow(waits):
    async def order() -> str:
        try:
            return await waits()
        except TimeoutError as error:
            return f"{type(error).__name__}: {error.step}"

    clock = Clock()
    one = made(order, clock)
    [held] = live(one.options(thread="t").run()).waiting
    assert held.until == 1060.0
    clock.now = 1059.0
    assert live(one.resume("t")).status == "waiting"
    clock.now = 1060.0
    result = live(one.resume("t"))
    assert result.output == f"StepTimedOut: {held.id}"
    assert [event.kind for event in found(result, e.ToolFailed)] == ["timeout"]
    clock.now = 5.0
    assert live(one.resume("t")).output == result.output
    assert live(one.replay("t")) is None


def test_an_answer_in_time_counts_also_where_nobody_resumes_until_later():
    clock = Clock()
    one = made(answered, clock)
    [held] = live(one.options(thread="t").run()).waiting
    live(one.post("t", e.UserSaid("this", answers=held.id)))
    clock.now = 2000.0
    assert live(one.resume("t")).output == "this"


def test_an_approval_in_time_counts_also_where_nobody_resumes_until_later():
    clock = Clock()
    one = made(allowed, clock)
    [held] = live(one.options(thread="t").run()).waiting
    live(one.post("t", e.ApprovalGiven(held.id, True, "ann")))
    clock.now = 2000.0
    assert live(one.resume("t")).output == "yes"


def test_a_flow_that_waits_for_a_step_with_a_time_stands_still():
    """Whatever is written meanwhile: the loop is asked once, not again and again until that time."""
    looks: list[int] = []

    def now() -> float:
        looks.append(1)
        assert len(looks) < 500, "the flow looks at its clock all the time"
        return 1000.0

    @tool(idempotent=True)
    async def look() -> str:
        await asyncio.sleep(10)
        return "seen"

    helper = Agent(model=ScriptedModel([calls("look"), says("done")]), tools=[look])

    async def order() -> str:
        return (await helper.run("go", within=60)).answer

    one = made(order, now)

    async def whole() -> str:
        running = asyncio.create_task(one.options(thread="t").run())
        await asyncio.sleep(5)
        await one.post("t", e.LimitRaised("ann", tokens=5))
        return (await running).output

    assert live(whole()) == "done"


def test_a_time_is_up_while_other_steps_run():
    async def order() -> list[str]:
        async def asks() -> str:
            try:
                return await ask("which?", within=5)
            except StepTimedOut:
                return "nobody"

        async def long() -> str:
            await asyncio.sleep(20)
            return "done"

        return list(await asyncio.gather(asks(), step(long)))

    result = live(made(order).options(thread="t").run())
    assert result.output == ["nobody", "done"]
    at = next(each.at for each in result.records if isinstance(each.event, e.ToolFailed))
    assert at - result.records[0].at == 5


class Slow(ScriptedModel):
    async def reply(self, request, emit):
        await asyncio.sleep(100)
        return await super().reply(request, emit)


def test_an_agent_that_takes_too_long_is_stopped_and_what_it_used_is_counted():
    slow = Agent(name="slow", model=Slow([says("late")]))

    async def order() -> str:
        try:
            return (await slow.run("go", within=10)).answer
        except StepTimedOut as error:
            return str(error)

    one = made(order)
    result = live(one.options(thread="t").run())
    assert result.output == "it wasn't done when its time was up"
    assert result.seconds == 10
    child = live(one.store.read("t.slow"))
    assert b"cancelled" in child[-1].event


def test_an_agent_that_waits_for_a_person_too_long_is_given_up():
    @tool(needs_approval=True)
    def pay(amount: int) -> str:
        """Pay."""
        return "paid"

    till = Agent(name="till", model=ScriptedModel([calls(("pay", {"amount": 5}))]), tools=[pay])

    async def order() -> str:
        try:
            return (await till.run("go", within=10)).answer
        except StepTimedOut:
            return "nobody allowed it"

    clock = Clock()
    one = made(order, clock)
    assert live(one.options(thread="t").run()).status == "waiting"
    clock.now += 10
    assert live(one.resume("t")).output == "nobody allowed it"
    assert b"cancelled" in live(one.store.read("t.till"))[-1].event


def test_a_time_that_is_up_in_an_inner_flow_is_found_from_above():
    async def inner() -> str:
        try:
            return await answered()
        except StepTimedOut:
            return "nobody"

    async def order() -> str:
        return (await made(inner).run()).output

    clock = Clock()
    one = made(order, clock)
    [held] = live(one.options(thread="t").run()).waiting
    assert (held.thread_id, held.until) == ("t.inner", 1060.0)
    clock.now = 1061.0
    assert live(one.resume("t")).output == "nobody"


def test_a_parked_flow_is_due_once_its_time_is_up():
    async def inner() -> str:
        return await answered()

    async def order() -> str:
        return (await made(inner).run()).output

    for waits in (answered, order):
        clock = Clock()
        one = made(waits, clock)
        live(one.options(thread="t").run())
        assert live(one.due()) == []
        clock.now = 1060.0
        assert live(one.due()) == ["t"]
        with pytest.raises(TurnFailed, match="nobody had answered when its time was up"):
            live(one.resume("t"))
        assert live(one.due()) == []


def test_people_are_told_until_when_they_are_waited_for():
    one = made(answered, Clock())
    live(one.options(thread="t").run())
    records = live(open_log("t", one.store, one.world)).records
    [told] = explain(records, one.run_settings).waits_for
    assert told == f"answer ask: which? (until {format_time(1060.0)})"


@pytest.mark.parametrize("within", [float("nan"), -1, "5"])
def test_what_is_no_time_is_refused(within):
    async def order() -> str:
        return await ask("which?", within=within)

    with pytest.raises(Exception, match="within"):
        live(made(order).run())
    with pytest.raises(UsageError, match="within= is for a flow's code"):
        live(Agent(model=ScriptedModel([])).run("go", within=5))


async def with_timeout() -> str:
    async with asyncio.timeout(5):
        return await ask("which?")


async def with_wait() -> str:
    asked = asyncio.ensure_future(ask("which?"))
    await asyncio.wait({asked}, timeout=5)
    return "late"


async def with_sleep() -> str:
    asked = asyncio.ensure_future(ask("which?"))
    late = asyncio.ensure_future(asyncio.sleep(5))
    await asyncio.wait({asked, late}, return_when=asyncio.FIRST_COMPLETED)
    return "late"


async def around_work() -> str:
    async with asyncio.timeout(5):
        return await step.options(id="work")(lambda: "done")


async def with_wait_for() -> str:
    return await asyncio.wait_for(wait_for("payment"), 5)


@pytest.mark.parametrize(
    ("waits", "named"),
    [
        (with_timeout, "asyncio.timeout"),
        (with_wait, "asyncio.wait with a timeout"),
        (with_sleep, "asyncio.sleep"),
        (with_wait_for, "asyncio.wait_for"),
        (around_work, "asyncio.timeout"),
    ],
)
def test_a_plain_timer_round_a_step_is_refused_by_name(waits, named):
    one = made(waits, name="order")
    with pytest.raises(FlowStuck, match=f"{named}.*within="):
        live(one.options(thread="t").run())
    assert not [row for row in live(one.store.read("t")) if b"StepAsked" in row.event]


def test_an_event_that_is_posted_before_the_flow_waits_for_it_is_kept():
    async def order() -> list[str]:
        first = await ask("which?")
        return [first, await wait_for("the parcel"), await step.options(id="last")(lambda: "end")]

    one = made(order)
    [held] = live(one.options(thread="t").run()).waiting
    live(one.post("t", e.UserSaid("it is here", answers="the-parcel", by="ann")))
    with pytest.raises(IllegalEvent):
        live(one.post("t", e.UserSaid("again", answers="the-parcel", by="bob")))
    assert live(one.resume("t")).waiting[0].id == held.id
    live(one.post("t", e.UserSaid("this", answers=held.id)))
    result = live(one.resume("t"))
    assert result.output == ["this", "it is here", "end"]
    assert live(one.replay("t")) is None
    rows = live(one.store.read("t"))
    for end in range(6, len(rows)):
        copy = made(order, name="order")
        live(copy.store.append("t", rows[:end]))
        if live(copy.resume("t")).status == "answered":
            assert live(copy.resume("t")).output == result.output


def test_an_event_that_comes_before_a_submitted_flow_has_begun_is_kept():
    async def order() -> str:
        return await wait_for("the parcel")

    one = made(order)
    live(one.options(thread="t", engine=LocalEngine()).submit())
    live(one.post("t", e.UserSaid("it is here", answers="the-parcel", by="ann")))
    with pytest.raises(IllegalEvent):
        live(one.post("t", e.UserSaid("again", answers="the-parcel", by="bob")))
    assert live(one.resume("t")).output == "it is here"
    assert live(one.replay("t")) is None


def test_an_event_answers_no_other_step_and_none_twice():
    async def order() -> str:
        first = await step.options(id="charge")(lambda: "mine")
        return first + await ask("which?")

    one = made(order)
    live(one.options(thread="t").run())
    live(one.post("t", e.UserSaid("forged", answers="later")))
    live(one.post("t", e.UserSaid("this", answers="ask")))
    with pytest.raises(IllegalEvent):
        live(one.post("t", e.UserSaid("that", answers="ask")))
    assert live(one.resume("t")).output == "minethis"


def test_a_step_that_is_no_wait_for_runs_whatever_was_posted():
    async def order() -> str:
        await sleep(1)
        return await step.options(id="charge")(lambda: "mine") + await ask("charge?", id="asked")

    async def whole():
        one = made(order)
        running = asyncio.create_task(one.options(thread="t").run())
        await asyncio.sleep(0.5)
        await one.post("t", e.UserSaid("forged", answers="charge"))
        await one.post("t", e.UserSaid("forged", answers="asked"))
        waits = await running
        [held] = waits.waiting
        await one.post("t", e.UserSaid(" true", answers=held.id))
        return (await one.resume("t")).output

    assert live(whole()) == "mine true"
    assert issubclass(StepTimedOut, StepFailed)
