"""Agents that work for others, and agents that take over: threads, limits, people, cancelling."""

import asyncio
from dataclasses import replace

import pytest

from fakes import agent, found, live, names
from treadle import Agent, Fenced, Limits, MemoryStore, StoreError, ToolRetry, UsageError, tool
from treadle.core import events as e
from treadle.core.function_tool import make_tool
from treadle.models.scripted import ScriptedModel, calls, says
from treadle.runtime.log import open_log
from treadle.runtime.team import MAX_DEPTH, find_team
from treadle.runtime.world import World


@tool(read_only=True)
def look(what: str = "") -> str:
    """Look."""
    return f"seen {what}"


@tool(needs_approval=True)
def pay(amount: int) -> str:
    """Pay."""
    return f"paid {amount}"


def boss(helper, *script, **settings):
    return agent(ScriptedModel(script), helper.as_tool("ask_helper"), **settings)


def ask(task="look it up"):
    return ("ask_helper", {"task": task})


def test_an_agent_answers_as_a_tool_in_a_thread_of_its_own():
    helper = Agent(
        "Help.",
        model=ScriptedModel([calls(("look", {"what": "it"})), says("it is there")]),
        tools=[look],
    )
    top = boss(helper, calls(ask()), says("found"))
    result = live(top.run("go", thread="t"))
    assert result.answer == "found"
    [started] = found(result, e.ChildStarted)
    assert started.thread_id == f"t.{started.call_id}"
    [returned] = found(result, e.ToolReturned)
    assert returned.content == "[the agent agent]\nit is there"
    below = live(top.resume(started.thread_id))
    first = below.records[0].event
    assert first.text == "look it up"
    opened = live(opened_by(top.store, started.thread_id))
    assert (opened.parent_thread_id, opened.parent_call_id, opened.depth) == (
        "t",
        started.call_id,
        1,
    )
    assert live(top.replay("t")) is None


async def opened_by(store, thread):
    from treadle.core.codec import decode_event

    return decode_event((await store.read(thread))[0].event)


def test_what_it_used_counts_above():
    helper = Agent(model=ScriptedModel([says("yes")], price_usd=(0.01, 0.1)))
    top = boss(helper, calls(ask()), says("done"))
    result = live(top.run("go"))
    [returned] = found(result, e.ToolReturned)
    assert returned.usage.total_tokens > 0
    assert returned.cost_usd == pytest.approx(
        returned.usage.input_tokens * 0.01 + returned.usage.output_tokens * 0.1
    )
    own = sum((reply.usage.total_tokens for reply in found(result, e.ModelReplied)), 0)
    assert result.usage.total_tokens == result.summary().tokens == own + returned.usage.total_tokens
    assert result.summary().cost_usd == pytest.approx(returned.cost_usd)


def test_it_is_paid_from_the_account_of_the_turn_above():
    helper = Agent(model=ScriptedModel([says("yes"), says("no")]), limits=Limits(tokens=None))
    top = boss(helper, calls(ask(), ask("other")), says("done"), limits=Limits(tokens=20_000))
    result = live(top.run("go", thread="t"))
    assert [child.account for child in found(result, e.ChildStarted)] == ["turn:t#3"] * 2
    children = [child.thread_id for child in found(result, e.ChildStarted)]
    for thread in children:
        [called] = found(live(open_log(thread, top.store, top.world)), e.ModelCalled)
        assert called.accounts == ("turn:t#3",)
    balance = live(top.store.balance("turn:t#3", 0.0))
    assert balance.tokens == result.usage.total_tokens
    assert not balance.holders


def test_a_limit_below_is_told_as_an_error_and_binds():
    helper = Agent(
        model=ScriptedModel([calls("look"), calls("look")]),
        tools=[look],
        limits=Limits(steps=1, last_word=False),
    )
    top = boss(helper, calls(ask()), says("it gave up"))
    result = live(top.run("go"))
    assert (
        "[the agent agent] gave no answer: limit, steps" in found(result, e.ToolFailed)[0].message
    )
    assert result.answer == "it gave up"


