"""A recorded thread as a test: replayed to the byte, and run with a changed agent."""

import asyncio
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from crash.scripts import PLOTS, Plot, Stage, finished, settled
from fakes import agent, live
from treadle import (
    Agent,
    Always,
    ApprovalGiven,
    Budget,
    Context,
    Deny,
    Limits,
    NeedsDeps,
    OutcomeDecided,
    Pending,
    Question,
    Record,
    Rule,
    ScriptedModel,
    ToolRetry,
    TurnEnded,
    UsageError,
    UserSaid,
    tool,
)
from treadle.core import events as e
from treadle.core.codec import encode_record
from treadle.core.errors import ModelUnavailable
from treadle.core.model import Reply, Request
from treadle.evals.actual_calls import actual_calls
from treadle.models.resolve import resolve_without_key
from treadle.models.scripted import calls, says
from treadle.runtime.log import open_log
from treadle.testing.recording import Recording, load_recording
from treadle.testing.rerun import NotRecorded, rerun
from treadle.tools.ask import ask_user


@tool
def pay(account: str, amount: int) -> str:
    """Pay."""
    return f"{amount} paid from {account}"


@tool(read_only=True)
def balance(account: str) -> int:
    """The balance."""
    if account == "busy":
        raise ToolRetry("busy")
    return 900


PAY = calls(("pay", {"account": "A", "amount": 300}))


def bank(*script: Any, tools: Any = (balance, pay, ask_user), **settings: Any) -> Agent:
    return agent(settings.pop("model", None) or ScriptedModel(script), *tools, **settings)


async def records(agents: Agent) -> tuple[Record, ...]:
    assert agents.store
    return tuple((await open_log("t", agents.store, agents.world)).records)


def recorded(agents: Agent, *said: str) -> Recording:
    """The thread of these messages; what waits is approved, answered, or left."""

    async def main() -> Recording:
        for text in said:
            result = await agents.run(text, thread="t")
            while result.waiting:
                for call in result.waiting:
                    fact = UserSaid("blue", answers=call.id) if call.status == "question" else None
                    edit = '{"account": "A", "amount": 200}'
                    await agents.post(
                        "t", fact or ApprovalGiven(call.id, True, "ann", arguments=edit)
                    )
                result = await agents.resume("t")
        return Recording(await records(agents))

    return live(main())


TWO = (
    says("Hello."),
    calls(("balance", {"account": "A"}), text="Let me see."),
    PAY,
    says("Paid, 600 are left."),
)


def test_a_run_gives_a_result_for_each_turn():
    recording = recorded(bank(*TWO), "Hi", "Pay 300.")
    first, second = recording.run(bank())
    assert (first.status, first.answer, actual_calls(first.records)) == ("answered", "Hello.", ())
    assert second.answer == "Paid, 600 are left."
    assert [(call.name, call.status, call.result) for call in actual_calls(second.records)] == [
        ("balance", "returned", "900"),
        ("pay", "returned", "300 paid from A"),
    ]


def test_the_prompt_and_the_tools_may_change_in_a_run_but_not_in_a_replay():
    @tool
    def pay(account: str, amount: int, note: str = "") -> str:
        """Pay, with a note."""
        raise AssertionError("no tool is run")

    recording = recorded(bank(*TWO), "Hi", "Pay 300.")
    changed = bank(
        tools=(balance, pay, ask_user), instructions="Be kind.", model="anthropic:never-asked"
    )
    assert recording.run(changed)[1].answer == "Paid, 600 are left."
    with pytest.raises(
        AssertionError,
        match=r"(?s)parts from the recording at record 5: prompt_hash.*there: . model call 1",
    ):
        recording.replay(bank(tools=(balance, pay, ask_user)))
    recording.replay(bank())
    recording.replay()


@pytest.mark.parametrize("name", ["anthropic:claude-x", "openai:gpt-6-luna", "mine"])
def test_a_replay_needs_no_key_and_takes_the_recorded_model_where_the_agent_names_none(
    name, monkeypatch
):
    monkeypatch.delenv("ANTHROPIC_API_KEY", raising=False)

    class Free(ScriptedModel):
        def cost_usd(self, usage: Any) -> float:
            return (
                None if self.name == "mine" else resolve_without_key(self.name).cost_usd(usage)
            ) or 0.0

    output_tokens = 16_384 if name.startswith("anthropic") else 8192
    settings = {"context_tokens": 200_000, "max_output_tokens": output_tokens}
    recording = recorded(bank(model=Free(TWO, name=name, **settings)), "Hi", "Pay 300.")
    recording.replay(replace(bank(), model=None))
    if name == "anthropic:claude-x":
        recording.replay(replace(bank(), model=name))
        with pytest.raises(
            AssertionError,
            match="at record 5: model was 'anthropic:claude-x', is now 'openai:gpt-4o'",
        ):
            recording.replay(replace(bank(), model="openai:gpt-4o"))
        with pytest.raises(UsageError, match="model 'nobody'"):
            recording.replay(replace(bank(), model="nobody"))


