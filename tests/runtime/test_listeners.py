import asyncio
import logging
import sys
import threading
from collections.abc import Sequence
from dataclasses import replace
from queue import SimpleQueue
from typing import Any

import pytest

from fakes import agent, live
from treadle import Agent, Delta, Limits, MemoryStore, Record, ScriptedModel, tool
from treadle.core.model import Reply
from treadle.models.scripted import calls, says
from treadle.runtime.listeners import BackgroundListener
from treadle.stores.store import Row


@tool
def add(a: int) -> int:
    """Add."""
    return a + 1


class Gated:
    """Hears nothing before the gate opens."""

    def __init__(self) -> None:
        self.gate = threading.Event()
        self.heard: list[Any] = []

    def __call__(self, what: Any) -> None:
        assert self.gate.wait(10)
        self.heard.append(what)


def kinds(heard: list[Any]) -> list[str]:
    return [what.text if isinstance(what, Delta) else type(what.event).__name__ for what in heard]


SCRIPT = [calls(("add", {"a": 1}), text="let me"), says("it is 2")]
ALL = [
    *(
        "ThreadStarted",
        "ThreadClaimed",
        "UserSaid",
        "AgentDescribed",
        "ModelCalled",
        "let",
        " me",
        "ModelReplied",
    ),
    *("ToolStarted", "ToolReturned", "ModelCalled", "it", " is", " 2", "ModelReplied", "TurnEnded"),
]


def test_a_listener_hears_every_record_and_every_piece_of_text_in_order():
    heard: list[Any] = []
    live(agent(ScriptedModel(SCRIPT), add, listeners=(heard.append,)).run("go"))
    assert kinds(heard) == ALL


def test_a_listener_that_hangs_holds_up_no_step_of_the_turn():
    """The store has the whole turn while the listener is still at its first record."""
    slow, heard_before_the_end = Gated(), []

    class Store(MemoryStore):
        async def append(self, thread_id: str, rows: Sequence[Row]) -> None:
            await super().append(thread_id, rows)
            if b'"TurnEnded"' in rows[0].event:
                heard_before_the_end.append(len(slow.heard))
                slow.gate.set()

    result = live(agent(ScriptedModel(SCRIPT), add, listeners=(slow,), store=Store()).run("go"))
    assert heard_before_the_end == [0]
    assert result.answer == "it is 2"
    assert kinds(slow.heard) == ALL  # the turn waits for it before it comes back


def test_a_listener_that_never_returns_is_left_behind_with_a_warning(caplog):
    slow = Gated()
    result = live(agent(ScriptedModel(SCRIPT), add, listeners=(slow,)).run("go"))
    assert result.answer == "it is 2"
    assert "lags behind by more than 5 s" in caplog.text
    slow.gate.set()


@pytest.mark.parametrize("error", [RuntimeError, SystemExit, KeyboardInterrupt, GeneratorExit])
def test_a_listener_that_raises_is_logged_and_the_others_hear_all(caplog, error):
    heard: list[Any] = []

    def bad(what: Any) -> None:
        raise error("watcher")

    with caplog.at_level(logging.ERROR, "treadle"):
        result = live(agent(ScriptedModel(SCRIPT), add, listeners=(bad, heard.append)).run("go"))
    assert result.answer == "it is 2"
    assert kinds(heard) == ALL
    assert len(
        [record for record in caplog.records if "the turn goes on" in record.message]
    ) == len(ALL)


@pytest.mark.parametrize("times", [1, 5])
def test_a_turn_leaves_no_thread_behind(times):
    heard_in: set[int] = set()

    def watch(what: Any) -> None:
        heard_in.add(threading.get_ident())

    for _ in range(times):
        live(agent(ScriptedModel([says("ok")]), listeners=(watch,)).run("go"))
    assert threading.get_ident() not in heard_in
    ending = threading.Event()  # it has said its last, and goes
    assert any(not heard_in & sys._current_frames().keys() or ending.wait(0.01) for _ in range(500))


def test_a_cancelled_turn_is_heard_to_its_end():
    heard: list[Any] = []

    class Hanging(ScriptedModel):
        async def reply(self, request: Any, emit: Any) -> Reply:
            emit("half an ")
            await asyncio.sleep(1e6)
            raise AssertionError

    async def whole() -> None:
        task = asyncio.create_task(agent(Hanging([]), listeners=(heard.append,)).run("go"))
        await asyncio.sleep(1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    live(whole())
    assert kinds(heard) == [
        "ThreadStarted",
        "ThreadClaimed",
        "UserSaid",
        "AgentDescribed",
        "ModelCalled",
        "half an ",
        "TurnEnded",
    ]
    assert heard[-1].event.status == "cancelled"


def test_a_turn_that_fails_is_heard_to_its_end():
    heard: list[Any] = []
    with pytest.raises(KeyError):
        live(agent(ScriptedModel([KeyError("bug")]), listeners=(heard.append,)).run("go"))
    assert kinds(heard)[-1] == "TurnEnded"


def test_without_a_word_no_thread_is_started():
    async def whole() -> None:
        before = sys._current_frames().keys()
        aside = BackgroundListener([])
        await aside.drain()
        assert sys._current_frames().keys() <= before

    live(whole())


def test_an_aside_can_be_told_again_after_it_has_caught_up():
    heard: list[Any] = []

    async def whole() -> None:
        aside = BackgroundListener([heard.append])
        for text in ("a", "b"):
            aside.tell(Delta("t", text))
            await aside.drain()
            aside.tell(Delta("t", text.upper()))
            await aside.drain()

    live(whole())
    assert kinds(heard) == ["a", "A", "b", "B"]


@pytest.mark.parametrize("how", ["cancelled", "a limit"])
def test_listeners_hear_once_how_a_child_ends_that_is_cut_off_with_its_parent(how: str) -> None:
    told: SimpleQueue[tuple[str, int]] = SimpleQueue()
    store = MemoryStore()

    def hear(what: Any) -> None:
        if isinstance(what, Record):
            told.put((what.thread_id, what.seq))

    @tool
    async def dig() -> str:
        """Dig."""
        await asyncio.sleep(60)
        return "dug"

    async def whole() -> list[tuple[str, int]]:
        middle = Agent(name="middle", model=ScriptedModel([calls(("low", {"task": "dig"}))]))
        low = Agent(name="low", tools=[dig], model=ScriptedModel([calls("dig")]))
        helper = replace(middle, tools=[low.as_tool()])
        top = agent(
            ScriptedModel([calls(("middle", {"task": "dig"}))]),
            helper.as_tool(),
            store=store,
            listeners=(hear,),
            limits=Limits(seconds=20.0),
        )
        turn = asyncio.create_task(top.run("go", thread="t"))
        await asyncio.sleep(10)
        if how == "cancelled":
            turn.cancel()
        await asyncio.gather(turn, return_exceptions=True)
        names = [info.thread_id for info in await store.threads()]
        return [(name, row.seq) for name in names for row in await store.read(name)]

    written = live(whole())
    assert len({name for name, _ in written}) == 3
    assert sorted(told.get(timeout=30) for _ in written) == sorted(written)