def test_a_person_is_asked_at_the_top_for_what_is_needed_below():
    helper = Agent(
        model=ScriptedModel([calls(("pay", {"amount": 7})), says("paid")]),
        tools=[pay],
        name="payer",
    )
    middle = Agent(
        model=ScriptedModel([calls(ask()), says("all paid")]), tools=[helper.as_tool("ask_helper")]
    )
    top = boss(
        middle, calls(ask(), ("look", {})), says("done"), tools=[look, middle.as_tool("ask_helper")]
    )
    result = live(top.run("go", thread="t"))
    assert result.status == "waiting"
    [held] = result.waiting
    assert (held.name, held.final_arguments, held.status) == ("pay", '{"amount": 7}', "waiting")
    assert held.thread_id.count(".") == 2
    assert live(top.resume("t")).waiting == result.waiting, "resumed too early it waits again"
    live(top.post(held.thread_id, e.ApprovalGiven(held.id, True, "ann")))
    done = live(top.resume("t"))
    assert (done.status, done.answer) == ("answered", "done")
    assert done.summary().tool_retries == 0, "to go on is no retry"
    assert names(done.records).count("ChildWaits") == 2
    assert live(top.replay("t")) is None


def test_a_thread_below_goes_on_only_with_the_one_above():
    helper = Agent(model=ScriptedModel([calls(("pay", {"amount": 7}))]), tools=[pay])
    top = boss(helper, calls(ask()))
    [held] = live(top.run("go", thread="t")).waiting
    for agent_ in (top, replace(helper, store=top.store)):
        with pytest.raises(UsageError, match="when its parent"):
            live(agent_.resume(held.thread_id))


def test_a_fork_has_no_part_in_the_threads_below_and_repeats_nothing_unasked():
    helper = Agent(
        model=ScriptedModel([calls(("pay", {"amount": 7})), says("paid"), says("nothing to pay")]),
        tools=[pay],
    )
    top = boss(helper, calls(ask()), says("done"), says("done again"))
    [held] = live(top.run("go", thread="t")).waiting
    fork = live(top.fork("t")).thread_id
    [unknown] = live(top.resume(fork)).waiting
    assert (unknown.thread_id, unknown.name, unknown.status) == (fork, "ask_helper", "unknown")
    live(top.post(held.thread_id, e.ApprovalGiven(held.id, True, "ann")))
    assert live(top.resume("t")).answer == "done"
    live(top.post(fork, e.OutcomeDecided(unknown.id, "not_run", "ann")))
    result = live(top.resume(fork))
    assert result.answer == "done again"
    assert [child.thread_id for child in found(result, e.ChildStarted)] == [
        held.thread_id,
        f"{fork}.{unknown.id}",
    ]


def test_a_fork_of_a_thread_below_is_a_thread_of_its_own():
    helper = Agent(model=ScriptedModel([calls(("pay", {"amount": 7})), says("paid")]), tools=[pay])
    top = boss(helper, calls(ask()))
    [held] = live(top.run("go", thread="t")).waiting
    own = replace(helper, store=top.store)
    fork = live(own.fork(held.thread_id)).thread_id
    live(own.post(fork, e.ApprovalGiven(held.id, True, "ann")))
    assert live(own.resume(fork)).answer == "paid"


def test_an_edit_posted_at_the_top_is_checked_by_the_tool_below():
    @tool
    def other(amount: str) -> str:
        """Another tool of the same name."""
        return amount

    helper = Agent(
        model=ScriptedModel([calls(("pay", {"amount": 7})), says("paid")]),
        tools=[pay],
        name="payer",
    )
    middle = Agent(
        model=ScriptedModel([calls(ask()), says("all paid")]), tools=[helper.as_tool("ask_helper")]
    )
    namesake = replace(make_tool(other.function), name="pay")
    top = boss(middle, calls(ask()), says("done"), tools=[namesake, middle.as_tool("ask_helper")])
    [held] = live(top.run("go", thread="t")).waiting
    with pytest.raises(UsageError, match="those arguments won't do"):
        live(
            top.post(
                held.thread_id, e.ApprovalGiven(held.id, True, "ann", arguments='{"amount": "x"}')
            )
        )
    live(top.post(held.thread_id, e.ApprovalGiven(held.id, True, "ann", arguments='{"amount": 8}')))
    assert live(top.resume("t")).answer == "done"
    assert (
        found(live(replace(helper, store=top.store).resume(held.thread_id)), e.ToolReturned)[
            0
        ].content
        == "paid 8"
    )


