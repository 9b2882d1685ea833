"""Whoever comes second is told who was first, and when."""

import re
from dataclasses import replace
from typing import Any, NamedTuple

import pytest

from fakes import agent
from treadle import (
    Agent,
    ApprovalGiven,
    MemoryStore,
    OutcomeDecided,
    ScriptedModel,
    SQLiteStore,
    TurnEnded,
    TurnOpen,
    UserSaid,
    flow,
    run_sync,
    tool,
)
from treadle.core import events as e
from treadle.core.errors import IllegalEvent
from treadle.models.scripted import calls, says
from treadle.runtime.conflicts import turn_open
from treadle.runtime.local_time import format_time
from treadle.runtime.log import open_log
from treadle.runtime.world import World
from treadle.stores.rows import to_rows
from treadle.tools.ask import ask_user

NOON = 1_800_000_000.0
AT = format_time(NOON)


@tool(needs_approval=True)
def send(to: str) -> str:
    "Send."
    return f"sent to {to}"


def waiting(*script: Any) -> tuple[Agent, str]:
    """An agent whose thread t waits, and the id of the call that it waits for."""
    made = agent(ScriptedModel([*script, says("done")]), send, ask_user)
    made = replace(made, world=World(now=lambda: NOON, driver=lambda: "host:12"))
    [call] = made.run_sync("go", thread="t").waiting
    return made, call.id


class Unattended(NamedTuple):
    """A store that doesn't know who drives."""

    append: Any
    read: Any
    threads: Any


SEND = calls(("send", {"to": "ann"}))


@pytest.mark.parametrize(
    ("first", "second", "words"),
    [
        ((True, "ann"), (True, "bob"), f"was allowed already, by ann at {AT}"),
        ((True, "ann"), (False, "bob"), f"was allowed already, by ann at {AT}"),
        ((False, "ann"), (True, "bob"), f"was denied already, by ann at {AT}"),
    ],
)
def test_a_second_approval_is_told_who_was_first(first: Any, second: Any, words: str):
    made, call_id = waiting(SEND)
    run_sync(made.post("t", ApprovalGiven(call_id, *first)))
    with pytest.raises(IllegalEvent) as refused:
        run_sync(made.post("t", ApprovalGiven(call_id, *second)))
    assert str(refused.value) == f"call {call_id} of thread t {words}"


def test_it_is_told_so_also_after_an_edit_whatever_it_was_shown():
    made, call_id = waiting(SEND)
    digest = made.run_settings and run_sync(made.resume("t")).waiting[0].digest
    edit = ApprovalGiven(call_id, True, "ann", arguments='{"to": "eve"}')
    run_sync(made.post("t", edit))
    with pytest.raises(IllegalEvent, match="was allowed already, by ann"):
        run_sync(made.post("t", ApprovalGiven(call_id, True, "bob", digest=digest)))
    with pytest.raises(IllegalEvent, match="was allowed already, by ann"):
        run_sync(made.post("t", ApprovalGiven(call_id, True, "bob", arguments="{}")))


def test_a_late_approval_is_told_of_the_result_too():
    made, call_id = waiting(SEND)
    run_sync(made.post("t", ApprovalGiven(call_id, True, "ann")))
    run_sync(made.resume("t"))
    with pytest.raises(IllegalEvent) as refused:
        run_sync(made.post("t", ApprovalGiven(call_id, True, "bob")))
    assert str(refused.value).endswith(
        f"was allowed already, by ann at {AT}, and has its result since {AT}"
    )


def test_a_second_answer_is_told_who_answered():
    made, call_id = waiting(calls(("ask_user", {"question": "Which?"})))
    run_sync(made.post("t", UserSaid("blue", answers=call_id, by="ann")))
    with pytest.raises(IllegalEvent, match=f"was answered already, by ann at {AT}"):
        run_sync(made.post("t", UserSaid("red", answers=call_id, by="bob")))


@pytest.mark.parametrize(
    "late", [ApprovalGiven("c00005000", True, "bob"), TurnEnded("cancelled", "by bob")]
)
def test_what_comes_after_the_end_is_told_how_and_when_it_ended(late: Any):
    made, _ = waiting(SEND)
    run_sync(made.post("t", TurnEnded("cancelled", "by ann: too slow")))
    with pytest.raises(IllegalEvent) as refused:
        run_sync(made.post("t", late))
    words = f"its last turn was ended at {AT}: cancelled (by ann: too slow)"
    assert str(refused.value) == f"nothing waits in thread t: {words}"


def test_an_illegal_event_of_another_kind_keeps_its_words():
    made, call_id = waiting(SEND)
    with pytest.raises(IllegalEvent, match="OutcomeDecided can't come for call"):
        run_sync(made.post("t", OutcomeDecided(call_id, "ran", "ann")))


def test_a_turn_that_waits_says_since_when():
    made, _ = waiting(SEND)
    refused = turn_open(run_sync(open_log("t", made._store, made.world)))
    standing = f"begun at {AT}, which waits for people since {AT}"
    assert refused.standing == standing
    assert str(refused) == (
        f"thread t has an unfinished turn, {standing}; resume it before saying something new, or"
        ' say it into that turn: when_busy="steer"'
    )


@pytest.mark.parametrize("attended", [True, False])
def test_a_turn_that_is_driven_says_by_whom(tmp_path: Any, attended: bool):
    store: Any = SQLiteStore(tmp_path / "logs.db")
    if not attended:
        store = Unattended(store.append, store.read, store.threads)

    @tool
    async def busy() -> str:
        "Try to say something in the same thread."
        with pytest.raises(TurnOpen) as refused:
            await made.run("more", thread="t")
        return refused.value.standing

    script = [calls("busy"), lambda request: says(request.messages[-1].text)]
    made = agent(ScriptedModel(script), busy, store=store)
    made = replace(made, world=World(now=lambda: NOON, driver=lambda: "host:12"))
    said = "which host:12 drives since" if attended else "driven by host:12 since"
    assert run_sync(made.run("go", thread="t")).answer == f"begun at {AT}, {said} {AT}"


def test_a_turn_whose_driver_is_gone_says_so(tmp_path: Any):
    store = SQLiteStore(tmp_path / "logs.db")
    made = agent(ScriptedModel([]), store=store)
    begun = [
        e.ThreadStarted("agent", "key"),
        e.ThreadClaimed("claim", "host:12"),
        e.UserSaid("go"),
    ]
    records = [e.Record("t", seq, NOON, event, 0.0) for seq, event in enumerate(begun, 1)]
    run_sync(store.append("t", to_rows(records)))
    with pytest.raises(TurnOpen, match=r"no process of this machine drives now; resume it"):
        made.run_sync("more", thread="t")


def test_a_flow_that_has_begun_says_when():
    @flow(store=MemoryStore(), world=World(now=lambda: NOON, driver=lambda: "host:12"))
    async def ship() -> int:
        return 1

    ship.options(thread="t").run_sync()
    with pytest.raises(TurnOpen, match=re.escape(f"this one was ended at {AT}: answered")):
        ship.options(thread="t").run_sync()
