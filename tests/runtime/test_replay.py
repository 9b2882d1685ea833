import asyncio
import contextlib
from collections.abc import Sequence
from dataclasses import replace as changed
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from crash.scripts import PLOTS, Plot, Stage, finished, job, meddled, revived, settled
from fakes import agent, found, live, world
from treadle import (
    Agent,
    Context,
    DidNotRun,
    Limits,
    MemoryStore,
    Pending,
    Record,
    Rule,
    ScriptedModel,
    ToolError,
    ToolRetry,
    tool,
)
from treadle.core import events as e
from treadle.core.errors import Fenced, IllegalEvent, ModelUnavailable, UsageError
from treadle.core.policy import Policy
from treadle.models.scripted import calls, says
from treadle.runtime.divergence import Divergence
from treadle.runtime.fork import fork
from treadle.runtime.log import open_log
from treadle.runtime.replay import replay
from treadle.runtime.settings import RunSettings
from treadle.runtime.world import World
from treadle.stores.store import Row


async def recorded(stage: Stage, fate: str, moment_s: float) -> tuple[Agent, list[Record]]:
    """A thread that lived through what `fate` says, and what was written of it."""
    agents = stage.agent()
    people = asyncio.create_task(meddled(agents, stage.plot.meddle_s))
    task = asyncio.create_task(settled(agents.run("go", thread="t"), agents))
    if fate in ("cancelled", "cancelled elsewhere", "taken over"):
        await asyncio.sleep(moment_s)
        if fate == "cancelled":
            task.cancel()
        with contextlib.suppress(IllegalEvent):  # it may have ended
            if fate == "cancelled elsewhere":
                await agents.post("t", e.TurnEnded("cancelled", "by bob"))
        if fate == "taken over":
            await settled(Stage(stage.plot, stage.store).agent().resume("t"), agents)
    await asyncio.gather(task, return_exceptions=True)
    await people
    result = await settled(agents.resume("t"), agents)
    if fate == "forked":
        at = 3 + int(moment_s * 10) % (len(await stage.records()) - 2)
        edit = "or rather" if at % 3 == 0 else None
        forked = await fork(stage.store, "t", at=None if edit else at, edit=edit, world=World())
        await finished(
            agents, await settled(agents.resume(forked.thread_id), agents, forked.thread_id)
        )
        return agents, await stage.records(forked.thread_id)
    await finished(agents, result, "ran")
    if fate == "said more":
        await finished(agents, await settled(agents.run("more", thread="t"), agents))
    return agents, await stage.records()


FATES = st.sampled_from(
    ["", "said more", "cancelled", "cancelled elsewhere", "taken over", "forked"]
)


async def in_time(records: Sequence[Record], work: RunSettings | None) -> Divergence | None:
    """The replay, which takes no time at all: it must never wait for what doesn't come."""
    async with asyncio.timeout(60):
        return await replay(records, work)


@given(PLOTS, FATES, st.sampled_from([0.005, 0.02, 0.4, 0.5, 1.1, 3.0]))
@settings(max_examples=60)
def test_any_recorded_thread_replays_to_the_same_records(
    plot: Plot, fate: str, moment_s: float
) -> None:
    async def whole() -> None:
        agents, records = await recorded(Stage(plot), fate, moment_s)
        assert await in_time(records, job(agents)) is None
        assert await in_time(records, None) is None, "without the agent's code"

    live(whole())


@given(PLOTS, st.data())
@settings(max_examples=20)
def test_so_does_any_beginning_of_one_and_what_a_crash_and_a_resume_made_of_it(
    plot: Plot, data: Any
) -> None:
    async def whole() -> None:
        stage = Stage(plot)
        agents, records = await recorded(stage, "", 0.0)
        for _ in range(2):
            records = records[: data.draw(st.sampled_from(stage.store.ends))]
            assert await in_time(records, job(agents)) is None
            assert await in_time(records, None) is None
            stage = await revived(plot, records, stage.store.ends)
            agents = stage.agent()
            await finished(agents, await settled(agents.resume("t"), agents))
            records = await stage.records()
            assert await in_time(records, job(agents)) is None
            assert await in_time(records, None) is None

    live(whole())


