"""Calls whose work goes on elsewhere: notes, handles, posts, polls, due times."""

import asyncio
import datetime
import itertools
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from fakes import Died, Door, DyingStore, Elsewhere, agent, live, names, world
from treadle import (
    Agent,
    Context,
    IllegalEvent,
    Limits,
    MemoryStore,
    OutcomeDecided,
    Pending,
    ScriptedModel,
    Settled,
    ToolError,
    ToolRetry,
    TurnEnded,
    UsageError,
    flow,
    step,
    stop,
    tool,
)
from treadle.core import events as e
from treadle.core.state import fold
from treadle.models.scripted import calls, says
from treadle.runtime.replay import replay
from treadle.stores.archive import export_threads, import_threads
from treadle.stores.rows import from_rows
from treadle.stores.store import Row

JOB = {"job": 7}
TEXT = '{"job":7}'


@tool
async def build() -> str:
    raise Pending(JOB)


def builder(*tools: Any, script: Any = None, **settings: Any) -> Agent:
    model = ScriptedModel(script or [calls("build"), says("done")])
    return agent(model, *(tools or (build,)), **settings)


async def records_of(agents: Agent, thread: str) -> list[e.Record]:
    return from_rows(thread, await agents._store.read(thread))


async def results(agents: Agent, thread: str) -> list[e.ToolReturned | e.ToolFailed]:
    events = [record.event for record in await records_of(agents, thread)]
    return [event for event in events if isinstance(event, e.ToolReturned | e.ToolFailed)]


@dataclass
class Service:
    """Work elsewhere: what each question about it is answered, and who asked."""

    answers: list[Any] = field(default_factory=list)
    asked: list[tuple[Any, float]] = field(default_factory=list)
    due: Any = 30.0

    def tool(self, **settings: Any) -> Any:
        async def build(ctx: Context) -> str:
            await ctx.note(JOB)
            raise Pending(JOB, due=self.due)

        return tool(poll=self.poll, **settings)(build)

    async def poll(self, handle: Any, ctx: Context) -> Any:
        self.asked.append((handle, asyncio.get_running_loop().time() - 1000))
        answer = self.answers.pop(0)
        if isinstance(answer, BaseException):
            raise answer
        return answer


async def keep_resuming(agents: Agent, seconds: float, every_s: float = 1.0) -> None:
    """As a sweep does."""
    until = asyncio.get_running_loop().time() + seconds
    while asyncio.get_running_loop().time() < until:
        for thread in await agents.due():
            await agents.resume(thread)
        await asyncio.sleep(every_s)


def test_a_call_waits_for_work_elsewhere_and_goes_on_with_what_is_posted():
    agents = builder()

    async def whole() -> None:
        waiting = await agents.run("go", thread="t")
        assert waiting.status == "waiting"
        [held] = waiting.waiting
        assert (held.status, held.name, held.handle) == ("pending", "build", TEXT)
        assert TEXT in waiting.reason
        assert await agents.due() == []
        settled = await agents.settle({"job": 7}, "passed", by="ci")
        assert settled == [Settled("t", held.id, "t")]
        assert await agents.due() == ["t"]
        assert (await agents.resume("t")).answer == "done"
        [result] = await results(agents, "t")
        assert (result.content, result.by) == ("passed", "ci")
        records = await records_of(agents, "t")
        assert await replay(records, agents.run_settings) is None
        assert await replay(records) is None

    live(whole())


def test_the_same_post_twice_is_one_and_another_is_refused_and_says_who_was_first():
    agents = builder()

    async def whole() -> None:
        await agents.run("go", thread="t")
        await agents.settle(JOB, {"ok": True}, by="ci")
        for _ in range(2):
            before = await records_of(agents, "t")
            [settled] = await agents.settle(JOB, {"ok": True}, by="ci again")
            assert settled.again
            with pytest.raises(IllegalEvent, match="has a result already, from ci at"):
                await agents.settle(JOB, "something else")
            assert await records_of(agents, "t") == before
            await agents.resume("t")  # and once more when the turn is over

    live(whole())


