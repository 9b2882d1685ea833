"""Flows: recorded steps don't run again, and changed code is noticed."""

import asyncio
import gc
from dataclasses import dataclass
from datetime import UTC, datetime

import pytest

from fakes import Died, DyingStore, found, live, names, world
from treadle import (
    Agent,
    Context,
    Fenced,
    Flow,
    FlowChanged,
    Limits,
    MemoryStore,
    ScriptedModel,
    StepFailed,
    ToolRetry,
    TurnFailed,
    TurnOpen,
    UnknownThread,
    UsageError,
    approve,
    ask,
    flow,
    sleep,
    step,
    tool,
    until,
    wait_for,
)
from treadle.core import events as e
from treadle.core.errors import IllegalEvent
from treadle.models.scripted import calls, says
from treadle.runtime.log import open_log
from treadle.runtime.world import World


class Book:
    """Functions with effects, and the effects they had."""

    def __init__(self):
        self.done = []

    async def pay(self, who: str, euros: int = 1) -> str:
        self.done.append(f"{who} {euros}")
        return f"paid {who}"

    def look(self, what: str) -> str:
        self.done.append(what)
        return f"seen {what}"

    async def slow(self, seconds: float) -> float:
        await asyncio.sleep(seconds)
        self.done.append(seconds)
        return seconds


@pytest.fixture
def book():
    return Book()


def made(function, **settings) -> Flow:
    return flow(**{"store": MemoryStore(), "world": world(), **settings})(function)


def again(one: Flow, function) -> Flow:
    """Other code for the same threads."""
    return made(function, name=one.name, store=one.store)


def ids(result):
    return [event.call.id for event in found(result, e.StepAsked)]


async def whole(one: Flow, thread="t"):
    return (await open_log(thread, one.store, World())).records


def test_a_flow_gives_what_it_returns_and_its_thread_holds_every_step(book):
    async def order(who: str, times: int = 2) -> list[str]:
        return [await step(book.pay, who, euros=number) for number in range(times)]

    one = made(order)
    result = live(one.options(thread="t").run("ann"))
    assert (result.status, result.output, result.answer) == (
        "answered",
        ["paid ann"] * 2,
        '["paid ann","paid ann"]',
    )
    assert ids(result) == ["pay", "pay-2"]
    assert [event.call.arguments for event in found(result, e.StepAsked)][
        1
    ] == '{"who":"ann","euros":1}'
    said = live(whole(one))[2].event
    assert said.text == '{"who":"ann"}'
    assert live(one.resume("t")).output == result.output
    assert book.done == ["ann 0", "ann 1"]


def test_sync_and_async_functions_tools_and_partials_are_steps(book):
    @tool(idempotent=True)
    def stock(item: str, context: Context) -> dict[str, str]:
        return {"item": item, "call": context.call_id}

    async def mixed() -> list:
        return [
            await step(book.look, "a"),
            await step(stock, "lamp"),
            await step.options(id="three")(lambda: 3),
        ]

    assert live(made(mixed).run()).output == ["seen a", {"item": "lamp", "call": "stock"}, 3]


@dataclass(frozen=True)
class Invoice:
    number: int
    due: datetime


def test_values_come_back_as_the_types_that_functions_say_they_give_the_first_time_and_each_time():
    seen = []

    def fetch(number: int) -> Invoice:
        return Invoice(number, datetime(2026, 1, 2, tzinfo=UTC))

    def pair() -> tuple[int, str]:
        return (1, "a")

    def plain():
        return (1, {"a": (2,)})

    async def typed(number: int) -> Invoice:
        seen.append((await step(fetch, number), await step(pair), await step(plain)))
        await ask("go on?")
        return seen[-1][0]

    one = made(typed)
    result = live(one.options(thread="t").run(7))
    live(one.post("t", e.UserSaid("yes", answers=result.waiting[0].id)))
    assert live(one.resume("t")).output == Invoice(7, datetime(2026, 1, 2, tzinfo=UTC))
    assert seen == [(Invoice(7, datetime(2026, 1, 2, tzinfo=UTC)), (1, "a"), (1, {"a": (2,)}))] * 2


