import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from fakes import agent, live, world
from treadle import Agent, Limits, MemoryStore, Record, Rule, ScriptedModel, tool
from treadle.core import events as e
from treadle.core.errors import ModelUnavailable
from treadle.core.policy import Policy
from treadle.models.scripted import calls, says
from treadle.observe.explain import Explanation, explain
from treadle.runtime.log import open_log
from treadle.runtime.settings import RunSettings
from treadle.tools.ask import ask_user


@tool
def charge(amount: int) -> str:
    """Charge."""
    return f"charged {amount}"


@tool(idempotent=True)
def look(name: str) -> str:
    """Look it up."""
    return f"{name} is there"


@tool(needs_approval=True)
def wire(amount: int) -> str:
    """Wire."""
    return f"wired {amount}"


TOOLS = (charge, look, wire, ask_user)


def job(
    *,
    tools: Sequence[Any] = TOOLS,
    system: str = "sys",
    model: str = "scripted",
    name: str = "agent",
    **setup: Any,
) -> RunSettings:
    policy = Policy({each.name: each for each in tools}, **setup)
    return RunSettings(policy, ScriptedModel([], name=model), system, name=name)


def thread(*script: Any, tools: Sequence[Any] = TOOLS, **settings: Any) -> list[Record]:
    agents = agent(ScriptedModel(script), *tools, instructions="sys", **settings)

    async def whole() -> list[Record]:
        await agents.run("go", thread="t")
        return (await open_log("t", agents.store, world())).records

    return live(whole())


def seen(records: Sequence[Record], settings: RunSettings | None = None) -> Explanation:
    return explain(records, settings or job())


def upto(records: Sequence[Record], kind: type, nth: int = 0) -> list[Record]:
    """The log as a crash leaves it that comes right after that record."""
    return list(
        records[: [record.seq for record in records if isinstance(record.event, kind)][nth]]
    )


def test_a_turn_that_has_ended_needs_nothing():
    found = seen(thread(calls(("charge", {"amount": 5})), says("done")))
    assert found == Explanation(
        status="answered",
        done=('c00005000 charge({"amount": 5}) returned charged 5',),
        unknown=(),
        waits_for=(),
        next="nothing: the turn has ended",
        changes=(),
    )


def test_a_crash_in_a_call_that_may_have_had_its_effect():
    found = seen(upto(thread(calls(("charge", {"amount": 5})), says("done")), e.ToolStarted))
    assert found.status == "unfinished"
    assert found.unknown == ('c00005000 charge({"amount": 5})',)
    [wait] = found.waits_for
    assert wait.startswith('decide what became of c00005000 charge({"amount": 5})')
    assert found.next == "nothing, until somebody decides"


def test_a_call_that_ran_when_the_turn_was_cancelled_is_unknown():
    asked = calls(("charge", {"amount": 5}), ("look", {"name": "x"}))
    records = upto(thread(asked, says("done")), e.ToolStarted)
    records.append(Record("t", len(records) + 1, 0.0, e.TurnEnded("cancelled", "by ann")))
    found = seen(records)
    assert found.status == "cancelled"
    assert found.unknown == (
        'c00005000 charge({"amount": 5}) started, and the turn was cancelled: may have had its'
        " effect",
    )
    assert (found.waits_for, found.next) == ((), "nothing: the turn has ended")


def test_an_agent_whose_policy_is_to_tell_the_model_waits_for_nobody():
    crashed = upto(thread(calls(("charge", {"amount": 5})), says("done")), e.ToolStarted)
    found = seen(crashed, job(unknown="tell"))
    assert found.waits_for == ()
    assert found.next == "record OutcomeDecided"


def test_a_crash_in_an_idempotent_call_runs_it_again_under_its_key():
    crashed = upto(thread(calls(("look", {"name": "x"})), says("done")), e.ToolStarted)
    found = seen(crashed)
    key = crashed[-1].event.key
    assert found.waits_for == ()
    assert (
        found.next
        == f'run c00005000 look({{"name": "x"}}) again, with the same idempotency key {key}'
    )


def test_a_crash_between_two_calls_runs_what_is_left_and_never_what_is_done():
    records = thread(calls(("charge", {"amount": 5}), ("look", {"name": "x"})), says("done"))
    found = seen(upto(records, e.ToolReturned))
    assert len(found.done) == 1
    assert found.done[0].split()[0] not in found.next.split()[1]


def test_a_crash_while_the_model_answered_asks_again():
    records = thread(calls(("look", {"name": "x"})), says("done"))
    assert seen(upto(records, e.ModelCalled)).next == "ask scripted (step)"
    assert seen(upto(records, e.ToolReturned)).next == "ask scripted (step)"


def test_a_failed_call_of_the_model_is_tried_again():
    records = thread(ModelUnavailable("503"), says("done"))
    assert seen(upto(records, e.ModelFailed)).next == "ask scripted (step, try 2)"


def test_calls_that_have_not_begun_run():
    records = thread(calls(("look", {"name": "x"}), ("charge", {"amount": 1})), says("done"))
    assert seen(upto(records, e.ModelReplied)).next == ('run c00005000 look({"name": "x"})')
    assert "run c00005001 charge" in seen(upto(records, e.ToolReturned)).next


def test_approvals_and_questions_are_waited_for():
    asked = calls(("wire", {"amount": 3}), ("ask_user", {"question": "to whom?"}))
    found = seen(thread(asked, says("done")))
    assert found.status == "waiting"
    assert found.waits_for == (
        'approve or deny c00005000 wire({"amount": 3}) (wire needs approval)',
        "answer c00005001: to whom?",
    )