@pytest.mark.parametrize(("most", "shown"), [(500, 500), (60_000, 50_000)])
def test_a_posted_result_is_cut_as_one_of_its_tool_and_the_same_post_is_known(most, shown):
    @tool(max_chars=most)
    async def build() -> str:
        raise Pending(JOB)

    agents = builder(build)
    text = "y" * 50_000

    async def whole() -> None:
        await agents.run("go", thread="t")
        await agents.settle(JOB, text)
        [result] = await results(agents, "t")
        assert (result.content.count("y"), result.cut_chars) == (shown, 50_000 - shown)
        for _ in range(2):
            assert (await agents.settle(JOB, text))[0].again
            with pytest.raises(IllegalEvent, match="has a result already"):
                await agents.settle(JOB, f"{text}!")
            await agents.resume("t")

    live(whole())


def test_two_posts_at_one_moment_are_one():
    agents = builder()

    async def whole() -> None:
        await agents.run("go", thread="t")
        other = replace(agents, store=Elsewhere(agents._store))
        same = await asyncio.gather(agents.settle(JOB, "ok"), other.settle(JOB, "ok"))
        assert sorted(each.again for [each] in same) == [False, True]
        assert len(await results(agents, "t")) == 1

    live(whole())


def test_failed_work_is_told_to_the_model():
    agents = builder()

    async def whole() -> None:
        await agents.run("go", thread="t")
        await agents.settle(JOB, ToolError("two tests failed"), by="ci")
        [failed] = await results(agents, "t")
        assert isinstance(failed, e.ToolFailed)
        assert (failed.message, failed.kind, failed.by) == ("two tests failed", "raised", "ci")
        assert (await agents.resume("t")).answer == "done"
        with pytest.raises(UsageError, match="a failure is a ToolError"):
            await agents.settle(JOB, ValueError("no"))

    live(whole())


def test_a_post_for_what_nobody_waits_for_is_refused_in_words():
    agents = builder()

    async def whole() -> None:
        await agents.run("go", thread="t")
        with pytest.raises(UsageError, match="no call waits for"):
            await agents.settle({"job": 8}, "ok")
        with pytest.raises(UsageError, match="in thread t"):
            await agents.settle({"job": 8}, "ok", thread="t")
        await agents.post("t", TurnEnded("cancelled", "by ann"))
        with pytest.raises(IllegalEvent, match="its last turn was"):
            await agents.settle(JOB, "ok")
        await agents.delete("t")
        with pytest.raises(UsageError, match="no call waits for"):
            await agents.settle(JOB, "ok")

    live(whole())


def test_a_call_is_named_by_its_id_too():
    agents = builder()

    async def whole() -> None:
        [held] = (await agents.run("go", thread="t")).waiting
        [settled] = await agents.settle(held.id, "ok", thread="t")
        assert settled.call_id == held.id

    live(whole())


@pytest.mark.parametrize("outcome", ["ran", "not_run", "tell"])
def test_a_person_may_say_what_became_of_it(outcome: Any):
    script = [calls("build"), says("done"), says("done")]
    agents = builder(script=script)

    async def whole() -> None:
        [held] = (await agents.run("go", thread="t")).waiting
        await agents.post("t", OutcomeDecided(held.id, outcome, "ann", "passed"))
        result = await agents.resume("t")
        assert result.status == ("waiting" if outcome == "not_run" else "answered")
        if outcome == "ran":
            [settled] = await agents.settle(JOB, "passed")
            assert settled.again

    live(whole())


@pytest.mark.parametrize("then", ["pends", "returns", "raises"])
def test_a_post_that_is_faster_than_the_tool_is_kept(then: str):
    @tool
    async def build(ctx: Context) -> str:
        await ctx.note(JOB)
        await asyncio.sleep(5)
        if then == "raises":
            raise ToolError("no")
        if then == "pends":
            raise Pending(JOB)
        return "its own"

    agents = builder(build)

    async def whole() -> None:
        await agents.start("go", thread="t")
        await asyncio.sleep(1)
        other = replace(agents, store=Elsewhere(agents._store))
        await other.settle(JOB, "passed")
        result = await agents.resume("t")
        assert result.answer == "done"
        assert [each.content for each in await results(agents, "t")] == ["passed"]
        records = await records_of(agents, "t")
        assert await replay(records, agents.run_settings) is None
        assert await replay(records) is None

    live(whole())