def test_a_result_that_cannot_be_kept_fails_the_step_and_arguments_that_cannot_are_the_caller_s(
    book,
):
    async def bad() -> str:
        try:
            await step.options(id="thing")(lambda: object())
        except StepFailed as error:
            return str(error)

    assert "a object has no JSON form" in live(made(bad).run()).output

    async def long() -> str:
        try:
            await step.options(id="long")(lambda: "x" * 2_000_000)
        except StepFailed as error:
            return str(error)

    assert "it has 2,000,002 characters" in live(made(long).run()).output

    def wrong() -> int:
        return "three"

    async def lies() -> str:
        try:
            return await step(wrong) or ""
        except StepFailed as error:
            return error.step

    assert live(made(lies).run()).output == "three"  # a plain type is as JSON has it

    async def closed():
        await step(book.pay, object())

    with pytest.raises(TurnFailed, match="its arguments are kept in the log"):
        live(made(closed).run())


def test_a_step_that_fails_raises_the_same_each_time_and_a_retry_is_its_own(book):
    tries, heard = [], []

    async def weak():
        tries.append(1)
        if len(tries) < 3:
            raise ConnectionError("refused")
        return "ok"

    async def busy():
        tries.append("busy")
        if tries.count("busy") == 1:
            raise ToolRetry("wait", retry_after_s=9)
        raise ValueError("no such account")

    async def tries_both():
        got = await step.options(idempotent=True, retries=2)(weak)
        try:
            await step(busy)
        except StepFailed as error:
            heard.append((str(error), error.step, error.kind))
        return [got, await ask("and?")]

    one = made(tries_both)
    result = live(one.options(thread="t").run())
    assert result.seconds == pytest.approx(0.5 + 1 + 9)
    live(one.post("t", e.UserSaid("so", answers=result.waiting[0].id)))
    assert live(one.resume("t")).output == ["ok", "so"]
    assert heard == [("ValueError: no such account", "busy", "raised")] * 2
    assert tries == [1, 1, 1, "busy", "busy"]


def test_a_flow_that_raises_fails_with_the_reason_and_the_error_is_its_cause():
    async def broken():
        await step.options(id="one")(lambda: 1)
        raise KeyError("lamp")

    one = made(broken)
    with pytest.raises(TurnFailed, match="KeyError: 'lamp'") as caught:
        live(one.options(thread="t").run())
    assert isinstance(caught.value.__cause__, KeyError)
    result = live(one.resume("t"))
    assert (result.status, result.reason) == ("failed", "KeyError: 'lamp'")


def test_ids_in_branches_go_by_how_tasks_are_made_and_not_by_how_they_run(book):
    async def branch(first: float, then: str):
        await step(book.slow, first)
        return await step(book.look, then)

    async def wide():
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(branch(3 - number, f"b{number}")) for number in range(3)]
        return [await each for each in tasks] + await asyncio.gather(
            step(book.look, "x"), step(book.look, "y")
        )

    result = live(made(wide).run())
    assert result.output == ["seen b0", "seen b1", "seen b2", "seen x", "seen y"]
    calls_of = {event.call.id: event.call.arguments for event in found(result, e.StepAsked)}
    assert calls_of["1.look"] == '{"what":"b0"}'
    assert calls_of["3.look"] == '{"what":"b2"}'
    assert calls_of["look-2"] == '{"what":"y"}'
    assert book.done[:3] == [1, "b2", 2]


