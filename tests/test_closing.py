"""Nobody has to close anything: what was opened closes with its owner, or with the process."""

import asyncio
import gc
import sqlite3
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from treadle import SQLiteStore
from treadle.stores.connection import SharedConnection
from treadle.stores.store import Row

QUIET = """
import logging
logging.getLogger("treadle").setLevel(logging.ERROR)  # a busy machine holds up the event loop
"""
USES_ALL = """
import asyncio, sys
import server
from treadle import Agent, SQLiteStore
from treadle.notes.notes import Notes
from treadle.models.remote_model import RemoteModel
from treadle.runtime.sync import run_sync
from treadle.tools.docs import search_docs

async def ask():
    async with server.serving(server.says("Hello.")) as here:
        model = RemoteModel("m", base_url=here.url, api_key="k")
        agent = Agent(model=model, tools=[search_docs], store=store, notes=Notes())
        print((await agent.run("Hi")).answer)
        return model

store = SQLiteStore("full.db", durability="full")
search_docs.function("words")
model = run_sync(ask())
Agent(model=model)._store  # the default one
print(len(run_sync(store.threads())))
"""


def closed(db: sqlite3.Connection) -> bool:
    try:
        db.execute("select 1")
    except sqlite3.ProgrammingError:
        return True
    return False


@pytest.mark.slow
def test_a_connection_closes_with_its_owner():
    owner = SharedConnection(lambda: sqlite3.connect(":memory:"))
    with owner as db:
        assert not closed(db)
    del owner
    gc.collect()
    assert closed(db)


@pytest.mark.slow
@pytest.mark.parametrize("durability", ["process", "full"])
def test_a_store_that_nobody_closed_leaves_no_file_open_and_no_thread(tmp_path, durability):
    def write() -> None:
        store = SQLiteStore(tmp_path / "a.db", durability=durability)
        asyncio.run(store.append("t", [Row(1, 0.0, b"{}")]))

    write()
    gc.collect()
    ended = threading.Event()
    for _ in range(500):  # the thread of full durability ends a moment later
        if not (tmp_path / "a.db-wal").exists():
            break
        ended.wait(0.01)
    assert [file.name for file in tmp_path.iterdir()] == ["a.db"]


@pytest.mark.slow
def test_a_program_that_closes_nothing_ends_without_a_warning(tmp_path):
    command = [sys.executable, "-W", "error", "-c", QUIET + USES_ALL]
    environment = {"PYTHONPATH": str(Path(__file__).parent), "TREADLE_DB": "logs.db"}
    ran = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert (ran.stderr, ran.stdout) == ("", "Hello.\n1\n")
    assert {file.name for file in tmp_path.iterdir()} == {"full.db", "full.db-drivers"}


LEAVES_A_TURN = """
import atexit, threading
from treadle import Agent, ScriptedModel, tool
from treadle.models.scripted import calls, says
from treadle.runtime.sync import run_sync

started = threading.Event()

@tool
def wait() -> str:
    started.set()
    threading.Event().wait()

async def nothing():
    return "still there"

atexit.register(lambda: print(run_sync(nothing())))
agent = Agent(model=ScriptedModel([calls("wait"), says("Done.")]), tools=[wait])
threading.Thread(target=agent.run_sync, args=("Go",), kwargs={"thread": "t"}, daemon=True).start()
assert started.wait(30)
"""


@pytest.mark.slow
def test_a_turn_that_runs_when_the_process_ends_is_left_to_be_resumed(tmp_path):
    command = [sys.executable, "-W", "error", "-c", QUIET + LEAVES_A_TURN]
    environment = {"TREADLE_DB": str(tmp_path / "logs.db")}
    ran = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
    assert (ran.stderr, ran.stdout) == ("", "still there\n")
    store = SQLiteStore(tmp_path / "logs.db")
    rows = asyncio.run(store.read("t"))
    store.close()
    assert b'"ToolStarted"' in rows[-1].event


@pytest.mark.slow
def test_what_works_at_the_very_end_still_has_the_shared_loop():
    ends_first = "import atexit\nfrom treadle.runtime.sync import run_sync\n"
    ends_first += "async def nothing(): return 'hello'\n"
    ends_first += "atexit.register(lambda: print(run_sync(nothing())))\nrun_sync(nothing())\n"
    ran = subprocess.run(
        [sys.executable, "-W", "error", "-c", ends_first],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (ran.stderr, ran.stdout) == ("", "hello\n")