def test_a_running_call_without_a_note_can_not_be_settled():
    @tool
    async def build() -> str:
        await asyncio.sleep(5)
        return "ok"

    agents = builder(build)

    async def whole() -> None:
        await agents.start("go", thread="t")
        await asyncio.sleep(1)
        turn = fold(await records_of(agents, "t")).turn
        assert turn
        [call_id] = turn.calls
        with pytest.raises(IllegalEvent, match="has noted no work elsewhere"):
            await agents.settle(call_id, "ok", thread="t")
        await agents.resume("t")

    live(whole())


def test_a_plain_function_notes_and_pends_too():
    @tool
    def build(ctx: Context) -> str:
        ctx.note(JOB)
        raise Pending(JOB)

    agents = builder(build)

    async def whole() -> None:
        [held] = (await agents.run("go", thread="t")).waiting
        assert held.handle == TEXT
        assert names(await records_of(agents, "t"))[-3:] == [
            "ToolStarted",
            "CallNoted",
            "CallNoted",
        ]

    live(whole())


def test_a_returned_pending_counts_as_a_raised_one():
    @tool
    async def build() -> Any:
        return Pending(JOB)

    agents = builder(build)
    [held] = live(agents.run("go")).waiting
    assert held.handle == TEXT


def test_after_a_crash_the_handle_is_known():
    store = MemoryStore()

    @tool
    async def build(ctx: Context) -> str:
        await ctx.note(JOB)
        await asyncio.sleep(99)
        return "never"

    async def whole() -> None:
        agents = builder(build, store=store)
        await agents.start("go", thread="t")
        await asyncio.sleep(1)
        await stop(0)

    live(whole())

    async def after() -> None:
        agents = builder(build, store=store)
        [held] = (await agents.resume("t")).waiting
        assert (held.status, held.handle) == ("unknown", TEXT)
        await agents.settle(JOB, "passed")
        agents = builder(build, store=store, script=[says("done")])
        assert (await agents.resume("t")).answer == "done"
        assert await replay(await records_of(agents, "t")) is None

    live(after())


@pytest.mark.parametrize("idempotent", [False, True])
@pytest.mark.parametrize("unknown", ["ask", "tell"])
@pytest.mark.parametrize(
    ("answer", "status"),
    [("passed", "answered"), (ToolError("broke"), "answered"), (Pending(JOB, due=9), "waiting")],
)
def test_after_a_crash_the_poll_says_what_became_of_it(
    answer: Any, status: str, unknown: Any, idempotent: bool
):
    store = MemoryStore()
    service = Service([answer])
    started = []

    async def build(ctx: Context) -> str:
        started.append(ctx.attempt)
        await ctx.note(JOB)
        await asyncio.sleep(99)
        return "never"

    polled = tool(poll=service.poll, idempotent=idempotent)(build)

    async def whole() -> None:
        agents = builder(polled, store=store, unknown=unknown)
        await agents.start("go", thread="t")
        await asyncio.sleep(1)
        await stop(0)

    live(whole())

    async def after() -> None:
        agents = builder(polled, store=store, script=[says("done")], unknown=unknown)
        assert await agents.due() == ["t"]
        result = await agents.resume("t")
        assert result.status == status
        assert (started, len(service.asked)) == ([1], 1)
        if status == "waiting":
            assert result.waiting[0].status == "pending"
            assert await agents.due() == []
        records = await records_of(agents, "t")
        assert await replay(records, agents.run_settings) is None
        assert await replay(records) is None

    live(after())


def test_the_tool_is_asked_at_its_time_and_writes_nothing_while_the_work_goes_on():
    service = Service([Pending(JOB, due=10)] * 3 + ["passed"])
    agents = builder(service.tool())

    async def whole() -> None:
        await agents.run("go", thread="t")
        before = await records_of(agents, "t")
        await keep_resuming(agents, 55)
        assert [at for _, at in service.asked] == [30, 40, 50]
        assert [handle for handle, _ in service.asked] == [JOB] * 3
        assert await records_of(agents, "t") == before
        await keep_resuming(agents, 10)
        assert [each.content for each in await results(agents, "t")] == ["passed"]
        assert len(await records_of(agents, "t")) > len(before)
        assert await replay(await records_of(agents, "t"), agents.run_settings) is None

    live(whole())