@given(PLOTS, FATES, st.data())
@settings(max_examples=40)
def test_a_recording_that_was_tampered_with_is_named_or_refused_and_never_hangs(
    plot: Plot, fate: str, data: Any
) -> None:
    async def whole() -> None:
        agents, records = await recorded(Stage(plot), fate, 0.4)
        at = data.draw(st.integers(0, len(records) - 1))
        other = data.draw(st.sampled_from(records))
        what = data.draw(st.sampled_from(["left out", "doubled", "replaced"]))
        events = [record.event for record in records]
        if what == "left out":
            del events[at]
        elif what == "doubled":
            events.insert(at, events[at])
        else:
            events[at] = other.event
        if not events:
            return
        forged = [
            Record("t", seq, records[min(seq, len(records)) - 1].at, event)
            for seq, event in enumerate(events, 1)
        ]
        with contextlib.suppress(IllegalEvent):
            await in_time(forged, job(agents))
        with contextlib.suppress(IllegalEvent, UsageError):
            await in_time(forged, None)

    live(whole())


# Each kind of change, by name


@tool
def add(a: int, b: int = 1) -> int:
    """Add."""
    return a + b


@tool
def busy(context_free: int = 0) -> str:
    """Is busy once."""
    tries.append(1)
    if len(tries) % 2:
        raise ToolRetry("busy", retry_after_s=1.0)
    return "free"


tries: list[int] = []


def job_of(
    system: str = "sys", tools: Sequence[Any] = (add, busy), name: str = "scripted", **setup: Any
) -> RunSettings:
    return RunSettings(
        Policy({each.name: each for each in tools}, **setup), ScriptedModel([], name=name), system
    )


@pytest.fixture(scope="module")
def records() -> list[Record]:
    """A turn of two rounds: parallel calls, one retried, a model that fails once, an answer."""

    async def whole() -> list[Record]:
        script = [
            *(calls(("add", {"a": 1}), "busy"), ModelUnavailable("503"), calls(("add", {"a": 2}))),
            says("the sum is 3"),
        ]
        agents = agent(ScriptedModel(script), add, busy, instructions="sys")
        await agents.run("go", thread="t")
        return (await open_log("t", agents.store, world())).records

    return live(whole())


def first(records: Sequence[Record], work: RunSettings) -> Divergence | None:
    return live(in_time(records, work))


def where(records: Sequence[Record], kind: type, nth: int = 0) -> int:
    return [record.seq for record in records if isinstance(record.event, kind)][nth]


def test_the_agent_that_made_it_replays_it(records: list[Record]) -> None:
    assert first(records, job_of()) is None


@tool
async def slow(number: int) -> int:
    """Take long."""
    await asyncio.sleep(60)
    return number


def test_a_call_without_an_end_is_named_though_another_one_is_decided_on() -> None:
    async def whole() -> None:
        script = [calls(("looks", {"number": 1}), ("slow", {"number": 2})), says("no")]
        slows = changed(slow, timeout_s=1.0, parallel=True)
        looks = changed(slows, name="looks", read_only=True)
        agents = changed(agent(ScriptedModel(script), slows, looks), unknown="tell")
        await agents.run("go", thread="t")
        records = (await open_log("t", agents.store, world())).records
        [left, _] = [record.seq for record in records if isinstance(record.event, e.ToolFailed)]
        events = [record.event for record in records if record.seq != left]
        forged = [replace(records[n], seq=n + 1, event=each) for n, each in enumerate(events)]
        named = await in_time(forged, agents.run_settings)
        assert (named.seq, named.field) == (left + 1, "event")

    live(whole())


def test_other_instructions_show_at_the_first_prompt(records: list[Record]) -> None:
    named = first(records, job_of("other"))
    assert (named.seq, named.field) == (where(records, e.ModelCalled), "prompt_hash")


def test_another_schema_of_a_tool_shows_at_the_first_prompt(records: list[Record]) -> None:
    @tool(name="add")
    def adds(a: int, b: int = 1, c: int = 0) -> int:
        """Add."""
        return a + b

    named = first(records, job_of(tools=(adds, busy)))
    assert (named.seq, named.field) == (where(records, e.ModelCalled), "prompt_hash")