def test_where_another_task_factory_stands_a_branch_s_steps_need_ids(book):
    async def wide():
        loop = asyncio.get_running_loop()
        loop.set_task_factory(lambda loop, code, **more: asyncio.Task(code, loop=loop, **more))

        async def inner(**options):
            return await step.options(**options)(book.look, "x")

        told = await asyncio.create_task(inner(id="mine"))
        try:
            await asyncio.create_task(inner())
        except UsageError as error:
            return [told, str(error)]

    told, why = live(made(wide).run()).output
    assert told == "seen x"
    assert "give each an id=" in why


def test_results_come_again_in_the_order_in_which_they_came(book):
    """Which branch was first is not in the code: it is in the log."""

    async def race():
        tasks = [asyncio.create_task(step(book.slow, seconds)) for seconds in (3, 1, 2)]
        order = []
        for each in asyncio.as_completed(tasks):
            order.append(await each)
            await step(book.look, f"{order}")
        await ask("go on?")
        return order

    one = made(race)
    result = live(one.options(thread="t").run())
    live(one.post("t", e.UserSaid("yes", answers=result.waiting[0].id)))
    assert live(one.resume("t")).output == [1, 2, 3]


async def cut(one: Flow, thread: str, at: int) -> None:
    """A thread as a crash left it after that record of `t`."""
    await one.store.append(thread, (await one.store.read("t"))[:at])


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"euros": 2}, "step pay was pay .*euros.:1.*, is now pay .*euros.:2"),
        ({"before": True}, "next came step pay, pay .*; the code asks for look, look .*, instead"),
        ({"leave": True}, "next came step pay, pay .*; the code doesn't ask for it any more"),
    ],
)
def test_code_that_has_changed_under_its_log_stops_at_the_first_difference_and_writes_nothing(
    book, change, said
):
    async def order(euros=1, before=False, leave=False):
        if before:
            await step(book.look, "new")
        if leave:
            return "nothing"
        await step(book.pay, "ann", euros)
        return await ask("and?")

    one = made(order)
    live(one.options(thread="t").run())
    changed = again(one, lambda: order(**change))
    before = len(live(whole(one)))
    with pytest.raises(FlowChanged, match=said):
        live(changed.resume("t"))
    assert len(live(whole(one))) == before
    live(one.post("t", e.UserSaid("x", answers="ask")))
    assert live(one.resume("t")).output == "x"
    assert book.done == ["ann 1"]


def test_a_step_asked_for_twice_under_one_id_is_told_and_the_code_cannot_catch_it(book):
    async def twice():
        await step.options(id="same")(book.look, "a")
        try:
            await step.options(id="same")(book.look, "b")
        except Exception:
            return "caught"

    one = made(twice)
    with pytest.raises(FlowChanged, match="asks twice for a step same"):
        live(one.options(thread="t").run())
    assert live(whole(one))[-1].event != e.TurnEnded("answered")


def test_a_flow_waits_for_people_only_when_nothing_else_runs_and_needs_no_process_then(book):
    async def both():
        said = asyncio.create_task(approve("the refund", euros=5))
        await step(book.slow, 30)
        return [bool(await said), (await said).by, await wait_for("the parcel")]

    one = made(both)
    result = live(one.options(thread="t").run())
    [held] = result.waiting
    assert (held.id, held.name, held.final_arguments) == (
        "approve",
        "approve",
        '{"what":"the refund","euros":5}',
    )
    assert held.reason == "this needs approval"
    assert book.done == [30]
    assert live(one.resume("t")).waiting == result.waiting, "resumed too early it waits again"
    live(one.post("t", e.ApprovalGiven("approve", False, "ann", "too much")))
    [held] = live(one.resume("t")).waiting
    assert (held.id, held.status, held.reason) == ("the-parcel", "question", "the parcel")
    live(one.post("t", e.UserSaid("arrived", answers="the-parcel")))
    assert live(one.resume("t")).output == [False, "ann", "arrived"]
    assert book.done == [30]