def test_a_job_that_is_asked_about_a_hundred_times_adds_no_byte():
    service = Service([Pending(JOB, due=10)] * 100)
    agents = builder(service.tool())

    async def whole() -> None:
        await agents.run("go", thread="t")
        before = await records_of(agents, "t")
        for _ in range(100):
            await asyncio.sleep(30)
            await agents.resume("t")
        assert len(service.asked) == 100
        assert await records_of(agents, "t") == before

    live(whole())


@pytest.mark.slow
def test_without_a_time_of_its_own_it_is_asked_ever_less_often():
    service = Service([Pending(JOB)] * 1000)
    agents = builder(service.tool())

    async def whole() -> None:
        await agents.run("go", thread="t")
        await keep_resuming(agents, 86_400, 10)
        times = [at for _, at in service.asked]
        assert times[:4] == [30, 60, 90, 120]
        assert 60 < len(times) < 80
        waits = [after - before for before, after in itertools.pairwise(times)]
        assert waits == sorted(waits)

    live(whole())


@pytest.mark.parametrize(
    "error",
    [ConnectionError("down"), TimeoutError(), KeyError("id"), ToolRetry("busy"), OSError("no")],
)
def test_a_question_that_fails_is_asked_again(error: BaseException, caplog: Any):
    service = Service([error, error, "passed"])
    agents = builder(service.tool())

    async def whole() -> None:
        await agents.run("go", thread="t")
        before = await records_of(agents, "t")
        await keep_resuming(agents, 70)
        assert [at for _, at in service.asked] == [30, 60]
        assert await records_of(agents, "t") == before
        await keep_resuming(agents, 30)
        assert [each.content for each in await results(agents, "t")] == ["passed"]

    live(whole())
    assert "couldn't be asked" in caplog.text


def test_a_question_that_hangs_is_given_up_and_asked_again():
    hangs = [True, False]

    async def poll(handle: Any, ctx: Context) -> str:
        if hangs.pop(0):
            await asyncio.sleep(1000)
        return "passed"

    @tool(poll=poll, timeout_s=5)
    async def build() -> str:
        raise Pending(JOB, due=30)

    agents = builder(build)

    async def whole() -> None:
        await agents.run("go", thread="t")
        await keep_resuming(agents, 120)
        assert [each.content for each in await results(agents, "t")] == ["passed"]

    live(whole())


def test_a_plain_function_is_asked_too():
    def poll(handle: Any, ctx: Context) -> Any:
        return {"handle": handle, "key": len(ctx.idempotency_key)}

    @tool(poll=poll)
    async def build() -> str:
        raise Pending(JOB, due=30)

    agents = builder(build)

    async def whole() -> None:
        await agents.run("go", thread="t")
        await asyncio.sleep(40)
        assert (await agents.resume("t")).answer == "done"
        [result] = await results(agents, "t")
        assert result.content == '{"handle":{"job":7},"key":32}'

    live(whole())


def test_work_that_has_failed_is_told_and_another_handle_is_a_fact():
    service = Service([Pending({"job": 8}, due=5), ToolError("broke")])
    agents = builder(service.tool())

    async def whole() -> None:
        await agents.run("go", thread="t")
        await keep_resuming(agents, 100)
        assert service.asked == [(JOB, 30), ({"job": 8}, 35)]
        [failed] = await results(agents, "t")
        assert isinstance(failed, e.ToolFailed)
        assert failed.message == "broke"
        assert await replay(await records_of(agents, "t"), agents.run_settings) is None

    live(whole())


def test_without_a_poll_the_model_is_told_at_the_due_time():
    @tool
    async def build() -> str:
        raise Pending(JOB, due=60)

    agents = builder(build)

    async def whole() -> None:
        await agents.run("go", thread="t")
        await asyncio.sleep(59)
        assert await agents.due() == []
        assert (await agents.resume("t")).status == "waiting"
        await asyncio.sleep(2)
        assert await agents.due() == ["t"]
        assert (await agents.resume("t")).answer == "done"
        [failed] = await results(agents, "t")
        assert isinstance(failed, e.ToolFailed)
        assert failed.kind == "timeout"
        with pytest.raises(IllegalEvent, match="has a result already"):
            await agents.settle(JOB, "passed")
        records = await records_of(agents, "t")
        assert await replay(records, agents.run_settings) is None
        assert await replay(records) is None

    live(whole())