def test_an_edit_is_checked_by_the_tool_of_whoever_was_handed_the_thread():
    desk, _ = team([calls("hand_to_billing")], [calls(("pay", {"amount": 7})), says("paid")])
    [held] = live(desk.run("my bill?", thread="t")).waiting
    live(desk.post("t", e.ApprovalGiven(held.id, True, "ann", arguments='{"amount": 8}')))
    assert live(desk.resume("t")).answer == "paid"


def test_cancelling_reaches_every_thread_below():
    helper = Agent(model=ScriptedModel([calls(("pay", {"amount": 7}))]), tools=[pay])
    middle = Agent(model=ScriptedModel([calls(ask())]), tools=[helper.as_tool("ask_helper")])
    top = boss(middle, calls(ask()))
    held = live(top.run("go", thread="t")).waiting[0]
    live(top.post("t", e.TurnEnded("cancelled", "by ann")))
    assert live(top.resume(held.thread_id)).status == "cancelled"
    assert live(top.resume("t")).status == "cancelled"


def test_a_crash_between_the_end_above_and_those_below_is_made_good_by_resuming():
    helper = Agent(model=ScriptedModel([calls(("pay", {"amount": 7}))]), tools=[pay])
    top = boss(helper, calls(ask()))
    [held] = live(top.run("go", thread="t")).waiting

    async def ended_above():
        await (await open_log("t", top.store, World())).append(e.TurnEnded("cancelled", "by ann"))

    live(ended_above())
    assert live(top.resume("t")).status == "cancelled"
    assert live(top.resume(held.thread_id)).reason == "by ann"


class Hangs(ScriptedModel):
    async def reply(self, request, emit):
        await asyncio.sleep(1e6)


def test_cancelling_the_task_reaches_a_child_that_runs():
    store = MemoryStore()
    top = boss(Agent(model=Hangs([])), calls(ask()), store=store)

    async def whole():
        task = asyncio.create_task(top.run("go", thread="t"))
        await asyncio.sleep(1)
        task.cancel()
        await asyncio.wait([task])
        return await store.threads()

    below = next(info.thread_id for info in live(whole()) if info.thread_id != "t")
    assert live(top.resume(below)).status == "cancelled"


def test_a_driver_that_is_fenced_leaves_the_threads_below_to_whoever_has_taken_it():
    store = MemoryStore()
    top = boss(Agent(model=Hangs([])), calls(ask()), store=store)

    async def whole():
        task = asyncio.create_task(top.run("go", thread="t"))
        await asyncio.sleep(1)
        log = await open_log("t", store, World())
        await log.append(e.ThreadClaimed("another process"))  # which has not come to the child yet
        await asyncio.wait([task])
        assert isinstance(task.exception(), Fenced)
        helper = Agent(model=ScriptedModel([says("it is there")]))
        return await boss(helper, says("found"), store=store).resume("t")

    result = live(whole())
    assert found(result, e.ToolReturned)[0].content == "[the agent agent]\nit is there"
    assert result.answer == "found"


def test_a_store_that_breaks_above_leaves_the_threads_below_to_be_resumed():
    class Breaks(MemoryStore):
        broken = False

        async def append(self, thread_id, rows):
            if self.broken and thread_id == "t":
                raise StoreError("the disk is full")
            await super().append(thread_id, rows)

    store, fuse = Breaks(), [True]
    helper = Agent(model=Hangs([]), name="slow")

    @tool(read_only=True)
    async def breaks() -> str:
        """Break."""
        await asyncio.sleep(1)
        store.broken = fuse.pop() if fuse else False
        return "broken"

    script = [calls(("slow", {"task": "wait"}), "breaks"), says("found")]
    top = agent(ScriptedModel(script), helper.as_tool(), breaks, store=store)
    with pytest.raises(StoreError, match="full"):
        live(top.run("go", thread="t"))
    store.broken = False
    helper = Agent(model=ScriptedModel([says("it is there")]), name="slow")
    result = live(
        agent(ScriptedModel(script[1:]), helper.as_tool(), breaks, store=store).resume("t")
    )
    assert "[the agent slow]\nit is there" in [
        event.content for event in found(result, e.ToolReturned)
    ]


