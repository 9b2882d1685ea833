"""Flows and graphs at the command line.

Shown as a tree and a picture, explained, decided on and gone on with.
"""

import asyncio
import json
import sys
from importlib.util import module_from_spec, spec_from_file_location

import pytest

from cli.commandline import Treadle
from treadle import SQLiteStore, TurnFailed

FLOWS = """
from dataclasses import dataclass
from pathlib import Path
from treadle import Agent, ScriptedModel, approve, flow, step, tool
from treadle.graphs import END, START, Choice, Edge, Graph, Node
from treadle.models.scripted import calls, says

def answer(request):
    done = [m.text for m in request.messages if m.role == "tool"]
    return says(f"paid: {done[0]}") if done else calls(("pay", {"euros": 5}))

@tool(needs_approval=True)
def pay(euros: int) -> str:
    "Pay."
    return f"{euros} euros"

payer = Agent("Pay.", name="payer", tools=[pay], model=ScriptedModel([answer] * 4))

def charge(who: str) -> str:
    return f"charged \\x1b[2J{who}"

@flow
async def order(who: str) -> list[str]:
    charged = await step(charge, who)
    paid = await payer.run("pay it")
    await approve("the parcel", to=who)
    return [charged, paid.answer]

priceless = Agent(name="priceless", model=ScriptedModel([says("fine")], price_usd=None))

@flow
async def asks(who: str) -> str:
    await approve("asking", to=who)
    return (await priceless.run("how is it?")).answer

@flow
async def picky(who: str) -> str:
    await step(charge, who)
    return await step(fails, who)

def fails(who: str) -> str:
    if not Path(__file__).with_name("works").exists():
        raise ValueError("no")
    return f"sent to {who}"

@dataclass
class State:
    score: int = 0

def grade(score: int) -> int:
    return score + 2

def judge(score: int) -> tuple[str, str]:
    return ("good", f"{score} is enough") if score > 3 else ("again", f"{score} is too low")

cycle = Graph(
    State,
    [Node(grade, "score")],
    [Edge(START, "grade"), Choice("grade", judge, {"good": END, "again": "grade"})],
)
"""


@pytest.fixture
def flows(treadle: Treadle):
    """The module, and `treadle` with it."""
    treadle.agents.write_text(FLOWS, "utf8")
    spec = spec_from_file_location("flows_under_test", treadle.agents)
    assert spec
    assert spec.loader
    module = module_from_spec(spec)
    sys.modules["flows_under_test"] = module
    spec.loader.exec_module(module)
    yield module
    sys.modules.pop("flows_under_test", None)


def test_a_flow_is_decided_on_gone_on_with_and_shown_as_a_tree(treadle: Treadle, flows) -> None:
    result = asyncio.run(flows.order.options(thread="t").run("ann"))
    assert [held.thread_id for held in result.waiting] == ["t.payer"]
    assert [line.split()[0] for line in treadle("threads").out.splitlines()] == ["t"]
    assert [line.split()[0] for line in treadle("threads", "--all").out.splitlines()] == [
        "t",
        "t.payer",
    ]

    waits = treadle("show", "t").out
    assert "payer payer  waiting: pay: pay needs approval  1 step," in waits
    assert "  t.payer\n" in waits

    explained = treadle("explain", "t", agent="order").out
    assert "charge charge({" in explained
    assert "approve or deny" in explained
    assert "pay({" in explained

    went = treadle("approve", "t", "--resume", agent="order")
    assert went.code == 4, went.err
    assert "waits for you: approve: this needs approval" in went.err
    assert "approve the-parcel" not in went.err
    explained = treadle("explain", "t", agent="order").out
    assert "treadle resume would:\n  nothing, until somebody decides" in explained

    assert treadle("approve", "t", "--why", "fine").code == 0
    assert "run the flow's code from its start" in treadle("explain", "t", agent="order").out
    done = treadle("resume", "t", agent="order")
    assert done.code == 0, done.err
    assert json.loads(done.out) == ["charged \x1b[2Jann", "paid: 5 euros"]

    shown = treadle("show", "t").out
    assert 'step charge: charge(who="ann")' in shown
    assert "\x1b" not in shown
    tree = shown[shown.index("threads below:") :]
    assert "── payer payer  answered  2 steps, 1 tool call," in tree
    assert "» pay it" in tree