def test_what_is_posted_before_anybody_notices_that_the_time_is_up_counts():
    @tool
    async def build() -> str:
        raise Pending(JOB, due=60)

    agents = builder(build)

    async def whole() -> None:
        await agents.run("go", thread="t")
        await asyncio.sleep(100)
        await agents.settle(JOB, "passed")
        assert (await agents.resume("t")).answer == "done"
        assert await replay(await records_of(agents, "t"), agents.run_settings) is None

    live(whole())


SOON = datetime.datetime(1970, 1, 1, 0, 20, tzinfo=datetime.UTC)


@pytest.mark.parametrize(
    ("due", "until"),
    [
        (None, None),
        (90, 1090.0),
        (1.5, 1001.5),
        (datetime.timedelta(minutes=2), 1120.0),
        (SOON, 1200.0),
    ],
)
def test_a_due_time_is_seconds_a_timedelta_or_a_moment(due: Any, until: float | None):
    @tool
    async def build() -> str:
        raise Pending(JOB, due=due)

    [held] = live(builder(build).run("go")).waiting
    assert held.until == until


@pytest.mark.parametrize(
    ("handle", "due"),
    [
        (JOB, datetime.datetime(2030, 1, 1)),
        (JOB, -1),
        (JOB, float("nan")),
        (JOB, datetime.timedelta(seconds=-1)),
        (JOB, "soon"),
        (None, None),
        ("", None),
        ({}, None),
        (object(), None),
        ("x" * 600, None),
        ("\ud800", None),
        (float("nan"), None),
        ({"job": float("inf")}, None),
    ],
)
def test_wrong_handles_and_times_are_refused(handle: Any, due: Any):
    with pytest.raises(UsageError):
        Pending(handle, due=due)


def test_a_tool_with_a_poll_and_no_time_is_asked_after_a_minute():
    service = Service(["passed"], due=None)
    [held] = live(builder(service.tool()).run("go")).waiting
    assert held.until == 1060.0


def test_a_turn_with_a_poll_needs_the_tool_that_has_it():
    agents = builder(Service(["passed"]).tool())

    async def whole() -> None:
        await agents.run("go", thread="t")
        await asyncio.sleep(40)
        with pytest.raises(UsageError, match="build"):
            await builder(build, store=agents.store).resume("t")

    live(whole())


def test_waiting_costs_no_seconds_of_the_turn():
    agents = builder(limits=Limits(seconds=5))

    async def whole() -> None:
        await agents.run("go", thread="t")
        await asyncio.sleep(100)
        await agents.settle(JOB, "ok")
        await asyncio.sleep(100)
        result = await agents.resume("t")
        assert (result.status, result.seconds < 1) == ("answered", True)

    live(whole())


def test_later_effects_wait_for_it_and_what_only_reads_does_not():
    ran = []

    @tool(read_only=True)
    async def look() -> str:
        ran.append("look")
        return "seen"

    @tool
    async def tell() -> str:
        ran.append("tell")
        return "told"

    agents = builder(build, look, tell, script=[calls("build", "look", "tell"), says("done")])

    async def whole() -> None:
        await agents.run("go", thread="t")
        assert ran == ["look"]
        await agents.settle(JOB, "passed")
        assert (await agents.resume("t")).answer == "done"
        assert ran == ["look", "tell"]
        assert await replay(await records_of(agents, "t"), agents.run_settings) is None

    live(whole())


def test_several_calls_of_one_thread_wait_each_for_its_own():
    @tool(parallel=True)
    async def build(n: int) -> str:
        raise Pending({"n": n})

    script = [calls(("build", {"n": 1}), ("build", {"n": 2})), says("done")]
    agents = builder(build, script=script)

    async def whole() -> None:
        assert len((await agents.run("go", thread="t")).waiting) == 2
        await agents.settle({"n": 2}, "second")
        assert (await agents.resume("t")).status == "waiting"
        await agents.settle({"n": 1}, "first")
        assert (await agents.resume("t")).answer == "done"

    live(whole())