def test_a_decision_that_is_posted_while_it_runs_goes_on_at_once(book):
    async def both():
        said = asyncio.create_task(approve("it"))
        await step(book.slow, 3)
        return (await said).reason

    one = made(both)

    async def meddled():
        running = asyncio.create_task(one.options(thread="t").run())
        await asyncio.sleep(1)
        await one.post("t", e.ApprovalGiven("approve", True, "ann", "fine"))
        return await running

    assert live(meddled()).output == "fine"


def test_code_that_is_taken_down_to_wait_asks_for_nothing_on_its_way_out(book):
    async def tidy():
        try:
            await ask("?")
        finally:
            await step(book.look, "tidied")

    one = made(tidy)
    result = live(one.options(thread="t").run())
    assert (result.status, book.done) == ("waiting", [])
    live(one.post("t", e.UserSaid("x", answers="ask")))
    assert live(one.resume("t")).status == "answered"
    assert book.done == ["tidied"]


def test_a_timer_is_due_from_when_it_was_first_asked_for():
    async def waits():
        await sleep(100)
        await until(datetime.fromtimestamp(5000, UTC))
        return "rung"

    clock = [1000.0]
    slept = []

    async def pause(seconds):
        slept.append(seconds)
        clock[0] += seconds

    at = World(now=lambda: clock[0], sleep=pause)
    one = made(waits, world=at)
    live(one.options(thread="t").run())
    assert slept == [100, 3900]
    live(cut(one, "u", 5))  # as if it had been killed while it slept
    clock[0], slept[:] = 1030.0, []
    assert live(one.resume("u")).output == "rung"
    assert slept == [70, 3900]
    live(cut(one, "v", 5))
    clock[0], slept[:] = 400.0, []  # somebody has set the clock back
    live(one.resume("v"))
    assert slept[0] == 100


def test_a_sleep_is_never_longer_than_asked_for_also_where_the_clock_was_set_back():
    async def waits():
        await sleep(100)

    clock, slept = [10_000.0], []

    async def pause(seconds):
        slept.append(seconds)

    one = made(waits, world=World(now=lambda: clock[0], sleep=pause))
    live(one.options(thread="t").run())
    live(cut(one, "u", 5))
    clock[0], slept[:] = 10_000.0 - 3600, []
    assert live(one.resume("u")).status == "answered"
    assert slept == [100]


@pytest.mark.slow
def test_a_timer_beside_an_approval_is_an_escalation(book):
    async def escalate():
        said, late = asyncio.ensure_future(approve("it")), asyncio.ensure_future(sleep(3600))
        await asyncio.wait({said, late}, return_when=asyncio.FIRST_COMPLETED)
        if not said.done():
            said.cancel()
            return await step(book.look, "the boss")
        late.cancel()
        return "approved"

    one = made(escalate)
    result = live(one.options(thread="t").run())
    assert result.output == "seen the boss"
    given_up = [event for event in found(result, e.ToolFailed) if event.call_id == "approve"]
    assert [event.kind for event in given_up] == ["cancelled"]
    with pytest.raises(IllegalEvent):
        live(one.post("t", e.ApprovalGiven("approve", True, "ann")))


def test_what_is_given_up_is_stopped_and_a_resumed_flow_gives_it_up_again(book):
    async def first():
        tasks = [asyncio.create_task(step(book.slow, seconds)) for seconds in (1, 50)]
        done, left = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for each in left:
            each.cancel()
        return [next(iter(done)).result(), await ask("go on?")]

    one = made(first)
    result = live(one.options(thread="t").run())
    assert book.done == [1]
    assert [event.kind for event in found(result, e.ToolFailed)] == ["cancelled"]
    live(one.post("t", e.UserSaid("yes", answers="ask")))
    assert live(one.resume("t")).output == [1, "yes"]


def test_a_task_that_the_code_leaves_behind_ends_with_it(book):
    async def leaves():
        asyncio.create_task(step(book.slow, 50))  # noqa: RUF006 - left on purpose
        await step(book.slow, 1)
        return "done"

    result = live(made(leaves).run())
    assert (result.output, book.done) == ("done", [1])