def test_another_model_shows_by_its_name(records: list[Record]) -> None:
    named = first(records, job_of(name="scripted:mini"))
    assert (named.seq, named.field, named.recorded) == (
        where(records, e.ModelCalled),
        "model",
        "scripted",
    )


def test_a_limit_shows_where_it_first_binds(records: list[Record]) -> None:
    named = first(records, job_of(limits=Limits(steps=2)))
    assert named.seq == where(records, e.ModelCalled, 3)
    assert isinstance(named.recorded, e.ModelCalled)
    assert named.replayed == e.LimitReached("steps", 2, 2)


def test_fewer_tries_of_the_model_show_at_its_failure(records: list[Record]) -> None:
    named = first(records, job_of(limits=Limits(model_tries=1)))
    assert named.seq == where(records, e.ModelFailed) + 1
    assert isinstance(named.replayed, e.TurnEnded)


def test_a_rule_that_asks_shows_at_the_first_call_it_matches(records: list[Record]) -> None:
    named = first(records, job_of(rules=(Rule("busy", "ask"),)))
    assert named.seq == where(records, e.ToolStarted)
    assert isinstance(named.replayed, e.ApprovalAsked)


def test_a_tool_that_is_gone_shows_as_the_prompt_that_lacks_it(records: list[Record]) -> None:
    named = first(records, job_of(tools=(add,)))
    assert (named.seq, named.field) == (where(records, e.ModelCalled), "prompt_hash")


def forged(records: Sequence[Record], seq: int, **changes: Any) -> list[Record]:
    event = replace(records[seq - 1].event, **changes)
    return [*records[: seq - 1], replace(records[seq - 1], event=event), *records[seq:]]


def test_a_hash_of_an_older_kind_is_not_said_to_differ(records: list[Record]) -> None:
    # Older hashes and estimates are of the bytes of chat completions: nobody makes those again.
    old = list(records)
    for seq in (record.seq for record in records if isinstance(record.event, e.ModelCalled)):
        old = forged(old, seq, prompt_hash="0123456789abcdef", prompt_tokens=120)
    assert first(old, job_of()) is None
    changed = forged(old, where(records, e.ToolReturned), content="99")
    assert first(changed, job_of()) is None  # so this can't be seen
    named = first(old, job_of(name="scripted:mini"))
    assert named.field == "model"


def test_a_forged_result_shows_in_the_next_prompt(records: list[Record]) -> None:
    named = first(forged(records, where(records, e.ToolReturned), content="99"), job_of())
    assert (named.seq, named.field) == (where(records, e.ModelCalled, 1), "prompt_hash")


def test_a_forged_reply_shows_in_what_was_done_next(records: list[Record]) -> None:
    reply = where(records, e.ModelReplied, 1)
    calls = records[reply - 1].event.calls  # type: ignore[union-attr]
    named = first(forged(records, reply, content=(e.Text("more"), *calls)), job_of())
    assert (named.seq, named.field) == (where(records, e.ModelCalled, 3), "prompt_hash")
    named = first(forged(records, reply, content="it is"), job_of())
    assert named.seq == reply + 1


def test_forged_arguments_show_in_the_key(records: list[Record]) -> None:
    reply = where(records, e.ModelReplied, 1)
    call = records[reply - 1].event.calls[0]  # type: ignore[union-attr]
    named = first(forged(records, reply, content=(replace(call, arguments='{"a": 3}'),)), job_of())
    assert (named.seq, named.field) == (where(records, e.ToolStarted, -1), "key")


def test_a_forged_message_shows_in_the_first_prompt(records: list[Record]) -> None:
    named = first(forged(records, where(records, e.UserSaid), content="stop"), job_of())
    assert (named.seq, named.field) == (where(records, e.ModelCalled), "prompt_hash")


def test_a_forged_end_is_named(records: list[Record]) -> None:
    named = first(forged(records, len(records), status="failed"), job_of())
    assert (named.seq, named.field, named.recorded, named.replayed) == (
        len(records),
        "status",
        "failed",
        "answered",
    )
    assert str(named) == f"record {len(records)}: status was 'failed', is now 'answered'"


def test_a_result_for_a_call_that_nobody_made_is_named(records: list[Record]) -> None:
    seq = where(records, e.ToolReturned)
    named = first(forged(records, seq, call_id="c99999000"), job_of())
    assert (named.seq, named.field, named.replayed) == (seq, "event", None)


