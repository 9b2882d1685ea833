"""A failed run goes on: what failed runs again, and what has a result doesn't."""

import asyncio
import threading
from collections import Counter
from dataclasses import dataclass, field
from typing import Annotated, Any

import pytest

from fakes import live, world
from treadle import (
    Agent,
    Context,
    Flow,
    MemoryStore,
    Pending,
    ScriptedModel,
    StepFailed,
    TurnFailed,
    UsageError,
    ask,
    flow,
    step,
    tool,
)
from treadle.core import events as e
from treadle.core.state import fold
from treadle.graphs import END, START, Each, Edge, Graph, Join, Node, append
from treadle.models.scripted import calls, says
from treadle.observe.explain import explain
from treadle.runtime.log import open_log
from treadle.runtime.replay import replay


def test_a_step_of_unknown_outcome_does_not_run_again_but_does_in_a_fork():
    ran = []

    async def pay(amount: int) -> str:
        ran.append(amount)
        return "paid"

    @flow(name="shop", store=MemoryStore(), unknown="tell")
    async def shop() -> str:
        return await step(pay, 3)

    async def main() -> str:
        await shop.options(thread="whole").run()
        whole = (await open_log("whole", shop.store, world())).records
        log = await open_log("t", shop.store, world())
        for record in whole[:5]:  # up to where the step has started
            await log.append(record.event)
        ran.clear()
        for again in (False, True):
            with pytest.raises(TurnFailed, match="nobody knows"):
                await shop.resume("t", retry_failed=again)
        assert ran == []
        forked = await shop.fork("t", at=3)
        return (await shop.resume(forked.thread_id)).output

    assert live(main()) == "paid"
    assert ran == [3]


class Work:
    """Steps that are counted, and that fail while their names are in `broken`."""

    def __init__(self, broken: str = "") -> None:
        self.broken = broken
        self.ran: Counter[str] = Counter()

    async def do(self, name: str, seconds: float = 0.0) -> str:
        self.ran[name] += 1
        await asyncio.sleep(seconds)
        if name in self.broken:
            raise ValueError(f"no {name}")
        return name

    def step(self, name: str, seconds: float = 0.0) -> Any:
        return step.options(id=name, idempotent=True)(self.do, name, seconds)


def made(function, **settings) -> Flow:
    return flow(**{"store": MemoryStore(), "world": world(), **settings})(function)


def retried(one: Flow, work: Work, broken: str = "") -> Any:
    """Fail once, mend, and go on; then look that a replay and every crash agree."""
    with pytest.raises(TurnFailed):
        live(one.options(thread="t").run())
    assert live(one.resume("t")).status == "failed"
    work.broken = broken
    result = live(one.resume("t", retry_failed=True))
    assert live(one.replay("t")) is None
    rows = live(one.store.read("t"))
    counts = Counter(work.ran)
    reopened = next(n for n, row in enumerate(rows) if b'"reopens":true' in row.event)
    for end in range(reopened + 1, len(rows)):
        store = MemoryStore()
        if b"ChildStarted" in rows[end].event:  # it is written together with what is before it
            continue
        for info in live(one.store.threads(100)):
            others = live(one.store.read(info.thread_id))
            live(store.append(info.thread_id, rows[:end] if info.thread_id == "t" else others))
        copy = made(one.function, name=one.name, store=store)
        assert live(copy.resume("t")).output == result.output
    work.ran = counts
    return result


def test_what_failed_runs_again_and_what_succeeded_does_not():
    work = Work("c")

    async def order() -> list[str]:
        return [await work.step(name) for name in "abcd"]

    one = made(order)
    assert retried(one, work).output == list("abcd")
    assert work.ran == {"a": 1, "b": 1, "c": 2, "d": 1}
    assert live(one.resume("t", retry_failed=True)).output == list("abcd")