def test_an_agent_runs_as_a_step_in_a_thread_below_and_gives_its_result():
    model = ScriptedModel(
        [lambda request: says(f"a {request.messages[-1].text}")] * 3, price_usd=(0.01, 0.01)
    )
    writer = Agent("Write.", name="writer", model=model)

    async def team() -> list[str]:
        first, second = await asyncio.gather(writer.run("lamp"), writer.run("desk"))
        third = await step.options(id="last")(writer, "chair")
        assert first.usage.total_tokens > 0
        return [first.answer, second.answer, third.answer, await ask("ok?")]

    one = made(team, limits=Limits(tokens=20_000, steps=None, tool_calls=None, seconds=None))
    result = live(one.options(thread="t").run())
    assert result.status == "waiting"
    assert sorted(child.thread_id for child in found(result, e.ChildStarted)) == [
        "t.1.writer",
        "t.2.writer",
        "t.last",
    ]
    assert {child.account for child in found(result, e.ChildStarted)} == {"turn:t#3"}
    assert result.summary().cost_usd > 0
    live(one.post("t", e.UserSaid("yes", answers="ask")))
    assert live(one.resume("t")).output == ["a lamp", "a desk", "a chair", "yes"]
    assert len(model.seen) == 3


def test_a_person_is_asked_above_for_what_an_agent_below_needs():
    @tool(needs_approval=True)
    def pay(amount: int) -> str:
        return f"paid {amount}"

    payer = Agent(
        name="payer",
        model=ScriptedModel([calls(("pay", {"amount": 7})), says("it is paid")]),
        tools=[pay],
    )

    async def order() -> str:
        return (await payer.run("pay")).answer

    one = made(order)
    [held] = live(one.options(thread="t").run()).waiting
    assert (held.thread_id, held.name) == ("t.payer", "pay")
    live(one.post(held.thread_id, e.ApprovalGiven(held.id, True, "ann")))
    assert live(one.resume("t")).output == "it is paid"


def test_an_agent_that_fails_raises_in_the_flow_as_anywhere():
    bad = Agent(name="bad", model=ScriptedModel([says(" ")] * 6))

    async def order() -> str:
        try:
            await bad.run("go")
        except TurnFailed as error:
            return str(error)

    assert "3 replies in a row were of no use" in live(made(order).run()).output


def test_a_flow_within_a_flow_and_a_flow_as_an_agent_s_tool(book):
    async def inner(who: str) -> str:
        """Pay somebody."""
        return await step(book.pay, who)

    below = made(inner)

    async def outer() -> list[str]:
        return [(await below.run("ann")).output, await below("bob")]

    one = made(outer)
    result = live(one.options(thread="t").run())
    assert result.output == ["paid ann", "paid bob"]
    assert ids(result) == ["inner", "pay"]
    model = ScriptedModel([calls(("inner", {"who": "eve"})), says("done")])
    top = Agent(tools=[below.as_tool()], model=model, store=MemoryStore(), world=world())
    [returned] = found(live(top.run("go")), e.ToolReturned)
    assert '"paid eve"' in returned.content
    assert book.done == ["ann 1", "bob 1", "eve 1"]


def test_cancelling_a_flow_ends_it_and_what_runs_below(book):
    class Hangs(ScriptedModel):
        async def reply(self, request, emit):
            await asyncio.sleep(1e6)

    helper = Agent(name="helper", model=Hangs([]))

    async def order():
        await asyncio.gather(helper.run("go"), step(book.slow, 1e6))

    one = made(order)

    async def cancelled():
        running = asyncio.create_task(one.options(thread="t").run())
        await asyncio.sleep(1)
        running.cancel()
        await asyncio.wait([running])

    live(cancelled())
    assert live(one.resume("t")).status == "cancelled"
    assert names(live(whole(one, "t.1.helper")))[-1] == "TurnEnded"
    assert book.done == []