def test_a_store_that_breaks_below_is_no_error_for_the_model_but_everybody_s():
    class Breaks(MemoryStore):
        async def append(self, thread_id, rows):
            if thread_id != "t":
                raise StoreError("the disk is full")
            await super().append(thread_id, rows)

    helper = Agent(model=ScriptedModel([]))
    top = boss(helper, calls(ask()), store=Breaks())
    with pytest.raises(StoreError, match="full"):
        live(top.run("go", thread="t"))
    mended = boss(
        Agent(model=ScriptedModel([says("it is there")])), says("found"), store=MemoryStore()
    )
    live(copied(top.store, mended.store))
    assert live(mended.resume("t")).answer == "found"


async def copied(from_store, to_store):
    for info in await from_store.threads():
        await to_store.append(info.thread_id, await from_store.read(info.thread_id))


def test_a_child_that_somebody_else_claims_is_taken_back_by_its_parent_s_driver():
    store = MemoryStore()
    asked = []

    class HangsOnce(ScriptedModel):
        async def reply(self, request, emit):
            asked.append(request)
            if len(asked) == 1:
                await asyncio.sleep(1e6)
            return says("it is there")

    top = boss(Agent(model=HangsOnce([])), calls(ask()), says("found"), store=store)

    async def whole():
        task = asyncio.create_task(top.run("go", thread="t"))
        await asyncio.sleep(1)
        child = next(info.thread_id for info in await store.threads() if info.thread_id != "t")
        await (await open_log(child, store, World())).append(e.ThreadClaimed("another process"))
        return (await task).answer

    assert live(whole()) == "found"
    assert len(asked) == 2


@pytest.mark.parametrize("own_s", [None, 4.0])
def test_a_child_that_takes_too_long_is_ended(own_s):
    @tool(timeout_s=None, read_only=True)
    async def dawdle() -> str:
        """Dawdle."""
        await asyncio.sleep(1e6)
        return ""

    helper = Agent(
        model=ScriptedModel([calls("dawdle")]), tools=[dawdle], limits=Limits(seconds=own_s)
    )
    top = boss(helper, calls(ask()), says("too late"), limits=Limits(seconds=5.0))
    result = live(top.run("go"))
    [child] = found(result, e.ChildStarted)
    assert live(top.resume(child.thread_id)).status in ("cancelled", "limit")


def test_a_turn_that_ends_at_a_limit_ends_those_that_wait_below():
    helper = Agent(model=ScriptedModel([calls(("pay", {"amount": 7}))]), tools=[pay], name="payer")
    script = [calls(("payer", {"task": "pay"}), "later")]

    @tool
    def later() -> str:
        """Never."""
        raise ToolRetry("busy", retry_after_s=100)

    top = agent(ScriptedModel(script), helper.as_tool(), later, limits=Limits(seconds=50))
    result = live(top.run("go", thread="t"))
    assert (result.status, result.reason) == ("limit", "seconds")
    assert live(top.replay("t")) is None
    [child] = found(result, e.ChildStarted)
    assert live(top.resume(child.thread_id)).status == "cancelled"


def test_after_a_crash_between_a_limit_and_the_turn_s_end_those_below_are_ended_too():
    helper = Agent(model=ScriptedModel([calls(("pay", {"amount": 7}))]), tools=[pay], name="payer")

    @tool
    def later() -> str:
        """Never."""
        raise ToolRetry("busy", retry_after_s=100)

    script = [calls(("payer", {"task": "pay"}), "later")]
    top = agent(ScriptedModel(script), helper.as_tool(), later, limits=Limits(seconds=50))
    live(top.run("go", thread="t"))
    log = live(open_log("t", top.store, top.world)).records
    [limit] = [record.seq for record in log if isinstance(record.event, e.LimitReached)]
    [child] = [record.event.thread_id for record in log if isinstance(record.event, e.ChildStarted)]
    crashed = MemoryStore()
    live(crashed.append("t", live(top.store.read("t"))[:limit]))
    live(crashed.append(child, live(top.store.read(child))[:-1]))  # all but its end
    again = replace(top, store=crashed)
    assert live(again.resume(live(again.fork("t")).thread_id)).status == "limit"
    assert (
        live(open_log(child, crashed, top.world)).state.phase != "idle"
    )  # a fork has no part in it
    assert live(again.resume("t")).status == "limit"
    assert live(again.resume(child)).status == "cancelled"