def test_side_by_side_all_that_failed_and_was_stopped_runs_again():
    work = Work("b")

    async def order() -> list[str]:
        return list(
            await asyncio.gather(*(work.step(n, s) for n, s in zip("abcd", range(4), strict=True)))
        )

    one = made(order)
    assert retried(one, work).output == list("abcd")
    assert work.ran == {"a": 1, "b": 2, "c": 2, "d": 2}


def test_failures_that_the_code_has_collected_run_again():
    work = Work("bd")

    async def order() -> list[str]:
        steps = [work.step(name, number) for number, name in enumerate("abcde")]
        got = await asyncio.gather(*steps, return_exceptions=True)
        wrong = [each for each in got if isinstance(each, Exception)]
        if wrong:
            raise RuntimeError(f"{len(wrong)} failed")
        return [str(each) for each in got]

    one = made(order)
    assert retried(one, work).output == list("abcde")
    assert work.ran == {"a": 1, "b": 2, "c": 1, "d": 2, "e": 1}


def test_a_failure_that_the_code_has_dealt_with_is_not_taken_back():
    work = Work("ac")

    async def order() -> list[str]:
        try:
            first = await work.step("a")
        except StepFailed:
            first = await work.step("b")
        return [first, await work.step("c")]

    one = made(order)
    assert retried(one, work).output == ["b", "c"]
    assert work.ran == {"a": 1, "b": 1, "c": 2}


def test_the_code_may_go_another_way_after_a_failure_with_steps_that_followed_it():
    work = Work("a")

    async def order() -> list[str]:
        try:
            first = await work.step("a")
        except StepFailed:
            await work.step("told")
            raise
        finally:
            await work.step("closed")
        return [first, await work.step("last")]

    one = made(order)
    assert retried(one, work).output == ["a", "last"]
    assert work.ran == {"a": 2, "told": 1, "closed": 1, "last": 1}


def test_code_that_was_wrong_goes_on_once_it_is_mended():
    work, wrong = Work(), True

    async def order() -> str:
        first = await work.step("a")
        if wrong:
            raise KeyError("oh")
        return first + await work.step("b")

    one = made(order)
    with pytest.raises(TurnFailed):
        live(one.options(thread="t").run())
    wrong = False
    assert live(one.resume("t", retry_failed=True)).output == "ab"
    assert work.ran == {"a": 1, "b": 1}


def test_it_may_fail_again_and_run_again():
    work = Work("bc")

    async def order() -> list[str]:
        return [await work.step(name) for name in "abc"]

    one = made(order)
    with pytest.raises(TurnFailed):
        live(one.options(thread="t").run())
    work.broken = "c"
    with pytest.raises(TurnFailed, match="no c"):
        live(one.resume("t", retry_failed=True))
    work.broken = ""
    assert live(one.resume("t", retry_failed=True)).output == list("abc")
    assert work.ran == {"a": 1, "b": 2, "c": 2}


def failing(one: Flow, work: Work, broken: str, text: str) -> None:
    """Go on while these steps fail; the run fails with this text, and a replay agrees."""
    work.broken = broken
    with pytest.raises(TurnFailed, match=text):
        live(one.resume("t", retry_failed=True))
    assert live(one.replay("t")) is None


def test_a_caught_failure_runs_again_as_soon_as_the_error_comes_from_it():
    work = Work("ab")

    async def order() -> int:
        errors = []
        for name in "abc":
            try:
                await work.step(name)
            except StepFailed as error:
                errors.append(error)
        if errors:
            raise errors[0]
        return 3

    one = made(order)
    with pytest.raises(TurnFailed, match="no a"):
        live(one.options(thread="t").run())
    failing(one, work, "", "no b")
    told = explain(live(open_log("t", one.store, one.world)).records, one.run_settings)
    assert told.next.endswith("run b again")
    assert live(one.resume("t", retry_failed=True)).output == 3
    assert live(one.replay("t")) is None
    assert work.ran == {"a": 2, "b": 2, "c": 1}