def test_ending_it_from_elsewhere_is_its_result(book):
    async def order():
        await step(book.slow, 1e6)

    one = made(order)

    async def ended():
        running = asyncio.create_task(one.options(thread="t").run())
        await asyncio.sleep(1)
        await one.post("t", e.TurnEnded("cancelled", "by ann"))
        return await running

    result = live(ended())
    assert (result.status, result.reason) == ("cancelled", "by ann")


def test_a_second_process_takes_a_flow_over_and_the_first_stops(book):
    async def order():
        await step.options(idempotent=True)(book.slow, 10)
        return "done"

    one, store = made(order, world=World()), MemoryStore()
    one = made(order, store=store, world=World())

    async def two():
        first = asyncio.create_task(one.options(thread="t").run())
        await asyncio.sleep(1)
        second = await one.resume("t", take=True)
        with pytest.raises(Fenced):
            await first
        return second

    assert live(two()).output == "done"
    assert book.done == [10]


@pytest.mark.slow
def test_a_flow_that_is_fenced_off_leaves_no_exception_that_nobody_reads(book):
    warned = []

    async def fails():
        raise ValueError("while its flow waits for another step")

    async def order():
        failed = asyncio.create_task(fails())
        await step.options(idempotent=True)(book.slow, 10)
        await failed

    one = made(order, store=MemoryStore(), world=World())

    async def two():  # its loop tells the handler also when it is closed
        asyncio.get_running_loop().set_exception_handler(lambda _, told: warned.append(told))
        first = asyncio.create_task(one.options(thread="t").run())
        await asyncio.sleep(1)
        log = await open_log("t", one.store, World())
        await log.append(e.ThreadClaimed("another"))
        with pytest.raises(Fenced):
            await first
        del first

    live(two())
    gc.collect()
    assert warned == []


@pytest.mark.parametrize("length", [float("nan"), float("inf"), -float("inf"), "5", None, True])
@pytest.mark.parametrize("wait", [sleep, until])
def test_a_wait_of_no_length_is_refused_in_words(wait, length):
    async def order():
        await wait(length)

    one = made(order, store=MemoryStore())
    with pytest.raises(TurnFailed, match="it must be a finite number"):
        live(one.options(thread="t").run())


def test_a_negative_sleep_is_refused_in_words():
    async def order():
        await sleep(-1)

    with pytest.raises(TurnFailed, match="a finite number, 0 or more"):
        live(made(order, store=MemoryStore()).options(thread="t").run())


def test_limits_hold_for_the_whole_flow(book):
    async def endless():
        while True:
            await step(book.look, "again")

    one = made(endless, limits=Limits(tool_calls=5, seconds=None))
    result = live(one.run())
    assert (result.status, result.reason, len(book.done)) == ("limit", "tool_calls", 5)

    without_end = step.options(timeout_s=None, idempotent=True)

    async def slow():
        await asyncio.gather(step(book.slow, 3), without_end(book.slow, 100))

    result = live(made(slow, limits=Limits(seconds=5)).run())
    assert (result.status, result.reason) == ("limit", "seconds")


def test_a_step_that_needs_approval_is_asked_for_and_refusing_it_is_a_failure(book):
    async def order() -> str:
        try:
            return await step.options(needs_approval=True)(book.pay, "ann", 500)
        except StepFailed as error:
            return f"{error.kind}: {error}"

    one = made(order)
    for thread, allowed, output in (
        ("t", True, "paid ann"),
        ("u", False, "denied: a person refused this call: no"),
    ):
        [held] = live(one.options(thread=thread).run()).waiting
        with pytest.raises(UsageError, match="is a JSON object with who, euros"):
            live(one.post(thread, e.ApprovalGiven(held.id, True, "ann", arguments="{}")))
        live(one.post(thread, e.ApprovalGiven(held.id, allowed, "ann", "no")))
        assert live(one.resume(thread)).output == output
    assert book.done == ["ann 500"]