@pytest.mark.parametrize(
    ("changed", "statuses"),
    [
        ({}, ["returned", "returned"]),
        ({"tools": (balance,)}, ["returned", "failed:unknown_tool"]),
        ({"rules": [Rule("pay", "deny")]}, ["returned", "failed:denied"]),
        ({"limits": Limits(steps=2)}, ["returned"]),
    ],
)
def test_what_the_agent_of_today_decides_otherwise_is_seen(changed, statuses):
    recording = recorded(bank(*TWO), "Hi", "Pay 300.")
    result = recording.run(bank(**changed))[1]
    found = [call.status for call in actual_calls(result.records)]
    assert found == (statuses if "limits" not in changed else ["returned", "returned"])
    assert result.status == ("limit" if "limits" in changed else "answered")


def test_people_say_what_they_said_then():
    asks = calls(("ask_user", {"question": "Which?"}), ("pay", {"account": "A", "amount": 300}))
    recording = recorded(bank(asks, says("Done."), rules=[Rule("pay", "ask")]), "Pay.")
    [result] = recording.run(bank(rules=[Rule("pay", "ask")]))
    assert [(call.name, call.arguments, call.result) for call in actual_calls(result.records)] == [
        ("ask_user", {"question": "Which?"}, "blue"),
        ("pay", {"account": "A", "amount": 200}, "200 paid from A"),
    ]
    with pytest.raises(
        NotRecorded, match="other arguments than in the recording: amount is 300, wanted 200"
    ):
        recording.run(bank())


def test_an_approval_that_nobody_was_asked_for_fails():
    recording = recorded(bank(PAY, says("Paid.")), "Pay.")
    with pytest.raises(
        NotRecorded, match=r'pay\(\{"account": "A", "amount": 300\}\) waits for a person now'
    ):
        recording.run(bank(rules=[Rule("pay", "ask")]))


def test_a_call_that_was_refused_then_and_runs_now_has_no_result():
    recording = recorded(bank(PAY, says("No."), rules=[Rule("pay", "deny")]), "Pay.")
    with pytest.raises(
        NotRecorded, match=r"pay\(.*\) runs now; in the recording it didn't, but was failed:denied"
    ):
        recording.run(bank())


def test_a_model_that_is_asked_once_more_fails():
    recording = recorded(bank(says("It is 3.")), "How many?")
    with pytest.raises(
        NotRecorded, match="asked once more than in the recording; the last message is the user's: "
    ):
        recording.run(bank(output=int))


def test_an_answer_of_a_type_is_given_as_one():
    recording = recorded(bank(says("3")), "How many?")
    assert recording.run(bank(output=int))[0].output == 3


def test_failures_and_retries_come_as_they_came():
    script = (
        ModelUnavailable("busy"),
        calls(("balance", {"account": "busy"})),
        says("It is busy."),
    )
    recording = recorded(bank(*script), "Balance?")
    [result] = recording.run(bank())
    assert (result.answer, result.summary().model_retries, result.summary().tool_retries) == (
        "It is busy.",
        1,
        3,
    )


def facts(*events: e.Event) -> Recording:
    start = (e.ThreadStarted("a", "k"), e.ThreadClaimed("w"), UserSaid("Pay."))
    return Recording(
        tuple(Record("t", seq, 0.0, event) for seq, event in enumerate((*start, *events), 1))
    )


CALLED = e.ModelCalled("m", "h", 10, 100)
ASKS = e.ModelReplied(
    (e.Call("c1", "pay", '{"account": "A", "amount": 1}'),), e.Usage(1, 1), 0.0, "tool_calls"
)
BOTH = e.ModelReplied(
    (*ASKS.calls, e.Call("c2", "balance", '{"account": "A"}')), e.Usage(1, 1), 0.0, "tool_calls"
)
STARTED = e.ToolStarted("c1", "k")
CUT_OFF = e.ToolFailed("c1", "timeout", "late", 1.0, retry_after_s=0.0, unknown=True)