def test_a_second_retry_may_go_further_back_than_the_first():
    work = Work("ac")

    async def order() -> str:
        first = last = None
        try:
            await work.step("a")
        except StepFailed as error:
            first = error
        await work.step("b")
        try:
            await work.step("c")
        except StepFailed as error:
            last = error
        await work.step("d")
        if last or first:
            raise last or first
        return "done"

    one = made(order)
    with pytest.raises(TurnFailed, match="no c"):
        live(one.options(thread="t").run())
    failing(one, work, "", "no a")
    assert live(one.resume("t", retry_failed=True)).output == "done"
    assert live(one.replay("t")) is None
    assert work.ran == {"a": 2, "b": 1, "c": 2, "d": 1}


def test_what_followed_a_caught_failure_need_not_be_asked_for_once_that_runs_again():
    work = Work("ab")

    async def order() -> str:
        errors = []
        for name in "ab":
            try:
                await work.step(name)
            except StepFailed as error:
                errors.append(error)
        if errors:
            await step.options(id="told", idempotent=True)(work.do, f"{len(errors)} missing")
            raise errors[0]
        return "done"

    one = made(order)
    with pytest.raises(TurnFailed, match="no a"):
        live(one.options(thread="t").run())
    failing(one, work, "", "no b")
    assert live(one.resume("t", retry_failed=True)).output == "done"
    assert live(one.replay("t")) is None
    assert work.ran == {"a": 2, "b": 2, "2 missing": 1, "1 missing": 1}


def test_a_failure_among_others_side_by_side_runs_again_once_the_error_comes_from_it():
    work = Work("ab")

    async def order() -> list[str]:
        steps = [work.step(name, number) for number, name in enumerate("abc")]
        got = await asyncio.gather(*steps, return_exceptions=True)
        await work.step("told")
        for each in got:
            if isinstance(each, Exception):
                raise each
        return [str(each) for each in got]

    one = made(order)
    with pytest.raises(TurnFailed, match="no a"):
        live(one.options(thread="t").run())
    failing(one, work, "", "no b")
    assert live(one.resume("t", retry_failed=True)).output == list("abc")
    assert live(one.replay("t")) is None
    assert work.ran == {"a": 2, "b": 2, "c": 1, "told": 1}


def test_code_that_goes_another_way_may_use_an_id_again_for_another_call():
    work = Work("a")

    async def order() -> str:
        said = "fine"
        try:
            await work.step("a")
        except StepFailed:
            said = "failed"
            raise
        finally:
            await step.options(id="told", idempotent=True)(work.do, said)
        return await work.step("last")

    one = made(order)
    assert retried(one, work).output == "last"
    assert work.ran == {"a": 2, "failed": 1, "fine": 1, "last": 1}


def test_in_an_inner_flow_only_what_failed_runs_again():
    work = Work("c")

    async def inner() -> list[str]:
        return [await work.step(name) for name in "bcd"]

    below = made(inner)

    async def order() -> list[str]:
        return [await work.step("a"), *(await below.run()).output]

    one = made(order)
    assert retried(one, work).output == list("abcd")
    assert work.ran == {"a": 1, "b": 1, "c": 2, "d": 1}
    with pytest.raises(UsageError, match="is a child"):
        live(one.resume("t.inner", retry_failed=True))


def test_an_agent_without_an_answer_is_asked_anew_and_all_usage_counts_once():
    script = [says(" ")] * 3 + [says("a lamp")]
    clerk = Agent(name="clerk", model=ScriptedModel(script))

    async def order() -> str:
        return (await clerk.run("go")).answer

    one = made(order)
    with pytest.raises(TurnFailed):
        live(one.options(thread="t").run())
    result = live(one.resume("t", retry_failed=True))
    assert result.output == "a lamp"
    children = [each for each in live(one.store.threads(100)) if each.thread_id != "t"]
    used = e.Usage()
    for child in children:
        state = fold(live(open_log(child.thread_id, one.store, one.world)).records)
        assert state.turn
        used += state.turn.usage
    assert result.usage == used