def test_a_graph_s_choices_and_their_reasons_are_shown_and_drawn(treadle: Treadle, flows) -> None:
    asyncio.run(flows.cycle.options(thread="g").run())
    shown = treadle("show", "g").out
    assert "← judge: again → grade, because 2 is too low" in shown
    assert "← judge: good → end, because 4 is enough" in shown
    assert '■ answered: {"score":4}' in shown
    drawn = treadle("show", "g", "--picture", agent="cycle").out
    assert drawn.startswith("flowchart TD\n")
    assert '"again: 2 is too low (once)"' in drawn
    assert treadle("show", "g", "--picture").code == 2


def test_a_flow_is_begun_from_python_and_takes_no_agent_s_options(treadle: Treadle, flows) -> None:
    asyncio.run(flows.order.options(thread="t").run("ann"))
    asked = treadle("what?", agent="order")
    assert asked.code == 2
    assert "it is begun from Python" in asked.err
    refused = treadle("resume", "t", "--plan", agent="order")
    assert refused.code == 2
    assert "it takes no --plan" in refused.err
    refused = treadle("resume", "t", "--max-steps", "3", agent="order")
    assert refused.code == 2
    assert "it takes --max-tool-calls, not --max-steps" in refused.err
    other = treadle("resume", "t", agent="cycle")
    assert "is one of 'order', not of the flow 'graph'" in other.err


def test_an_agent_of_unknown_price_passes_a_flow_s_limit_where_one_says_so(
    treadle: Treadle, flows
) -> None:
    asyncio.run(flows.asks.options(thread="t").run("ann"))
    assert treadle("approve", "t").code == 0
    went = treadle("resume", "t", "--max-cost", "1", "--unpriced", agent="asks")
    assert (went.code, went.out) == (0, '"fine"\n')


def test_a_flow_whose_code_has_changed_is_told_so(treadle: Treadle, flows) -> None:
    asyncio.run(flows.order.options(thread="t").run("ann"))
    assert treadle("replay", "t", agent="order").out.startswith("the same, ")
    treadle.agents.write_text(FLOWS.replace("step(charge, who)", 'step(charge, "bob")'), "utf8")
    replayed = treadle("replay", "t", agent="order")
    assert (replayed.code, "step charge was charge" in replayed.out) == (1, True)
    changed = treadle("resume", "t", agent="order")
    assert changed.code == 2
    assert "the flow's code has changed under its log: step charge was charge" in changed.err
    store = SQLiteStore()
    assert b"ThreadClaimed" not in asyncio.run(store.read("t"))[-1].event
    store.close()


def test_a_flow_is_forked_at_a_record_and_goes_on_from_there(treadle: Treadle, flows) -> None:
    asyncio.run(flows.order.options(thread="t").run("ann"))
    forked = treadle("fork", "t", "--at", "6", agent="order")
    assert forked.code == 4, forked.err
    assert "what these calls did, in the shared part, stays done" in forked.err
    assert 'charge(who="ann")' in forked.err


def test_what_a_flow_asks_to_do_is_changed_from_the_command_line(treadle: Treadle, flows) -> None:
    asyncio.run(flows.order.options(thread="t").run("ann"))
    assert treadle("approve", "t", "--resume", agent="order").code == 4
    bad = treadle("approve", "t", "--edit", '{"to": "eve"}', agent="order")
    assert "is a JSON object with what, to" in bad.err
    edit = '{"what": "the parcel", "to": "eve"}'
    went = treadle("approve", "t", "--edit", edit, "--resume", agent="order")
    assert went.code == 0, went.err


def test_what_has_failed_in_a_flow_is_run_again(treadle: Treadle, flows) -> None:
    with pytest.raises(TurnFailed):
        asyncio.run(flows.picky.options(thread="t").run("ann"))
    assert "with --retry-failed, run fails again" in treadle("explain", "t", agent="picky").out
    refused = treadle("resume", "t", "--retry-failed")
    assert "it takes --agent MODULE:NAME" in refused.err
    treadle.agents.with_name("works").touch()
    went = treadle("resume", "t", "--retry-failed", agent="picky")
    assert went.code == 0, went.err
    assert "what has failed runs again" in went.err
    assert "sent to ann" in went.out
    assert sum("charge" in line for line in treadle("show", "t").out.splitlines()) < 4