@pytest.mark.parametrize(
    ("events", "status", "fates"),
    [
        ((CALLED,), "unfinished", []),
        ((CALLED, TurnEnded("cancelled", "late")), "cancelled", []),
        ((CALLED, ASKS, STARTED), "unfinished", ["unanswered"]),
        ((CALLED, ASKS, STARTED, TurnEnded("cancelled")), "cancelled", ["unanswered"]),
        ((CALLED, ASKS, STARTED, e.ThreadClaimed("w2")), "waiting", ["unanswered"]),
        ((CALLED, ASKS, STARTED, CUT_OFF), "waiting", ["unanswered"]),
        (
            (CALLED, ASKS, STARTED, e.ThreadClaimed("w2"), TurnEnded("cancelled")),
            "cancelled",
            ["unanswered"],
        ),
        (
            (
                CALLED,
                BOTH,
                STARTED,
                e.ToolStarted("c2", "k"),
                e.ToolReturned("c2", "900", 0.1),
                TurnEnded("cancelled"),
            ),
            "cancelled",
            ["unanswered", "returned"],
        ),
        ((CALLED, TurnEnded("failed", "a bug: KeyError: 'x'")), "failed", []),
        (
            (
                CALLED,
                ASKS,
                STARTED,
                e.ThreadClaimed("w2"),
                OutcomeDecided("c1", "ran", "ann", "paid"),
                CALLED,
                e.ModelReplied("Paid.", e.Usage(1, 1), 0.0),
                TurnEnded("answered"),
            ),
            "answered",
            ["returned"],
        ),
        (
            (
                CALLED,
                ASKS,
                STARTED,
                e.ThreadClaimed("w2"),
                OutcomeDecided("c1", "tell", "ann"),
                CALLED,
                e.ModelReplied("Who knows.", e.Usage(1, 1), 0.0),
                TurnEnded("answered"),
            ),
            "answered",
            ["failed:raised"],
        ),
        (
            (
                CALLED,
                ASKS,
                STARTED,
                e.ThreadClaimed("w2"),
                OutcomeDecided("c1", "not_run", "ann"),
                STARTED,
                e.ToolReturned("c1", "paid", 0.1),
                CALLED,
                e.ModelReplied("Paid.", e.Usage(1, 1), 0.0),
                TurnEnded("answered"),
            ),
            "answered",
            ["returned"],
        ),
    ],
)
def test_a_turn_that_was_broken_off_ends_where_it_did(events, status, fates):
    [result] = facts(*events).run(bank(parallel=True))
    assert (result.status, [call.status for call in actual_calls(result.records)]) == (
        status,
        fates,
    )


def test_a_turn_that_waits_still_waits():
    recording = live(waiting())
    [result] = recording.run(bank(rules=[Rule("pay", "ask")]))
    assert [call.name for call in result.waiting] == ["pay"]


def test_a_turn_that_waits_for_work_elsewhere_still_waits_and_begins_no_work():
    begun: list[int] = []

    @tool(retries=1, idempotent=True)
    def build(number: int) -> str:
        """Build it elsewhere."""
        begun.append(number)
        if len(begun) == 1:
            raise ToolRetry("busy", retry_after_s=0)
        raise Pending({"job": number}, due=1)

    async def whole() -> Recording:
        made = agent(ScriptedModel([calls(("build", {"number": 7}))]), build)
        assert (await made.run("Build it.", thread="t")).status == "waiting"
        return Recording(await records(made))

    recording = live(whole())
    [result] = recording.run(agent(None, build))
    assert (result.status, [call.name for call in result.waiting]) == ("waiting", ["build"])
    assert begun == [7, 7]


async def waiting() -> Recording:
    agents = bank(PAY, rules=[Rule("pay", "ask")])
    await agents.run("Pay.", thread="t")
    return Recording(await records(agents))


@pytest.mark.slow
@given(PLOTS, st.booleans())
@example(
    Plot(
        (calls(("sure", {"number": 0}), ("sure", {"number": 0}), ("later", {}), text="so far"),),
        Limits(steps=20, tool_calls=50, tokens=200_000, seconds=4.0, repeats=2),
        (0.0, 2.0),
        (),
        "ask",
        False,
    ),
    False,
)
def test_any_recorded_thread_runs_to_the_same_answers_and_fates_with_the_same_agent(
    plot: Plot, more: bool
) -> None:
    async def whole() -> None:
        stage = Stage(plot)
        agents = stage.agent()
        await finished(agents, await settled(agents.run("go", thread="t"), agents))
        if more:
            await finished(agents, await settled(agents.run("more", thread="t"), agents))
        then = await stage.records()
        results = await rerun(then, stage.agent())
        ends = [record.event for record in then if isinstance(record.event, TurnEnded)]
        assert [(result.status, result.reason) for result in results] == [
            (end.status, end.reason) for end in ends
        ]
        now = [call for result in results for call in actual_calls(result.records)]
        assert [(call.name, call.arguments, call.asked_approval) for call in now] == [
            (call.name, call.arguments, call.asked_approval) for call in actual_calls(then)
        ]
        for call, before in zip(now, actual_calls(then), strict=True):
            assert (call.status, call.result) == (
                before.status,
                before.result,
            ) or before.status == "failed:unknown"

    live(whole())