def test_a_question_that_the_failure_had_closed_is_asked_again():
    work = Work("a")

    async def order() -> list[str]:
        return list(await asyncio.gather(ask("which?"), work.step("a", 1.0)))

    one = made(order)
    with pytest.raises(TurnFailed):
        live(one.options(thread="t").run())
    work.broken = ""
    [held] = live(one.resume("t", retry_failed=True)).waiting
    live(one.post("t", e.UserSaid("this", answers=held.id)))
    assert live(one.resume("t")).output == ["this", "a"]
    assert live(one.replay("t")) is None


@pytest.mark.parametrize(("outcome", "ran"), [("ran", 1), ("not_run", 2)])
def test_what_was_stopped_with_the_failure_and_may_have_had_its_effect_is_asked_about(outcome, ran):
    work = Work("a")

    async def order() -> list[str]:
        pay = step.options(id="pay")(work.do, "pay", 60.0)
        return list(await asyncio.gather(pay, work.step("a", 1.0)))

    one = made(order)
    with pytest.raises(TurnFailed):
        live(one.options(thread="t").run())
    work.broken = ""
    [held] = live(one.resume("t", retry_failed=True)).waiting
    assert (held.name, held.status) == ("do", "unknown")
    live(one.post("t", e.OutcomeDecided("pay", outcome, "ann", '"pay"')))
    assert live(one.resume("t")).output == ["pay", "a"]
    assert work.ran == {"pay": ran, "a": 2}
    assert live(one.replay("t")) is None


def test_a_step_that_was_stopped_and_has_failed_since_runs_again_unasked():
    work = Work("ap")

    async def order() -> list[str]:
        pay = step.options(id="p")(work.do, "p", 60.0)
        return list(await asyncio.gather(pay, work.step("a", 1.0)))

    one = made(order)
    with pytest.raises(TurnFailed, match="no a"):
        live(one.options(thread="t").run())
    work.broken = "p"
    assert live(one.resume("t", retry_failed=True)).status == "waiting"
    live(one.post("t", e.OutcomeDecided("p", "not_run", "ann")))
    with pytest.raises(TurnFailed, match="no p"):
        live(one.resume("t"))
    work.broken = ""
    assert live(one.resume("t", retry_failed=True)).output == ["p", "a"]
    assert work.ran == {"p": 3, "a": 2}


def test_work_elsewhere_of_a_step_that_was_stopped_with_the_failure_is_still_waited_for():
    work = Work("a")

    @tool
    async def ship(context: Context) -> str:
        """Send it."""
        work.ran["ship"] += 1
        raise Pending("parcel 1")

    async def order() -> list[str]:
        return list(await asyncio.gather(step(ship), work.step("a", 1.0)))

    one = made(order)
    with pytest.raises(TurnFailed):
        live(one.options(thread="t").run())
    work.broken = ""
    assert live(one.resume("t", retry_failed=True)).status == "waiting"
    live(one.settle("parcel 1", "there"))
    assert live(one.resume("t")).output == ["there", "a"]
    assert work.ran == {"ship": 1, "a": 2}
    assert live(one.replay("t")) is None


def test_an_inner_flow_and_an_agent_that_were_stopped_with_the_failure_go_on_where_they_were():
    work = Work("a")

    async def pay(name: str) -> str:
        """Pay."""
        return await work.do(name)

    async def look() -> str:
        """Look."""
        return await work.do("look", 60.0)

    tools = [tool(pay), tool(look, idempotent=True)]
    script = [calls(("pay", {"name": "by the agent"})), calls("look"), says("a lamp")]
    clerk = Agent(name="clerk", model=ScriptedModel(script), tools=tools)

    async def inner() -> str:
        paid = await step.options(id="pay")(work.do, "by the flow")
        return paid + await work.step("b", 60.0)

    below = made(inner)

    async def order() -> list[str]:
        got = await asyncio.gather(below.run(), clerk.run("go"), work.step("a", 30.0))
        return [got[0].output, got[1].answer, got[2]]

    one = made(order)
    with pytest.raises(TurnFailed):
        live(one.options(thread="t").run())
    work.broken = ""
    result = live(one.resume("t", retry_failed=True))
    assert result.output == ["by the flowb", "a lamp", "a"]
    assert work.ran == {"by the flow": 1, "by the agent": 1, "look": 2, "b": 2, "a": 2}
    assert live(one.replay("t")) is None
    names = sorted(each.thread_id for each in live(one.store.threads()))
    assert names == ["t", "t.1.inner", "t.2.clerk"]
    records = live(open_log("t.2.clerk", one.store, one.world)).records
    assert live(replay(records)) is None
    turn = fold(records).turn
    assert turn
    assert result.usage == turn.usage