def test_a_failure_below_is_an_error_for_the_model_above():
    helper = Agent(model=ScriptedModel([says(" "), says(" "), says(" ")]))
    top = boss(helper, calls(ask()), says("no luck"))
    result = live(top.run("go"))
    assert "gave no answer: failed" in found(result, e.ToolFailed)[0].message
    assert result.answer == "no luck"
    assert live(top.replay(result.thread_id)) is None


@pytest.mark.parametrize(
    "bad", ["{}", '{"task": " "}', '{"task": 1}', '{"task": "x", "more": 1}', "{"]
)
def test_a_task_is_one_text(bad):
    top = boss(Agent(model=ScriptedModel([])), calls(("ask_helper", bad)), says("ok"))
    assert found(live(top.run("go")), e.ToolFailed)[0].kind == "arguments"


def test_agents_that_call_each_other_come_to_an_end():
    model = ScriptedModel(
        [lambda request: calls(ask()) if len(request.messages) < 2 else says("up")] * 40
    )
    deep = Agent(model=model)
    for _ in range(MAX_DEPTH + 2):
        deep = Agent(model=model, tools=[deep.as_tool("ask_helper")])
    top = agent(model, deep.as_tool("ask_helper"))
    assert live(top.run("go")).answer == "up"
    assert max(info.thread_id.count(".") for info in live(top.store.threads())) == MAX_DEPTH


# Handing over


def team(*scripts, rules=()):
    models = [ScriptedModel(script) for script in scripts]
    billing = Agent(
        "Billing.",
        name="billing",
        model=models[1],
        tools=[pay],
        handoffs=["desk"],
        description="Bills.",
    )
    desk = agent(models[0], look, name="desk", handoffs=[billing], rules=rules)
    return desk, models


def test_another_agent_takes_the_thread_over_with_its_instructions_and_tools():
    desk, models = team([calls("hand_to_billing")], [says("your bill is 7"), says("as I said")])
    result = live(desk.run("my bill?", thread="t"))
    assert result.answer == "your bill is 7"
    assert found(result, e.HandedOff) == [e.HandedOff("c00005000", "billing")]
    seen = models[1].seen[0]
    assert seen.messages[0].text == "Billing."
    assert seen.messages[-1].text == "done: billing is in charge of the conversation now"
    assert [schema.name for schema in seen.tools] == ["pay", "hand_to_desk"]
    assert "Bills." in models[0].seen[0].tools[1].description
    assert live(desk.run("again?", thread="t")).answer == "as I said", "it stays in charge"
    assert live(desk.replay("t")) is None


def test_it_may_hand_back_where_that_is_declared():
    desk, _ = team([calls("hand_to_billing"), says("back at the desk")], [calls("hand_to_desk")])
    assert live(desk.run("go")).answer == "back at the desk"


def test_the_other_calls_of_the_reply_are_done_too_and_only_one_takes_over():
    desk, _ = team([calls("hand_to_billing", "look", "hand_to_billing")], [says("here")])
    result = live(desk.run("go"))
    assert result.answer == "here"
    kinds = [
        name
        for name in names(result.records)
        if name in ("HandedOff", "ToolReturned", "ToolFailed")
    ]
    assert kinds == ["HandedOff", "ToolFailed", "ToolReturned"]


def test_a_handoff_may_need_a_person():
    from treadle import Rule

    desk, _ = team([calls("hand_to_billing")], [says("here")], rules=[Rule("hand_to_*", "ask")])
    result = live(desk.run("go", thread="t"))
    assert result.status == "waiting"
    live(desk.post("t", e.ApprovalGiven(result.waiting[0].id, True, "ann")))
    assert live(desk.resume("t")).answer == "here"


def test_a_thread_in_the_charge_of_somebody_unknown_is_refused():
    desk, _ = team([calls("hand_to_billing")], [calls(("pay", {"amount": 1}))])
    live(desk.run("go", thread="t"))
    other = agent(ScriptedModel([]), store=desk.store, handoffs=[Agent(name="x")])
    with pytest.raises(UsageError, match="billing"):
        live(other.resume("t"))


def test_a_team_s_names_are_its_own():
    with pytest.raises(UsageError, match="two agents of a team"):
        find_team(Agent(name="a", handoffs=[Agent(name="b"), Agent(name="b", instructions="x")]))
    with pytest.raises(UsageError, match="isn't in the team"):
        find_team(Agent(name="a", handoffs=["nobody"]))