def test_calls_of_several_threads_that_wait_for_one_handle_get_it_all():
    agents = builder(script=[calls("build"), calls("build"), says("a"), says("b")])

    async def whole() -> None:
        await agents.run("go", thread="a")
        await agents.run("go", thread="b")
        await agents.settle(JOB, "ok", thread="b")
        settled = await agents.settle(JOB, "ok")
        assert [(each.thread_id, each.again) for each in settled] == [("a", False), ("b", True)]

    live(whole())


def test_a_fork_waits_for_nothing_that_its_source_has_begun():
    agents = builder(script=[calls("build"), says("done"), says("forked")])

    async def whole() -> None:
        await agents.run("go", thread="t")
        forked = (await agents.fork("t")).thread_id
        [held] = (await agents.resume(forked)).waiting
        assert (held.status, held.handle) == ("unknown", "")
        settled = await agents.settle(JOB, "passed")
        assert [each.thread_id for each in settled] == ["t"]
        assert (await agents.resume("t")).answer == "done"
        assert (await agents.resume(forked)).status == "waiting"
        [again] = await agents.settle(JOB, "passed")
        assert (again.thread_id, again.again) == ("t", True)

    live(whole())


def test_a_fork_of_a_polled_call_asks_nobody():
    service = Service(["passed"])
    agents = builder(service.tool())

    async def whole() -> None:
        await agents.run("go", thread="t")
        forked = (await agents.fork("t")).thread_id
        await asyncio.sleep(100)
        assert (await agents.resume(forked)).waiting[0].status == "unknown"
        assert service.asked == []
        assert await agents.due() == ["t"]

    live(whole())


def test_an_imported_handle_counts_for_nothing_before_and_after_it_is_adopted():
    service = Service(["passed"])
    agents = builder(service.tool())

    async def whole() -> None:
        await agents.run("go", thread="t")
        lines = [line async for line in export_threads(agents._store)]
        other = replace(agents, store=MemoryStore())
        await import_threads(other._store, lines, now=agents.world.now)
        await asyncio.sleep(100)
        assert await other.due() == []
        with pytest.raises(UsageError, match="no call waits for"):
            await other.settle(JOB, "passed")
        await other.post("t", e.TrustChanged(True, "ann"))
        with pytest.raises(UsageError, match="no call waits for"):
            await other.settle(JOB, "passed")
        [held] = (await other.resume("t")).waiting
        assert (held.status, held.handle, service.asked) == ("unknown", "", [])

    live(whole())


def parent_of(helper: Agent) -> Agent:
    script = [calls(("helper", {"task": "x"})), says("all done")]
    return agent(ScriptedModel(script), helper.as_tool(), store=MemoryStore(), name="top")


def test_a_childs_wait_is_its_parents_too():
    top = parent_of(builder(name="helper"))

    async def whole() -> None:
        [held] = (await top.run("go", thread="t")).waiting
        assert (held.status, held.handle, held.thread_id[:3]) == ("pending", TEXT, "t.c")
        assert await top.due() == []
        [settled] = await top.settle(JOB, "passed")
        assert (settled.thread_id, settled.root_id) == (held.thread_id, "t")
        assert await top.due() == ["t"]
        assert (await top.resume("t")).answer == "all done"
        assert await replay(await records_of(top, "t"), top.run_settings) is None

    live(whole())


def test_a_child_is_polled_by_whoever_resumes_its_parent():
    service = Service([Pending(JOB, due=50), "passed"])
    top = parent_of(builder(service.tool(), name="helper"))

    async def whole() -> None:
        await top.run("go", thread="t")
        await asyncio.sleep(10)
        assert await top.due() == []
        await keep_resuming(top, 100)
        assert [at for _, at in service.asked] == [30, 80]
        assert (await top.resume("t")).answer == "all done"
        assert await replay(await records_of(top, "t"), top.run_settings) is None

    live(whole())


@pytest.mark.parametrize("poll", [lambda handle: 1, lambda handle, ctx, more: 1, lambda: 1, "ask"])
def test_a_poll_that_cannot_be_asked_is_refused_where_it_is_written(poll: Any) -> None:
    with pytest.raises(UsageError, match="tool 'build': poll is "):

        @tool(poll=poll)
        def build() -> str:
            raise Pending(JOB)


