"""ARCHITECTURE.md: the three logs that it walks through are the logs that Treadle writes."""

import re
from pathlib import Path

from fakes import killed_while_it_paid
from treadle import (
    Agent,
    Limits,
    MemoryStore,
    OutcomeDecided,
    ScriptedModel,
    run_sync,
    tool,
)
from treadle.core import events as e
from treadle.core.codec import decode_event
from treadle.models.scripted import calls, says

PAGE = (Path(__file__).parents[2] / "ARCHITECTURE.md").read_text("utf8")


@tool
def pay(account: str) -> str:
    """Pay from an account."""
    return "paid"


ASKS = calls(("pay", {"account": "A-1"}))


def told(name: str) -> list[str]:
    """The events that the page shows of a log, by their numbers: `7 ThreadClaimed`."""
    [block] = re.findall(rf"<!-- log: {name} -->\n```\n(.*?)```", PAGE, re.S)
    return re.findall(r"(\d+ [A-Z]\w+)", block)


def written(store: MemoryStore, thread: str) -> list[str]:
    rows = run_sync(store.read(thread))
    return [f"{row.seq} {type(decode_event(row.event)).__name__}" for row in rows]


def test_one_message_with_one_tool_call():
    store = MemoryStore()
    model = ScriptedModel([ASKS, says("Paid.")])
    Agent(tools=[pay], model=model, store=store).run_sync("Pay.", thread="t")
    assert written(store, "t") == told("message")


def test_one_crash():
    store = killed_while_it_paid("t", "Pay.", '{"account": "A-1"}')
    agent = Agent(tools=[pay], model=ScriptedModel([says("Paid.")]), store=store)
    result = run_sync(agent.resume("t"))
    assert [one.status for one in result.waiting] == ["unknown"]
    run_sync(agent.post("t", OutcomeDecided("c1", "ran", by="ann", content="paid")))
    run_sync(agent.resume("t"))
    assert written(store, "t") == told("crash")


def test_one_child():
    store = MemoryStore()
    model = ScriptedModel([says("Done.")])
    helper = Agent("Help.", name="helper", model=model, store=store, limits=Limits(tokens=5000))
    asks = calls(("helper", {"task": "Look."}))
    top = ScriptedModel([asks, says("Done.")])
    Agent(tools=[helper.as_tool()], model=top, store=store).run_sync("Look.", thread="t")
    started = decode_event(run_sync(store.read("t"))[7].event)
    assert isinstance(started, e.ChildStarted)
    assert started.account == "turn:t#3"
    shown = told("child")
    assert shown[:3] + shown[-1:] == written(store, "t")[5:9]
    assert shown[3:-1] == written(store, started.thread_id)
