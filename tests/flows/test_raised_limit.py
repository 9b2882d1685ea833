"""A flow that has ended at a limit of its own goes on once a person has raised that."""

import asyncio
from typing import Any

import pytest

from fakes import live, world
from treadle import (
    Agent,
    ApprovalGiven,
    Limits,
    MemoryStore,
    Pending,
    ScriptedModel,
    ToolError,
    TurnFailed,
    UserSaid,
    approve,
    ask,
    flow,
    sleep,
    step,
    tool,
)
from treadle.core import events as e
from treadle.models.scripted import calls, says
from treadle.observe.explain import explain


class Work:
    def __init__(self):
        self.done = []

    async def do(self, what: str) -> str:
        self.done.append(what)
        return what


def made(function, steps=2):
    limits = Limits(steps=None, tool_calls=steps, tokens=None, seconds=None)
    return flow(store=MemoryStore(), world=world(), limits=limits)(function)


async def raised(one, steps=1):
    await one.raise_limit("t", "ann", tool_calls=steps)
    return await one.resume("t")


def test_the_steps_that_the_limit_kept_from_starting_start_then_and_none_twice():
    work = Work()

    async def order() -> list[str]:
        first = asyncio.ensure_future(step(work.do, "a"))
        rest = [await step(work.do, what) for what in "bcd"]
        return [await first, *rest]

    one = made(order)
    assert live(one.options(thread="t").run()).status == "limit"
    assert live(raised(one)).status == "limit"
    assert live(raised(one)).output == [*"abcd"]
    assert sorted(work.done) == [*"abcd"]
    assert live(one.replay("t")) is None


def test_what_people_are_asked_beside_it_they_are_asked_still():
    work = Work()

    async def order() -> list[str]:
        allowed, name = approve("it", id="may"), ask("who?", id="who")
        side = [asyncio.ensure_future(each) for each in (allowed, name)]
        done = [await step(work.do, what) for what in "abc"]
        return [*done, str(bool(await side[0])), await side[1]]

    one = made(order)
    assert live(one.options(thread="t").run()).status == "limit"
    held = live(raised(one, 2)).waiting
    assert [each.id for each in held] == ["may", "who"]
    live(one.post("t", ApprovalGiven("may", True, by="eve")))
    live(one.post("t", UserSaid("bob", answers="who")))
    assert live(one.resume("t")).output == ["a", "b", "c", "True", "bob"]


def test_work_elsewhere_that_had_begun_before_it_is_not_begun_again():
    begun = []

    @tool
    def build(what: str) -> str:
        begun.append(what)
        raise Pending({"job": what})

    work = Work()

    async def order() -> list[str]:
        job = asyncio.ensure_future(step(build, "main"))
        done = [await step(work.do, what) for what in "ab"]
        return [*done, await job]

    one = made(order)
    assert live(one.options(thread="t").run()).status == "limit"
    [held] = live(raised(one)).waiting
    assert (held.status, begun) == ("pending", ["main"])
    live(one.settle({"job": "main"}, "built"))
    assert live(one.resume("t")).output == ["a", "b", "built"]


def test_an_agent_that_the_limit_had_stopped_goes_on_where_it_was():
    @tool(needs_approval=True)
    def send(what: str) -> str:
        return f"sent {what}"

    work = Work()
    script = [calls(("send", {"what": "a"})), says("done")]
    helper = Agent(name="helper", tools=[send], model=ScriptedModel(script))

    async def order() -> list[str]:
        said = asyncio.ensure_future(helper.run("go"))
        done = [await step(work.do, what) for what in "ab"]
        return [*done, (await said).answer]

    one = made(order)
    assert live(one.options(thread="t").run()).status == "limit"
    assert "run the flow's code" in live(explain_raised(one))
    [held] = live(one.resume("t")).waiting
    live(one.post(held.thread_id, e.ApprovalGiven(held.id, True, "ann")))
    assert live(one.resume("t")).output == ["a", "b", "done"]
    assert live(one.replay("t")) is None


def test_a_failure_that_the_code_has_not_dealt_with_is_not_taken_back():
    async def refuse() -> None:
        raise ToolError("no")

    work = Work()

    async def order() -> str:
        first = asyncio.ensure_future(step(refuse))
        await step(work.do, "a")
        await step(work.do, "b")
        return str(await asyncio.gather(first, return_exceptions=True))

    one = made(order)
    assert live(one.options(thread="t").run()).status == "limit"
    result = live(raised(one))
    assert "no" in result.output
    started = [r.event.call_id for r in result.records if isinstance(r.event, e.ToolStarted)]
    assert sorted(started) == ["do", "do-2", "refuse"]


async def explain_raised(one):
    await one.raise_limit("t", "ann", tool_calls=2)
    log = await one._known("t")
    return explain(log.records, one.run_settings).next


def test_an_inner_flow_whose_own_limit_was_raised_goes_on_with_the_flow_above_alone():
    work = Work()

    async def below() -> list[str]:
        return [await step(work.do, what) for what in "ab"]

    inner = made(below, steps=1)

    @flow(store=inner.store, world=world())
    async def one() -> list[str]:
        return (await inner.run()).output

    with pytest.raises(TurnFailed):
        live(one.options(thread="t").run())
    live(inner.raise_limit("t.below", "ann", tool_calls=5))
    assert live(inner.resume("t.below")).status == "limit"
    assert live(one.resume("t", retry_failed=True)).output == ["a", "b"]
    assert work.done == ["a", "b"]


async def slow_step() -> str:
    await asyncio.sleep(50)
    return "done"


async def slow_flow() -> str:
    return await step.options(idempotent=True)(slow_step)


def run_step() -> Any:
    return step.options(idempotent=True)(slow_step)


async def run_flow() -> str:
    return (await flow(store=MemoryStore(), world=world())(slow_flow).run()).output


@pytest.mark.parametrize("wait", [lambda: sleep(60), run_step, run_flow])
def test_what_the_turns_own_time_has_cut_off_goes_on_once_that_is_raised(wait):
    work = Work()

    @flow(store=MemoryStore(), world=world(), limits=Limits(seconds=10.0))
    async def one() -> str:
        first = await step(work.do, "a")
        return f"{first}, {await wait() or 'slept'}"

    result = live(one.options(thread="t").run())
    assert (result.status, result.reason) == ("limit", "seconds")
    live(one.raise_limit("t", "ann", seconds=1000))
    assert live(one.resume("t")).output in ("a, done", "a, slept")
    assert work.done == ["a"]
    assert live(one.replay("t")) is None


def test_a_step_whose_own_time_is_up_has_failed_as_ever():
    async def broken() -> None:
        await asyncio.sleep(10.0)
        raise ValueError("no")

    @flow(store=MemoryStore(), world=world(), limits=Limits(seconds=5.0))
    async def one() -> None:
        await step.options(timeout_s=1.0, idempotent=True)(broken)

    with pytest.raises(TurnFailed, match="took longer than 1 s"):
        live(one.options(thread="t").run())