def test_its_model_gives_the_recorded_replies():
    recording = recorded(bank(*TWO), "Hi", "Pay 300.")
    model = recording.model()
    free = agent(model, balance, pay)
    assert (free.run_sync("Hi").answer, free.run_sync("Pay 200.").answer) == (
        "Hello.",
        "Paid, 600 are left.",
    )
    assert (model.name, len(model.seen)) == ("scripted", 4)


def test_a_summary_of_then_is_never_taken_for_an_answer():
    texts = [f"{number} {'talk ' * 200}" for number in range(10)]
    script = [lambda request: says(request.messages[-1].text[:3])] * 20
    model = ScriptedModel(script, context_tokens=2500, max_output_tokens=200)
    then = agent(model, instructions="Be.")
    recording = recorded(then, *texts)
    assert "compact" in [
        r.event.purpose for r in recording.records if isinstance(r.event, e.ModelCalled)
    ]
    answers = [result.answer for result in recording.run(then)]
    assert [result.answer for result in recording.run(replace(then, model=None))] == answers
    free = agent(recording.model())
    assert [free.run_sync(text).answer for text in texts] == answers


def test_a_file_holds_one_thread_that_can_be_read(tmp_path: Path):
    recording = recorded(bank(*TWO), "Hi", "Pay 300.")
    lines = [encode_record(record) for record in recording.records]
    file = tmp_path / "t.jsonl"
    file.write_bytes(b"\n".join(lines) + b"\n")
    assert load_recording(file) == recording
    for written, said in (
        (b"", "holds 0 threads; it must be one: treadle db export THREAD -o"),
        (
            b"\n".join([*lines, *(line.replace(b'"t"', b'"u"', 1) for line in lines)]),
            "holds 2 threads; it must be one",
        ),
        (b"{}", "holds no thread that can be read"),
        (b"\n".join(lines[1:]), "holds no thread that can be read"),
    ):
        file.write_bytes(written)
        with pytest.raises(UsageError, match=said):
            load_recording(file)
    with pytest.raises(UsageError, match="can't be read: No such file"):
        load_recording(tmp_path / "none.jsonl")


def test_a_limit_that_was_raised_at_the_end_of_a_turn_is_raised_there_again() -> None:
    asks = calls(("balance", {"account": "A"}))
    again = calls(("balance", {"account": "B"}))
    one = bank(asks, says("900 so far"), again, says("1800"), limits=Limits(steps=1))
    live(one.run("go", thread="t"))
    live(one.raise_limit("t", "ann", steps=5))
    assert live(one.resume("t")).answer == "1800"
    recorded = live(open_log("t", one._store, one.world)).records
    [result] = live(rerun(recorded, one))
    assert (result.status, result.answer) == ("answered", "1800")
    [raised] = [each.event for each in result.records if isinstance(each.event, e.LimitRaised)]
    assert (raised.by, raised.steps) == ("ann", 5)


def test_a_limit_that_was_raised_while_the_turn_was_open_is_raised_from_its_beginning_on() -> None:
    one = bank(
        calls(("ask_user", {"question": "Which?"})),
        calls(("balance", {"account": "A"})),
        says("900"),
        limits=Limits(steps=2),
    )
    [question] = live(one.run("go", thread="t")).waiting
    live(one.raise_limit("t", "ann", steps=1))
    live(one.post("t", UserSaid("A", answers=question.id)))
    assert live(one.resume("t")).answer == "900"
    recorded = live(open_log("t", one._store, one.world)).records
    [result] = live(rerun(recorded, one))
    assert (result.status, result.answer) == ("answered", "900")


def test_a_budget_of_others_stops_no_rerun() -> None:
    budget = Budget("team", requests_a_minute=1)
    one = bank(says("a"), budgets=[budget])
    live(one.run("go", thread="t"))
    recorded = live(open_log("t", one._store, one.world)).records
    strict = replace(one, budgets=[Budget("team", tokens_a_day=1)])
    assert live(rerun(recorded, strict))[0].answer == "a"


@dataclass
class Desk:
    clerk: str