@pytest.mark.parametrize(
    ("decided", "output"),
    [
        (e.OutcomeDecided("pay", "ran", "ann", '"it was paid"'), "it was paid"),
        (e.OutcomeDecided("pay", "ran", "ann", "it was paid"), "it was paid"),
        (e.OutcomeDecided("pay", "not_run", "ann"), "paid ann"),
        (e.OutcomeDecided("pay", "tell", "ann"), "unknown"),
    ],
)
def test_a_step_that_a_crash_interrupted_waits_for_somebody_to_decide(book, decided, output):
    async def order():
        try:
            return await step(book.pay, "ann")
        except StepFailed as error:
            return error.kind

    one = made(order)
    live(one.options(thread="t").run())
    live(cut(one, "u", 5))
    [held] = live(one.resume("u")).waiting
    assert (held.id, held.status) == ("pay", "unknown")
    live(one.post("u", decided))
    assert live(one.resume("u")).output == output


def test_a_flow_runs_once_in_a_thread_and_only_its_own(book):
    async def order():
        return 1

    one = made(order)
    live(one.options(thread="t").run())
    with pytest.raises(TurnOpen, match="runs once in a thread"):
        live(one.options(thread="t").run())
    with pytest.raises(UnknownThread):
        live(one.resume("nope"))
    with pytest.raises(UsageError, match="is one of 'order', not of the flow 'other'"):
        live(made(order, name="other", store=one.store).resume("t"))
    with pytest.raises(UsageError, match="too many positional"):
        live(one.run(3))
    with pytest.raises(UsageError, match="no setting"):
        flow(nmae="x")(order)
    with pytest.raises(UsageError, match="in the code of a flow only"):
        step(book.look, "x")


def test_a_store_that_dies_raises_and_the_flow_goes_on_elsewhere(book):
    async def order():
        await step(book.look, "a")
        return await step(book.look, "b")

    inner = MemoryStore()
    one = made(order, store=DyingStore(inner, 4, Died, written=True))
    with pytest.raises(Died):
        live(one.options(thread="t").run())
    assert live(made(order, store=inner, world=World()).resume("t")).status in (
        "answered",
        "waiting",
    )


@pytest.mark.parametrize(
    ("does", "reason"),
    [
        (lambda: object(), "NotSerializable: a object has no JSON form"),
        (lambda: exit(3), "RuntimeError: SystemExit: 3"),
        (
            lambda: ["x"],
            "it isn't what the function says that it gives, list.int.: 0: Input should be a valid"
            " integer",
        ),
    ],
)
def test_what_a_flow_cannot_give_back_fails_it(does, reason):
    async def odd() -> list[int]:
        return does()

    with pytest.raises(TurnFailed, match=reason):
        live(made(odd).run())


def test_an_id_can_be_typed_and_a_name_that_cannot_is_made_so(book):
    async def order():
        with pytest.raises(UsageError, match="give letters, digits"):
            step.options(id="a b\n")(book.look, "x")
        return await Agent(name="Order desk", model=ScriptedModel([says("x")])).run("go") and "done"

    result = live(made(order).run())
    assert ids(result) == ["Order-desk"]
    assert result.output == "done"


def test_code_of_today_is_tried_on_old_threads_and_no_step_runs(book):
    writer = Agent(name="writer", model=ScriptedModel([says("a lamp")] * 2))

    async def order(euros=1, more=False, value="done", ends=True):
        await asyncio.gather(step(book.pay, "ann", euros), writer.run("go"))
        if more:
            await step(book.look, "more")
        if not ends:
            await ask("and?")
        return value

    one = made(order)
    live(one.options(thread="t").run())
    waits = again(one, lambda: order(ends=False))
    live(waits.options(thread="waits").run())
    before = len(live(whole(one))), list(book.done)
    assert live(one.replay("t")) is None
    assert live(waits.replay("waits")) is None
    assert (
        live(again(one, lambda: order(more=True)).replay("t"))
        .args[0]
        .endswith("ends with nothing: it asks for more steps")
    )
    assert "was pay" in str(live(again(one, lambda: order(euros=2)).replay("t")))
    assert 'answered: "done", and ends with answered: "other"' in str(
        live(again(one, lambda: order(value="other")).replay("t"))
    )
    assert live(again(one, lambda: order(more=True)).replay("waits")) is not None
    for end in range(3, before[0]):
        live(cut(one, f"cut{end}", end))
        assert live(one.replay(f"cut{end}")) is None
    assert (len(live(whole(one))), book.done) == before