def test_steps_of_flows_wait_too():
    runs = []

    async def order() -> list[Any]:
        runs.append(1)
        return [await step(build), await step.options(id="again")(build)]

    orders = flow(store=MemoryStore(), world=world())(order)

    async def whole() -> None:
        result = await orders.options(thread="t").run()
        [held] = result.waiting
        assert (held.id, held.status, held.handle) == ("build", "pending", TEXT)
        await orders.settle(JOB, {"n": [1, 2]})
        assert await orders.due() == ["t"]
        assert (await orders.resume("t")).status == "waiting"
        [again] = await orders.settle("again", "text", thread="t")
        assert again.call_id == "again"
        assert (await orders.resume("t")).output == [{"n": [1, 2]}, "text"]
        assert await orders.replay("t") is None

    live(whole())


def test_steps_are_polled_and_leave_no_mark_while_the_work_goes_on():
    service = Service([Pending(JOB, due=10)] * 20 + [{"n": 1}])
    polled = service.tool()

    async def order() -> Any:
        return await step(polled)

    orders = flow(store=MemoryStore(), world=world())(order)

    async def whole() -> None:
        await orders.options(thread="t").run()
        before = await orders._store.read("t")
        await keep_resuming(orders, 225)  # type: ignore[arg-type]
        assert len(service.asked) == 20
        assert await orders._store.read("t") == before
        await keep_resuming(orders, 20)  # type: ignore[arg-type]
        assert (await orders.resume("t")).output == {"n": 1}
        assert await orders.replay("t") is None

    live(whole())


def test_a_step_that_is_not_done_in_its_time_has_failed():
    @tool
    async def build() -> str:
        raise Pending(JOB, due=60)

    async def order() -> str:
        try:
            return str(await step(build))
        except TimeoutError as error:
            return f"late: {error}"

    orders = flow(store=MemoryStore(), world=world())(order)

    async def whole() -> None:
        await orders.options(thread="t").run()
        await asyncio.sleep(61)
        assert await orders.due() == ["t"]
        assert (await orders.resume("t")).output.startswith("late: its result hadn't come")

    live(whole())


def test_a_driver_that_has_lost_the_thread_still_notes_what_it_has_begun():
    began = []

    @tool
    async def build(ctx: Context) -> str:
        began.append(JOB)
        await asyncio.sleep(5)
        await ctx.note(JOB)
        raise Pending(JOB)

    agents = builder(build)

    async def whole() -> None:
        await agents.start("go", thread="t")
        await asyncio.sleep(1)
        other = replace(agents, store=Elsewhere(agents._store))
        [held] = (await other.resume("t", take=True)).waiting
        assert held.status == "unknown"
        await asyncio.sleep(10)
        [held] = (await other.resume("t")).waiting
        assert (held.status, held.handle) in (("pending", TEXT), ("unknown", TEXT))
        await other.settle(JOB, "passed")
        assert (await other.resume("t")).answer == "done"

    live(whole())


def test_two_who_ask_at_one_moment_write_one_result():
    service = Service(["passed", "passed"])
    agents = builder(service.tool(), script=[calls("build"), says("done"), says("done")])

    async def whole() -> None:
        await agents.run("go", thread="t")
        await asyncio.sleep(40)
        other = replace(agents, store=Elsewhere(agents._store))
        done = await asyncio.gather(agents.resume("t"), other.resume("t"), return_exceptions=True)
        assert any(not isinstance(each, BaseException) for each in done)
        assert len(await results(agents, "t")) == 1

    live(whole())


@pytest.mark.parametrize("polls", [False, True])
def test_a_store_that_knows_no_times_and_handles_does_too(polls: bool):
    inner = MemoryStore()
    service = Service([Pending(JOB, due=20), "passed"], due=30)
    tools = (service.tool(),) if polls else (build,)
    agents = builder(*tools, store=Door(inner))

    async def whole() -> None:
        await agents.run("go", thread="t")
        if polls:
            await keep_resuming(agents, 100)
            assert [at for _, at in service.asked] == [30, 50]
        else:
            await agents.settle(JOB, "passed")
        assert (await agents.resume("t")).answer == "done"

    live(whole())