@tool(read_only=True)
def drawer(ctx: Context[Desk], account: str) -> str:
    """What is in the drawer."""
    return f"{ctx.deps.clerk} has 900"


def told(ctx: Context[Desk]) -> str:
    return f"You are {ctx.deps.clerk}."


def no_cards(said: UserSaid, ctx: Context[Desk]) -> Deny | None:
    return Deny("no cards") if "card" in said.text else None


@pytest.mark.parametrize("checks", [{}, {"check_input": no_cards}])
def test_an_agent_whose_tools_and_instructions_need_deps_is_replayed_and_run_without(checks):
    settings = {"tools": (drawer,), "instructions": told, **checks}
    script = (calls(("drawer", {"account": "A"})), says("900."))

    async def main() -> Recording:
        agents = bank(*script, **settings)
        await agents.run("How much?", thread="t", deps=Desk("Ann"))
        assert await agents.replay("t") is None
        return Recording(await records(agents))

    recording = live(main())
    recording.replay(bank(**settings))
    [result] = recording.run(bank(**settings), deps=Desk("Ben"))
    assert result.answer == "900."
    if checks:  # they are today's, and are asked
        with pytest.raises(NeedsDeps, match="the check no_cards needs deps, a Desk"):
            recording.run(bank(**settings))
    else:
        assert recording.run(bank(**settings))[0].answer == "900."


@tool
def move(ctx: Context, account: str) -> str:
    """Move money, once a person has said where to."""
    if not ctx.answers:
        raise Question("Where to?")
    return f"moved to {ctx.answers[0]}"


@pytest.mark.parametrize(
    ("said", "fate"), [("B", "returned"), ("the moon", "failed:denied"), ("", "waiting")]
)
def test_what_a_tool_asks_in_mid_call_is_asked_again(said, fate):
    def known(said: UserSaid, _: object) -> Deny | None:
        return Deny("no such account") if "moon" in said.text else None

    settings = {"tools": (move,), "check_input": known, "rules": [Rule("*", "ask")]}

    async def main() -> Recording:
        agents = bank(calls(("move", {"account": "A"})), says("Well."), **settings)
        [call] = (await agents.run("Move it.", thread="t")).waiting
        await agents.post("t", ApprovalGiven(call.id, True, "ann"))
        await agents.resume("t")
        if said:
            await agents.post("t", UserSaid(said, answers=call.id, by="ann"))
            await agents.resume("t")
        return Recording(await records(agents))

    [result] = live(main()).run(bank(**settings))
    assert [call.status for call in actual_calls(result.records)] == [fate]


@pytest.mark.parametrize("lasts", ["turn", "thread"])
def test_a_permission_that_was_taken_back_is_taken_back_at_its_place(lasts):
    ask = {"rules": [Rule("*", "ask")]}
    again = [calls(("balance", {"account": "B"})), says("Well.")]
    if lasts == "thread":
        again = [says("Yes."), *again]

    async def main() -> Recording:
        agents = bank(PAY, *again, tools=(pay, balance), **ask)
        [call] = (await agents.run("Pay.", thread="t")).waiting
        permit = ApprovalGiven(call.id, True, "ann", always=Always(lasts=lasts))
        await agents.post("t", permit)
        result = await agents.resume("t")
        await agents.post("t", ApprovalGiven(call.id, False, "ann"))
        if lasts == "thread":
            result = await agents.run("And?", thread="t")
        await agents.post("t", ApprovalGiven(result.waiting[0].id, False, "ann"))
        await agents.resume("t")
        return Recording(await records(agents))

    recording = live(main())
    assert fates(recording.records) == ["returned", "failed:denied"]
    results = recording.run(bank(tools=(pay, balance), **ask))
    assert fates(each for result in results for each in result.records) == fates(recording.records)


def fates(records: Any) -> list[str]:
    return [call.status for call in actual_calls(records)]


def test_what_comes_of_a_call_in_the_background_comes_at_its_place():
    done = asyncio.Event()

    @tool(background=True)
    async def audit() -> str:
        """Look through all accounts."""
        await done.wait()
        return "all is well"

    def last(request: Request) -> Reply:
        done.set()
        return says("I am looking.")

    script = (calls("audit"), calls(("balance", {"account": "A"})), last, says("All is well."))
    recording = recorded(bank(*script, tools=(audit, balance)), "Is all well?")
    for limits in (Limits(), Limits(steps=2)):
        [result] = recording.run(bank(tools=(audit, balance), limits=limits))
        assert result.answer == ("All is well." if limits.steps == 20 else "I am looking.")