def test_another_name_for_the_same_function_changes_nothing_that_is_recorded(
    records: list[Record],
) -> None:
    work = job_of(tools=(changed(add, timeout_s=1.0), busy))
    assert first(records, work) is None


def test_a_replay_runs_no_tool_and_asks_no_model(records: list[Record]) -> None:
    tries.clear()
    model = ScriptedModel([])
    assert first(records, changed(job_of(), model=model)) is None
    assert (model.seen, tries) == ([], [])


# Where people and the loop write at the same time


def test_an_approval_that_comes_before_the_next_append_is_seen_by_what_is_decided_next() -> None:
    """It lands between a decision and its append: the loop, and the replay, decide again."""

    class Meddled(MemoryStore):
        meddled = False

        async def append(self, thread_id: str, rows: Sequence[Row]) -> None:
            if b'"ToolStarted"' in rows[0].event and not self.meddled:
                self.meddled = True
                waiting = (await open_log("t", self, World())).records[-1].event
                assert isinstance(waiting, e.ApprovalAsked)
                await agents.post("t", e.ApprovalGiven(waiting.call_id, True, "ann"))
            await super().append(thread_id, rows)

    @tool(needs_approval=True)
    async def guarded() -> str:
        return "ok"

    script = [calls(("add", {"a": 1}), "guarded"), says("done")]
    agents = agent(ScriptedModel(script), add, guarded, store=Meddled(), world=World())

    async def whole() -> None:
        result = await agents.run("go", thread="t")
        assert result.answer == "done"
        assert len(found(result, e.ToolStarted)) == 2
        log = await open_log("t", agents.store, World())
        assert await in_time(log.records, job(agents)) is None

    live(whole())


async def replays(agents: Agent, thread: str = "t") -> None:
    """The thread is the same again, with the agent and without it."""
    log = await open_log(thread, agents._store, agents.world)
    assert await replay(log.records, agents.run_settings) is None
    assert await replay(log.records) is None


def test_a_limit_that_is_raised_is_raised_once():
    """The agent is described again with the limits that hold then."""
    script = [calls(("wait", {"n": n})) for n in range(4)] + [says("done")]

    @tool(idempotent=True)
    async def wait(n: int) -> str:
        return "waited"

    agents = agent(ScriptedModel(script), wait, limits=Limits(steps=2, last_word=False))

    async def whole() -> None:
        assert (await agents.run("go", thread="t")).status == "limit"
        await agents.raise_limit("t", "ann", steps=1, seconds=0.5)
        assert (await agents.resume("t")).status == "limit"
        await agents.raise_limit("t", "ann", steps=4)
        assert (await agents.resume("t")).answer == "done"
        await replays(agents)

    live(whole())


def test_a_limit_that_the_code_has_lowered_is_met_before_the_agent_is_described_again():
    @tool
    async def wait(n: int) -> str:
        return "waited"

    script = [calls(("wait", {"n": n})) for n in range(4)]
    agents = agent(ScriptedModel(script), wait, limits=Limits(steps=3, last_word=False))
    lower = changed(agents, limits=Limits(steps=1, last_word=False))

    async def whole() -> None:
        assert (await agents.run("go", thread="t")).status == "limit"
        await agents.raise_limit("t", "ann", steps=2)
        assert (await lower.resume("t")).status == "limit"
        log = await open_log("t", agents._store, agents.world)
        assert await replay(log.records) is None

    live(whole())


def test_a_call_in_the_background_goes_on_where_the_agent_is_described_anew():
    """The loop of a replay stops there, for the new settings; the call's own end is the recorded
    one."""

    @tool(background=True)
    async def dig() -> str:
        await asyncio.sleep(5)
        return "dug"

    @tool
    async def look() -> str:
        await asyncio.sleep(2)
        return "seen"

    script = [calls("dig"), calls("look"), says("so far"), says("all done")]
    agents = agent(ScriptedModel(script), dig, look, limits=Limits(steps=9))

    async def whole() -> None:
        turn = asyncio.create_task(agents.run("go", thread="t"))
        await asyncio.sleep(1)
        await agents.raise_limit("t", "ann", steps=1)
        assert (await turn).answer == "all done"
        async with asyncio.timeout(60):
            await replays(agents)

    live(whole())