def test_a_driver_that_is_fenced_off_leaves_the_threads_below_to_its_successor():
    """An OutcomeDecided takes the thread: nobody drives it then, and its children don't end."""
    hangs = [True]

    class Hangs(ScriptedModel):
        async def reply(self, request, emit):
            if hangs:
                await asyncio.sleep(1e6)
            return says("here it is")

    @tool(parallel=True)
    async def slow() -> str:
        """Be slow."""
        await asyncio.sleep(1e6)

    helper = Agent(model=Hangs([]))
    top = boss(
        helper,
        calls(ask(), "slow"),
        says("done"),
        tools=[slow, helper.as_tool("ask_helper")],
        world=World(),
    )

    async def whole():
        running = asyncio.create_task(top.run("go", thread="t"))
        await asyncio.sleep(1)
        [decided] = [
            record for record in await records_of(top) if isinstance(record.event, e.ModelReplied)
        ]
        call = next(call for call in decided.event.calls if call.name == "slow")
        await top.post("t", e.OutcomeDecided(call.id, "ran", "ann", "it was"))
        with pytest.raises(Fenced):
            await running
        hangs.clear()
        resumed = await top.resume("t")
        await asyncio.sleep(60)  # the tool that was under way ends when its time is up
        return resumed

    result = live(whole())
    assert result.answer == "done"
    assert found(result, e.ToolReturned)[0].content == "[the agent agent]\nhere it is"


async def records_of(top):
    from treadle.runtime.log import open_log

    return (await open_log("t", top.store, World())).records


@pytest.mark.parametrize(
    "sent", ['{"task": NaN}', '{"task": "a", "task": "b"}', '{"task": "\\ud800"}', '{"task": 7}']
)
def test_a_task_that_is_no_strict_json_starts_no_thread(sent):
    helper = Agent("Help.", model=ScriptedModel([]))
    result = live(boss(helper, calls(("ask_helper", sent)), says("I see.")).run("go"))
    [failed] = found(result, e.ToolFailed)
    assert (failed.kind, found(result, e.ChildStarted)) == ("arguments", [])


@pytest.mark.parametrize("sent", ['{"to": NaN}', '{"to": "me"}', "[1]"])
def test_a_hand_over_takes_no_arguments(sent):
    other = Agent("Other.", name="other", model=ScriptedModel([]))
    top = replace(
        agent(ScriptedModel([calls(("hand_to_other", sent)), says("I stay.")])), handoffs=[other]
    )
    result = live(top.run("go"))
    [failed] = found(result, e.ToolFailed)
    assert (failed.kind, result.answer, found(result, e.HandedOff)) == ("arguments", "I stay.", [])


def unpriced(name: str, **settings) -> Agent:
    model = ScriptedModel([says("done")], name=f"model of {name}", price_usd=None)
    return Agent(model=model, name=name, **settings)


def refused(top: Agent) -> str:
    """What the agent says before anything is sent."""
    with pytest.raises(UsageError) as caught:
        live(top.run("go", thread="t"))
    assert live(top.store.read("t")) == []
    assert top.model.seen == []
    return str(caught.value)


def test_a_cost_limit_that_an_agent_below_cannot_hold_is_refused_before_anything_is_paid():
    helper = unpriced("helper")
    limits = Limits(cost_usd=1.0)
    assert "no price is known for model of helper" in refused(boss(helper, limits=limits))
    middle = Agent(model=ScriptedModel([]), name="middle", tools=[helper.as_tool()])
    assert "no price is known for model of helper" in refused(boss(middle, limits=limits))
    own = unpriced("own", limits=Limits(cost_usd=1.0))
    assert "no price is known for model of own" in refused(boss(own))


def test_a_cost_limit_that_a_later_agent_cannot_hold_is_refused_before_anything_is_paid():
    lawyer = unpriced("lawyer", limits=Limits(cost_usd=1.0))
    desk = agent(ScriptedModel([]), name="desk", handoffs=[lawyer])
    assert "no price is known for model of lawyer" in refused(desk)


def test_an_agent_below_may_be_let_pass_without_a_price():
    helper = unpriced("helper", limits=Limits(unpriced=True))
    top = boss(helper, calls(ask()), says("ok"), limits=Limits(cost_usd=1.0))
    assert live(top.run("go")).status == "answered"
    free = boss(unpriced("helper"), calls(ask()), says("ok"))
    assert live(free.run("go")).status == "answered"