def test_a_fork_goes_on_from_a_step_with_other_code_and_the_threads_below_stay(book):
    writer = Agent(name="writer", model=ScriptedModel([says("a lamp")]))

    async def order(last="a"):
        drafted = (await writer.run("go")).answer
        return [drafted, await step(book.pay, "ann"), await step(book.look, last)]

    one = made(order, world=World())
    live(one.options(thread="t").run())
    records = live(whole(one))
    paid = max(
        r.seq for r in records if isinstance(r.event, e.ToolReturned) and r.event.call_id == "pay"
    )
    forked = live(one.fork("t", at=paid))
    assert [call.name for call in forked.ran] == ["writer", "pay"]
    assert live(again(one, lambda: order("b")).resume(forked.thread_id)).output == [
        "a lamp",
        "paid ann",
        "seen b",
    ]
    assert book.done == ["ann 1", "a", "b"]


def test_a_rule_of_approval_reads_the_arguments_of_a_step(book):
    @tool(needs_approval=lambda arguments: arguments["euros"] > 100)
    def refund(euros: int) -> int:
        return euros

    async def order() -> list:
        small = await step(refund, 5)
        paid = await step.options(needs_approval=lambda arguments: arguments["euros"] > 10)(
            book.pay, "ann", euros=20
        )
        return [small, paid, await step(refund, 500)]

    one = made(order)
    for held in ("pay", "refund-2"):
        [call] = live(
            one.resume("t") if book.done or held != "pay" else one.options(thread="t").run()
        ).waiting
        assert call.id == held
        live(one.post("t", e.ApprovalGiven(call.id, True, "ann")))
    assert live(one.resume("t")).output == [5, "paid ann", 500]


def test_a_flow_below_whose_code_has_changed_stops_the_flow_above_and_nothing_ends(book):
    async def inner(what: str) -> str:
        await step(book.look, what)
        return await ask("and?")

    def above(below: Flow):
        async def outer() -> str:
            try:
                return (await below.run("x")).output
            except Exception:
                return "caught"

        return outer

    one = made(above(made(inner)))
    [held] = live(one.options(thread="t").run()).waiting
    changed = made(lambda what: inner(what + "!"), name="inner")
    live(one.post(held.thread_id, e.UserSaid("so", answers=held.id)))
    with pytest.raises(FlowChanged, match="step look was look"):
        live(again(one, above(changed)).resume("t"))
    assert live(one.resume("t")).output == "so"


@pytest.mark.parametrize("amount", [float("nan"), [1.0, float("inf")], {"a": -float("inf")}])
def test_a_number_that_json_has_not_is_refused_before_the_step_runs(amount):
    ran = []

    @flow(store=MemoryStore())
    async def pays(amount) -> None:
        await step.options(needs_approval=lambda arguments: arguments["args"][0] > 100)(
            ran.append, amount
        )

    with pytest.raises(UsageError, match="NaN"):
        live(pays.run(amount))

    @flow(store=MemoryStore())
    async def makes() -> None:
        await step(ran.append, amount)

    with pytest.raises(TurnFailed, match="NaN"):
        live(makes.run())
    assert ran == []


def test_a_generator_is_refused_when_the_flow_is_made():
    async def wrong(n: int):
        yield n

    with pytest.raises(UsageError, match="wrong can't be a flow: it is a generator"):
        flow(wrong)