def test_what_is_checked_before_an_objection_to_an_earlier_call_comes_first():
    @tool(needs_approval=True)
    async def wire() -> str:
        return "wired"

    @tool
    async def look() -> str:
        return "seen"

    rule = Rule("look", before=lambda call, context: None)
    model = ScriptedModel([calls("wire", "look"), says("done")])
    agents = agent(model, wire, look, rules=[rule])

    async def whole() -> None:
        assert (await agents.run("go", thread="t")).status == "waiting"
        await replays(agents)

    live(whole())


def test_a_fork_replays_whose_children_are_paid_from_an_account():
    helper = Agent(name="helper", model=ScriptedModel([says("helped")]))
    model = ScriptedModel([calls(("helper", {"task": "x"})), says("done")])
    agents = agent(model, helper.as_tool(), limits=Limits(tokens=50_000))

    async def whole() -> None:
        await agents.run("go", thread="t")
        forked = await agents.fork("t")
        await replays(agents, forked.thread_id)

    live(whole())


async def _ship() -> str:
    raise Pending("job", due=1)


def test_a_poll_comes_while_a_background_call_runs():
    @tool(background=True)
    async def dig() -> str:
        await asyncio.sleep(9)
        return "dug"

    async def poll(handle: Any, ctx: Context) -> str:
        raise ToolError("sunk")

    ship = tool(poll=poll)(_ship)
    agents = agent(
        ScriptedModel([calls("dig", "_ship"), says("sunk, it says"), says("done")]), dig, ship
    )

    async def whole() -> None:
        assert (await agents.run("go", thread="t")).answer == "done"
        await replays(agents)

    live(whole())


@pytest.mark.parametrize("asked_s", [0.5, 2.0])
def test_a_message_comes_while_a_tool_is_asked_what_became_of_its_work(asked_s: float) -> None:
    async def poll(handle: Any, ctx: Context) -> str:
        await asyncio.sleep(asked_s)
        return "landed"

    ship = tool(poll=poll)(_ship)
    agents = agent(ScriptedModel([calls("_ship"), says("fine"), says("done")]), ship)

    async def whole() -> None:
        assert (await agents.run("go", thread="t")).status == "waiting"
        await asyncio.sleep(5)
        turn = asyncio.create_task(agents.resume("t"))
        await asyncio.sleep(0.2)
        await agents.steer("t", "hurry")
        await turn
        await replays(agents)

    live(whole())


def test_a_driver_decides_by_what_it_found_whatever_a_person_decides_next():
    async def asked(n: int, ctx: Context) -> type[DidNotRun]:
        await asyncio.sleep(3)
        return DidNotRun

    @tool(verify=asked, parallel=True)
    async def pay(n: int) -> str:
        await asyncio.sleep(60)
        return "paid"

    async def whole() -> None:
        model = ScriptedModel([calls(("pay", {"n": 1}), ("pay", {"n": 2})), says("done")])
        agents = agent(model, pay)
        first = asyncio.create_task(agents.run("go", thread="t"))
        await asyncio.sleep(0.2)
        other = await open_log("t", agents._store, agents.world)
        await other.append(e.ThreadClaimed("other", driver="another process"))
        turn = asyncio.create_task(agents.resume("t"))
        await asyncio.sleep(0.2)
        _, second = other.state.calls
        await agents.post("t", e.OutcomeDecided(second, "not_run", "ann"))
        await turn
        with pytest.raises(Fenced):
            await first
        await replays(agents)

    live(whole())


def test_the_time_of_a_call_is_up_while_a_failed_model_rests():
    @tool
    async def ship() -> str:
        raise Pending("job", due=5)

    down = ModelUnavailable("down", retry_after_s=10)
    script = [calls("ship"), down, says("not yet"), says("it is late")]

    async def whole() -> None:
        agents = agent(ScriptedModel(script), ship)
        assert (await agents.run("go", thread="t")).status == "waiting"
        await agents.steer("t", "where is it?")
        assert (await agents.resume("t")).answer == "it is late"
        await replays(agents)

    live(whole())