@pytest.mark.parametrize("written", [False, True])
@pytest.mark.parametrize("polls", [False, True])
def test_killed_at_every_append_it_comes_to_its_end_with_one_result(polls: bool, written: bool):
    """The work is begun once, or a person is asked what became of it; its result is told once."""
    appends = 0
    finished = False
    while not finished:
        store = MemoryStore()
        begun: list[str] = []

        async def poll(handle: Any, ctx: Context) -> str:
            return "passed"

        async def build(ctx: Context, begun: Any = begun) -> str:
            await ctx.note(JOB)
            begun.append("once")
            raise Pending(JOB, due=30 if polls else None)

        def make(inner: Any, polled: Any = poll, built: Any = build) -> Agent:
            settings = {"poll": polled} if polls else {}
            script = [calls("build"), says("done")]
            return builder(tool(**settings)(_plain(built)), store=inner, script=script)

        finished = live(_die_and_go_on(make, store, appends, written, polls, begun))
        appends += 1
    assert appends > 6


def _plain(built: Any) -> Any:
    async def build(ctx: Context) -> str:
        return str(await built(ctx))

    return build


async def _die_and_go_on(
    make: Any, store: MemoryStore, appends: int, written: bool, polls: bool, begun: list[str]
) -> bool:
    dying = DyingStore(store, appends, Died, written)
    finished = True
    try:
        agents = make(dying)
        result = await agents.run("go", thread="t")
        if result.status == "waiting":
            if not polls:
                await agents.settle(JOB, "passed")
            await asyncio.sleep(40)
            await agents.resume("t")
    except Died:
        finished = False
    await asyncio.sleep(40)
    for _ in range(6):
        agents = make(store)
        records = await records_of(agents, "t")
        if not records:
            return finished
        state = fold(records)
        if state.phase == "idle":
            break
        told = sum(isinstance(record.event, e.ModelReplied) for record in records)
        script = [calls("build"), says("done")][told:]
        agents = replace(agents, model=ScriptedModel(script))
        result = await agents.resume("t")
        for held in result.waiting:
            if held.handle:
                await agents.settle(JOB, "passed")
            else:
                await agents.post("t", OutcomeDecided(held.id, "not_run", "ann"))
    came = await results(agents, "t")
    assert [each.content for each in came] == ["passed"]
    assert len(begun) <= 2
    records = await records_of(agents, "t")
    assert isinstance(records[-1].event, e.TurnEnded)
    assert await replay(records) is None
    return finished


def test_what_is_written_after_the_time_of_a_question_puts_it_off_all_the_same():
    """Found by the simulator: such a thread counted as unfinished, and was asked about at each look."""
    service = Service([Pending(JOB, due=10)] * 3 + ["passed"])
    pay = tool(needs_approval=True, parallel=True)(pay_it)
    script = [calls("build", "pay_it"), says("done")]
    agents = builder(service.tool(parallel=True), pay, script=script)

    async def whole() -> None:
        waiting = (await agents.run("go", thread="t")).waiting
        [held] = [each for each in waiting if each.status == "waiting"]
        await asyncio.sleep(31)
        await agents.post("t", e.ApprovalGiven(held.id, False, "ann"))
        result = await agents.resume("t")
        assert (result.status, [each.status for each in result.waiting]) == ("waiting", ["pending"])
        assert await agents.due() == []
        await keep_resuming(agents, 60)
        assert [at for _, at in service.asked] == [31, 41, 51, 61]
        assert (await agents.resume("t")).answer == "done"
        assert await replay(await records_of(agents, "t"), agents.run_settings) is None

    live(whole())


async def pay_it() -> str:
    return "paid"


class Plain:
    """A store that finds no threads by their handles."""

    def __init__(self) -> None:
        self.rows = MemoryStore()
        self.append, self.read, self.threads = self.rows.append, self.rows.read, self.rows.threads


def test_where_a_store_finds_no_handles_a_damaged_thread_hides_no_call():
    store = Plain()
    agents = builder(store=store)
    live(agents.run("go", thread="t"))
    for name in ("a", "z"):
        live(store.append(name, [Row(1, 0.0, b"not JSON")]))
    [settled] = live(agents.settle(JOB, "ok"))
    assert settled.thread_id == "t"