class Slow:
    """A source of no tools that waits, while it is told to, and tells that it was asked."""

    def __init__(self) -> None:
        self.asked, self.open = threading.Event(), threading.Event()

    def find_tools(self) -> tuple[()]:
        self.asked.set()
        self.open.wait(60.0)
        return ()


def test_an_agent_that_is_stopped_just_before_it_goes_on_has_ended_once_more_and_used_nothing():
    slow, broken = Slow(), True

    async def look() -> str:
        """Look."""
        slow.asked.set()
        if broken:
            await asyncio.Event().wait()
        return "seen"

    tools = [tool(look, idempotent=True), slow]
    clerk = Agent(name="clerk", model=ScriptedModel([calls("look"), says("a lamp")]), tools=tools)

    async def deliver() -> None:
        if broken:
            await asyncio.to_thread(slow.asked.wait, 60.0)
            raise ConnectionError("the post office is closed")

    @flow(store=MemoryStore())
    async def one() -> str:
        said, _ = await asyncio.gather(clerk.run("go"), step(deliver))
        return said.answer

    async def whole() -> None:
        nonlocal broken
        slow.open.set()
        with pytest.raises(TurnFailed):
            await one.options(thread="t").run()
        for is_open in (False, True):
            slow.asked.clear()
            if not is_open:
                slow.open.clear()
            with pytest.raises(TurnFailed):
                await one.resume("t", retry_failed=True)
            slow.open.set()
        broken = False
        result = await one.resume("t", retry_failed=True)
        turn = fold((await open_log("t.1.clerk", one.store, one.world)).records).turn
        assert turn
        assert (result.output, result.usage) == ("a lamp", turn.usage)

    asyncio.run(whole())


def test_explain_says_what_would_run_again():
    work = Work("b")

    async def order() -> list[str]:
        return [await work.step(name) for name in "ab"]

    one = made(order)
    with pytest.raises(TurnFailed):
        live(one.options(thread="t").run())
    records = live(open_log("t", one.store, one.world)).records
    told = explain(records, one.run_settings)
    assert told.next == "nothing: the turn has ended; with --retry-failed, run b again"


@dataclass
class Batch:
    items: list[str] = field(default_factory=lambda: list("abcdefgh"))
    done: Annotated[list[str], append] = field(default_factory=list)


@pytest.mark.parametrize("need", ["all", 7])
def test_in_a_graph_only_the_items_that_failed_run_again(need):
    work = Work("cf")
    nodes = [
        Node(lambda: None, name="begin"),
        Node(tool(work.do, name="do", idempotent=True), "done"),
        Node(lambda: None, name="last"),
    ]
    edges = [
        Edge(START, "begin"),
        Each("begin", "do", "items", "name", at_once=2),
        Join("do", "last", need),
        Edge("last", END),
    ]
    one = Graph(Batch, nodes, edges, store=MemoryStore(), world=world())
    with pytest.raises(TurnFailed):
        live(one.options(thread="t").run())
    failed_first = dict(work.ran)
    work.broken = ""
    result = live(one.resume("t", retry_failed=True))
    assert len({*result.output.done}) >= (8 if need == "all" else 7)
    again = {name for name in work.ran if work.ran[name] > 1}
    assert again <= {"c", "f", "d"}
    assert "c" in again
    assert failed_first["c"] == 1
    assert live(one.replay("t")) is None
