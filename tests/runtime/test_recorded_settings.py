"""A replay without the agent: what it needs is in the log, as data or as what the code said then."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace as changed
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace
from pydantic import BaseModel, field_validator

from fakes import agent, live, names, world
from treadle import (
    Agent,
    ContextWindow,
    Limits,
    MemoryStore,
    Record,
    Rule,
    ScriptedModel,
    flow,
    tool,
)
from treadle.core import events as e
from treadle.core.codec import decode_record, encode_record
from treadle.core.describe import describe_policy, policy_from, window_from
from treadle.core.errors import ModelUnavailable, UsageError
from treadle.core.policy import Policy
from treadle.models.scripted import calls, says
from treadle.runtime.divergence import Divergence
from treadle.runtime.log import open_log
from treadle.runtime.replay import replay
from treadle.tools.ask import ask_user


@tool
def add(a: int, b: int = 1) -> int:
    """Add."""
    return a + b


@tool(needs_approval=lambda given: given["amount"] > 100)
def pay(amount: int) -> str:
    """Pay."""
    return f"paid {amount}"


@tool(parallel=True, idempotent=True, retries=1)
def flaky() -> str:
    """Fails."""
    raise ConnectionError("down")


class Sum(BaseModel):
    value: int

    @field_validator("value")
    @classmethod
    def positive(cls, value: int) -> int:
        if value < 0:
            raise ValueError("it must not be negative")
        return value


Then = Callable[[Agent], Awaitable[Any]]


async def nothing(agents: Agent) -> None:
    """Nobody decides."""


def approve(allowed: bool = True, arguments: str | None = None) -> Then:
    async def then(agents: Agent) -> None:
        for pending in (await agents.resume("t")).waiting:
            given = e.ApprovalGiven(pending.id, allowed, "ann", "so", arguments)
            await agents.post("t", given)
        await agents.resume("t")

    return then


async def answer(agents: Agent) -> None:
    [pending] = (await agents.resume("t")).waiting
    await agents.post("t", e.UserSaid("blue", answers=pending.id))
    await agents.resume("t")


async def ask_again(agents: Agent) -> None:
    await agents.run("again", thread="t")


async def with_other_limits(agents: Agent) -> None:
    """The thread is resumed by an agent whose limit ends the turn before its model is asked."""
    pending, *_ = (await agents.resume("t")).waiting
    await agents.post("t", e.ApprovalGiven(pending.id, True, "ann"))
    strict = Agent(
        **{
            "tools": agents.tools,
            "model": agents.model,
            "store": agents.store,
            "world": agents.world,
            "limits": Limits(tool_calls=0),
        }
    )
    await strict.resume("t")


LONG = "word " * 600
MADE: dict[str, tuple[Sequence[Any], Sequence[Any], dict[str, Any], Then]] = {
    "a rule that asks": (
        [calls(("add", {"a": 1})), says("2")],
        [add],
        {"rules": [Rule("a*", "ask", "sums are dear")]},
        approve(),
    ),
    "a limit before a rule that asks": (
        [calls(("pay", {"amount": 1})), calls("add", ("pay", {"amount": 5})), says("no more")],
        [add, pay],
        {"rules": [Rule("add", "deny"), Rule("*", "ask")], "limits": Limits(tool_calls=1)},
        approve(),
    ),
    "a rule that refuses": (
        [calls(("add", {"a": 1}), ("pay", {"amount": 1})), says("no")],
        [add, pay],
        {"rules": [Rule("add", "deny", "never")]},
        nothing,
    ),
    "a function that asks": (
        [calls(("pay", {"amount": 500}), ("pay", {"amount": 5})), says("paid")],
        [pay],
        {},
        approve(arguments='{"amount": 50}'),
    ),
    "an approval rule that breaks": (
        [calls(("add", {"a": 1})), says("2")],
        [tool(needs_approval=lambda given: given["nothing"])(add.function)],
        {},
        approve(False),
    ),
    "arguments that won't do": (
        [calls(("add", {"a": "x"}), ("add", "{bad"), "gone", ("add", {"a": 1})), says("2")],
        [add],
        {},
        nothing,
    ),
    "a question": (
        [calls(("ask_user", {"question": "Which?"})), says("blue")],
        [ask_user],
        {},
        answer,
    ),
    "answers that are rejected": (
        [says("no JSON"), says('{"value": -1}'), says('{"value": 3}'), says('{"value": 4}')],
        [],
        {"output": Sum},
        ask_again,
    ),
    "a plan": (
        [says("1. add"), calls(("add", {"a": 1})), says("2")],
        [add],
        {"plan": True},
        nothing,
    ),
    "retries and an order": (
        [calls("flaky", ("add", {"a": 1}), "flaky"), ModelUnavailable("503"), says("done")],
        [add, flaky],
        {"limits": Limits(seconds=5, model_tries=2)},
        nothing,
    ),
    "repeats and a last word": (
        [*[calls(("add", {"a": 1}))] * 4, says("so far 2")],
        [add],
        {"limits": Limits(repeats=2, last_word=True)},
        nothing,
    ),
    "a window": (
        [*[calls(("add", {"a": number}), text=LONG) for number in range(8)], says("done")],
        [add],
        {"context_window": ContextWindow(max_messages=6, summarize=False)},
        nothing,
    ),
    "a limit on tokens": (
        [calls(("add", {"a": 1}), text=LONG), says("2"), says("2"), says("2")],
        [add],
        {"limits": Limits(tokens=2_500)},
        nothing,
    ),
    "other limits at a resume": (
        [calls(("pay", {"amount": 500}), ("pay", {"amount": 700}))],
        [pay],
        {},
        with_other_limits,
    ),
}


async def recorded(
    script: Sequence[Any], tools: Sequence[Any], settings: dict[str, Any], then: Then
) -> list[Record]:
    agents = agent(ScriptedModel([*script, *([says("more")] * 3)]), *tools, **settings)
    await agents.run("go", thread="t")
    await then(agents)
    return (await open_log("t", agents.store, world())).records


def reread(records: Sequence[Record]) -> list[Record]:
    """The records as a process has them that knows nothing else."""
    return [decode_record(encode_record(record)) for record in records]


def first(records: Sequence[Record]) -> Divergence | None:
    return live(replay(reread(records)))


@pytest.mark.parametrize("kind", MADE)
def test_a_thread_replays_without_the_agent(kind: str) -> None:
    records = live(recorded(*MADE[kind]))
    assert first(records) is None
    for length in range(3, len(records)):
        assert first(records[:length]) is None, f"the first {length} records"


def test_verdicts_that_were_changed_are_followed_and_show_in_what_came_of_them() -> None:
    records = live(recorded(*MADE["a rule that refuses"]))
    [failed] = [each for each in records if isinstance(each.event, e.ToolFailed)]
    forged = replace(failed, event=replace(failed.event, message="because"))
    records[failed.seq - 1] = forged
    named = first(records)
    assert named is not None
    assert named.field == "prompt_hash"


@pytest.mark.parametrize("price_usd", [0.0001, 0.01, 0.03, 0.1])
def test_what_a_limit_on_dollars_did_is_taken_from_the_log(price_usd: float) -> None:
    async def whole() -> list[Record]:
        script = [*(calls(("add", {"a": number})) for number in range(6)), says("done")]
        model = ScriptedModel(script, price_usd=(price_usd, price_usd * 2))
        agents = agent(model, add, limits=Limits(cost_usd=25.0))
        await agents.run("go", thread="t")
        return (await open_log("t", agents.store, world())).records

    assert first(live(whole())) is None


def test_a_team_and_its_children_replay_each_from_its_own_log() -> None:
    async def whole() -> dict[str, list[Record]]:
        adds = Agent(
            "Add.",
            name="adds",
            tools=[add],
            model=ScriptedModel([calls(("add", {"a": 1})), says("2")]),
            limits=Limits(tokens=9_000, seconds=30.0),
        )
        bills = Agent(
            "Bill.",
            name="bills",
            tools=[pay],
            model=ScriptedModel([calls(("pay", {"amount": 7})), says("billed")], name="bill"),
        )
        script = [
            calls(("adds", {"task": "1+1"})),
            calls(("add", {"a": 5}), "hand_to_bills"),
        ]
        agents = agent(
            ScriptedModel(script, price_usd=(0.001, 0.001)),
            add,
            adds.as_tool(),
            handoffs=[bills],
            limits=Limits(cost_usd=40.0, tokens=50_000),
        )
        assert (await agents.run("go", thread="t")).answer == "billed"
        threads = [each.thread_id for each in await agents.store.threads()]
        return {name: (await open_log(name, agents.store, world())).records for name in threads}

    threads = live(whole())
    assert len(threads) == 2
    for records in threads.values():
        assert first(records) is None
    [begun] = [r.event for r in threads["t"] if isinstance(r.event, e.ChildStarted)]
    described = [r.event for r in threads[begun.thread_id] if isinstance(r.event, e.AgentDescribed)]
    assert described[0].policy is not None
    assert described[0].policy.limits["tokens"] == 9_000


def test_the_description_comes_before_whatever_an_agent_of_other_limits_does() -> None:
    records = live(recorded(*MADE["other limits at a resume"]))
    last = [record.seq for record in records if isinstance(record.event, e.AgentDescribed)][-1]
    assert names(records[last - 2 : last + 1]) == [
        "ThreadClaimed",
        "AgentDescribed",
        "LimitReached",
    ]


@pytest.mark.parametrize("file", ["format-1.jsonl", "format-1-memory.jsonl"])
def test_a_log_of_format_1_says_what_it_lacks(file: str) -> None:
    with pytest.raises(UsageError, match="no instructions, tools and limits of its agent"):
        first(golden(file))


def test_a_description_without_a_policy_says_what_it_lacks() -> None:
    records = live(recorded(*MADE["a plan"]))
    older = [
        replace(record, event=replace(record.event, policy=None))
        if isinstance(record.event, e.AgentDescribed)
        else record
        for record in records
    ]
    with pytest.raises(UsageError, match="but not its limits and what its tools may do"):
        first(older)


def test_a_flow_is_code_that_no_log_has() -> None:
    @flow(world=world())
    async def pays() -> str:
        return "paid"

    async def whole() -> list[Record]:
        made = changed(pays, store=MemoryStore())
        await made.options(thread="t").run()
        return (await open_log("t", made.store, world())).records

    with pytest.raises(UsageError, match="this is the thread of a flow"):
        first(live(whole()))
    with pytest.raises(UsageError, match="this is the thread of a flow"):
        first(golden("format-2-flow.jsonl"))


def test_a_policy_comes_back_as_it_was_described() -> None:
    policy = Policy(limits=Limits(steps=None, seconds=float("inf")), plan=True, unknown="tell")
    window = ContextWindow(max_tokens=900, summarize=False)
    told = e.AgentDescribed("a", "m", "", policy=describe_policy(policy, window))
    record = decode_record(encode_record(Record("t", 1, 0.0, told)))
    assert record.event == told
    again = policy_from(record.event)
    assert (again.plan, again.unknown) == (True, "tell")
    assert again.limits == Limits(steps=None, seconds=None)
    assert window_from(record.event) == window
    later = replace(told, policy=replace(told.policy, limits={"steps": 3, "wishes": 3}))
    assert policy_from(later).limits == Limits(steps=3)


@pytest.mark.parametrize(
    "policy",
    [
        e.PolicyDescription({"steps": "many"}, {}),
        e.PolicyDescription({"seconds": []}, {}),
        e.PolicyDescription({}, {"max_messages": -1}),
    ],
)
def test_a_description_that_was_tampered_with_is_refused_in_words(policy: Any) -> None:
    records = live(recorded(*MADE["a plan"]))
    seq = names(records).index("AgentDescribed")
    event: Any = records[seq].event
    records[seq] = replace(records[seq], event=replace(event, policy=policy))
    with pytest.raises(UsageError, match=r"the log says of its agent's .* what can't be"):
        first(records)
    settings = {"context_tokens": "many"}
    records[seq] = replace(records[seq], event=replace(event, settings=settings))
    assert first(records) is None, "a size that is no number is as good as none"


def golden(file: str) -> list[Record]:
    """The records of the first thread in this file."""
    lines = (Path(__file__).parents[1] / "golden" / file).read_bytes().splitlines()
    records = [decode_record(line) for line in lines]
    return [record for record in records if record.thread_id == records[0].thread_id]
