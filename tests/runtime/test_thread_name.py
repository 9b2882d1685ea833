from typing import Any

import pytest

from fakes import agent
from treadle import MemoryStore, ScriptedModel, UsageError, flow, run_sync
from treadle.core import events as e
from treadle.models.scripted import says
from treadle.stores.rows import to_rows


@flow(store=MemoryStore())
async def ship() -> int:
    return 1


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("", "the thread's name is empty; give a name, or leave it out"),
        (" \n", "the thread's name is empty"),
        ("last", "on the command line it means the last thread"),
        ("-", "on the command line it means the last thread"),
        (7, "thread is an int; give the thread's name, which is a text"),
        (b"t", "thread is a bytes"),
        (["t"], "thread is a list"),
        ("a\ud800", "half a character"),
        ("a\0b", "none can get that name: it has a NUL character"),
    ],
)
def test_what_can_name_no_thread_is_refused_and_nothing_is_written(name: Any, words: str):
    store = MemoryStore()
    made = agent(ScriptedModel([]), store=store)
    for work in (
        lambda: made.run_sync("hi", thread=name),
        lambda: run_sync(made.resume(name)),
        lambda: run_sync(made.post(name, e.UserSaid("hi"))),
        lambda: run_sync(made.fork(name)),
        lambda: run_sync(made.replay(name)),
        lambda: run_sync(made.import_history([{"role": "user", "content": "hi"}], thread=name)),
        lambda: ship.options(thread=name).run_sync(),
        lambda: run_sync(ship.resume(name)),
    ):
        with pytest.raises(UsageError) as refused:
            work()
        assert words in str(refused.value)
    assert run_sync(store.threads()) == []


def test_a_summary_is_refused_too():
    with pytest.raises(UsageError, match="name is empty"):
        run_sync(agent(ScriptedModel([])).summary(""))


def test_a_result_in_the_place_of_a_name_is_told_its_thread_id():
    made = agent(ScriptedModel([says("hi")]))
    result = made.run_sync("hello")
    with pytest.raises(UsageError, match="thread is a Result; give its thread_id"):
        run_sync(made.resume(result))  # type: ignore[arg-type]


def test_a_thread_that_has_such_a_name_already_goes_on():
    store = MemoryStore()
    begun = [
        e.Record("last", 1, 0.0, e.ThreadStarted("agent", "key"), 0.0),
        e.Record("last", 2, 0.0, e.ThreadClaimed("claim"), 0.0),
    ]
    run_sync(store.append("last", to_rows(begun)))
    made = agent(ScriptedModel([says("hi")]), store=store)
    assert made.run_sync("hello", thread="last").answer == "hi"