def test_what_a_resume_would_only_write_down_is_said():
    records = upto(thread(calls(("charge", {"amount": 5})), says("done")), e.ModelReplied)
    assert (
        seen(records, job(limits=Limits(tool_calls=0))).next
        == "record that the limit of tool_calls is reached"
    )
    assert (
        seen(records, job(rules=(Rule("charge", "ask"),))).next
        == "record that c00005000 needs approval"
    )
    denied = seen(records, job(rules=(Rule("charge", "deny", "no money"),))).next
    assert denied.startswith("record that c00005000 can't run: ")
    assert "no money" in denied
    assert (
        seen(upto(thread(says("done")), e.ModelReplied)).next
        == "record that the turn has ended: answered"
    )


def test_failures_and_decisions_are_told():
    @tool
    def broken() -> str:
        """Breaks."""
        raise ValueError("it broke")

    records = thread(calls("broken"), says("done"), tools=(broken,))
    assert seen(records, job(tools=(broken,))).done == (
        "c00005000 broken({}) failed: ValueError: it broke",
    )
    crashed = upto(thread(calls(("charge", {"amount": 5})), says("done")), e.ToolStarted)
    decided = [e.ThreadClaimed("w"), e.OutcomeDecided("c00005000", "ran", "ann", "charged")]
    for event in decided:
        crashed.append(Record("t", len(crashed) + 1, 0.0, event))
    assert seen(crashed).done == ('c00005000 charge({"amount": 5}) was decided by ann: ran',)


def test_long_arguments_and_results_are_cut():
    found = seen(thread(calls(("look", {"name": "x" * 1000})), says("done")))
    assert "… (1012 characters)) returned" in found.done[0]
    assert len(found.done[0]) < 400


def test_it_counts_the_last_turn_only():
    agents = agent(
        ScriptedModel([calls(("charge", {"amount": 5})), says("done"), says("hello")]), *TOOLS
    )

    async def whole() -> list[Record]:
        await agents.run("go", thread="t")
        await agents.run("and?", thread="t")
        return (await open_log("t", agents.store, world())).records

    assert seen(live(whole())).done == ()


@pytest.mark.parametrize(
    ("now", "said"),
    [
        (job(name="other"), "the agent was agent, is now other"),
        (job(model="bigger"), "the model was scripted, is now bigger"),
        (job(system="other"), "the instructions have changed"),
        (job(tools=(charge, look, wire)), "the tool ask_user is gone"),
        (job(tools=(*TOOLS, tool(name="new")(lambda: ""))), "the tool new is new"),
        (
            job(
                tools=(
                    charge,
                    look,
                    ask_user,
                    tool(name="wire", description="w")(lambda amount: ""),
                )
            ),
            "the tool wire has another schema",
        ),
    ],
)
def test_how_the_agent_has_changed_is_named(now, said):
    assert seen(thread(says("done")), now).changes == (said,)


def test_what_it_says_next_is_what_a_resume_does_first():
    """At every prefix of a thread with all kinds of calls, against the resume itself."""
    asked = calls(
        ("charge", {"amount": 5}), ("look", {"name": "x"}), ("wire", {"amount": 1}), ("nope", {})
    )
    records = thread(asked, says("done"))
    for end in range(3, len(records) + 1):
        said = seen(records[:end]).next
        first = live(first_of_resume(records[:end]))
        if first is None:
            assert said.startswith("nothing")
        elif isinstance(first, e.AgentDescribed | e.ModelCalled):  # the first comes before a call
            assert said.startswith("ask ")
        elif isinstance(first, e.ToolStarted):
            assert said.startswith(f"run {first.call_id} ")
        else:
            assert said.startswith("record ")


async def first_of_resume(records: Sequence[Record]) -> e.Event | None:
    from treadle.core.codec import encode_event
    from treadle.stores.store import Row

    store = MemoryStore()
    await store.append(
        "t", [Row(record.seq, record.at, encode_event(record.event)) for record in records]
    )
    script = [says("done")] * 3
    agents: Agent = agent(ScriptedModel(script), *TOOLS, instructions="sys", store=store)
    await asyncio.gather(agents.resume("t"))
    after = (await open_log("t", store, world())).records[len(records) :]
    return after[1].event if len(after) > 1 else None


def test_a_flow_s_steps_are_done_too():
    step = e.StepAsked(e.Call("fetch#1", "fetch", "{}"))
    events = [e.ThreadStarted("flow", "k"), e.ThreadClaimed("w"), e.UserSaid("{}"), step]
    events += [e.ToolStarted("fetch#1", "k1"), e.ToolReturned("fetch#1", "17", 0.1)]
    found = seen([Record("t", seq, float(seq), event) for seq, event in enumerate(events, 1)])
    assert found.done == ("fetch#1 fetch({}) returned 17",)


def test_what_was_said_meanwhile_and_what_the_model_went_on_without_is_told_in_words():
    asked = thread(calls(("wire", {"amount": 5})))
    more = e.UserSaid("any news?", steers=True)
    said = [*asked, Record("t", len(asked) + 1, asked[-1].at, more)]
    now = explain(said, job())
    assert now.next == (
        "record that the model goes on without c00005000, to be shown what a person has said"
    )
    assert "a person said meanwhile: any news?" in now.done
    deferred = e.ToolDeferred("c00005000", "it isn't over")
    later = [*said, Record("t", len(said) + 1, asked[-1].at, deferred)]
    now = explain(later, job())
    assert now.next == "ask scripted (step), and show it what a person has said meanwhile"
    assert 'the model went on without c00005000 wire({"amount": 5})' in now.done
    assert now.waits_for == ('approve or deny c00005000 wire({"amount": 5}) (wire needs approval)',)
