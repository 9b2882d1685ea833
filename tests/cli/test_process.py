"""The command's process: standard output is its own, and tools don't keep it from ending."""

import asyncio
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from treadle import SQLiteStore, run_sync
from treadle.core import events as e
from treadle.core.codec import encode_event
from treadle.stores.store import Row

AGENTS = """
import atexit, multiprocessing, os, subprocess, sys, threading, time
from treadle import Agent, ScriptedModel, tool
from treadle.models.scripted import calls, says
print("at import")

@tool
def prints() -> str:
    "Print in every way."
    print("by print")
    threading.Thread(target=print, args=("by a thread",)).start()
    os.write(1, b"by C code\\n")
    subprocess.run([sys.executable, "-c", "print('by a child')"])
    sys.__stdout__.write("by the first stdout\\n")
    forked = multiprocessing.get_context("fork").Process(target=print, args=("by a fork",))
    forked.start()
    forked.join()
    atexit.register(print, "by an exit function")
    return "printed"

@tool
async def awaits() -> str:
    "Print in the event loop."
    print("by an async tool")
    return "printed"

@tool
def stays() -> str:
    "Leave a thread behind."
    threading.Thread(target=time.sleep, args=(600,)).start()
    return "left"

@tool
def starts() -> str:
    "Leave a process behind."
    multiprocessing.get_context("fork").Process(target=time.sleep, args=(600,)).start()
    return "left"

@tool
def ends_late() -> str:
    "Leave an exit function behind."
    atexit.register(time.sleep, 600)
    return "left"

def made(*names):
    model = ScriptedModel([calls(*names), says("the answer")])
    return Agent(tools=[prints, awaits, stays, starts, ends_late], model=model)

prints_much = made("prints", "awaits")
leaves = made("stays")
leaves_process = made("starts")
leaves_exit_function = made("ends_late")
"""
PRINTED = ["at import", "by print", "by a thread", "by C code", "by a child", "by an async tool"]
PRINTED += ["by the first stdout", "by a fork", "by an exit function"]


def treadle(folder: Path, *words: str) -> "subprocess.CompletedProcess[str]":
    (folder / "agents.py").write_text(AGENTS)
    command = [sys.executable, "-m", "treadle", *words, "--db", str(folder / "t.db")]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.slow
@pytest.mark.parametrize("options", [[], ["--json"]])
def test_what_tools_print_goes_to_standard_error_and_the_answer_to_standard_output(
    tmp_path, options
):
    done = treadle(tmp_path, "go", "--agent", f"{tmp_path}/agents.py:prints_much", *options)
    assert done.returncode == 0, done.stderr
    for text in PRINTED:  # their lines may run together
        assert text in done.stderr
    if not options:
        assert done.stdout == "the answer\n"
        return
    events = [json.loads(line) for line in done.stdout.splitlines()]
    assert events[-1]["event"]["type"] == "TurnEnded"


@pytest.mark.slow
@pytest.mark.parametrize("name", ["leaves", "leaves_process", "leaves_exit_function"])
def test_what_a_tool_leaves_behind_does_not_keep_the_process(tmp_path, name):
    began = time.monotonic()
    done = treadle(tmp_path, "go", "--agent", f"{tmp_path}/agents.py:{name}")
    assert (done.stdout, done.returncode) == ("the answer\n", 0), done.stderr
    assert time.monotonic() - began < 50


@pytest.mark.slow
def test_help_goes_to_standard_output():
    done = subprocess.run(
        [sys.executable, "-m", "treadle", "--help"], capture_output=True, text=True, check=True
    )
    assert "Exit codes:" in done.stdout
    assert done.stderr == ""


FULL = Path("/dev/full")


@pytest.mark.slow
@pytest.mark.skipif(not FULL.exists(), reason="a device that is always full is Linux's")
@pytest.mark.parametrize("words", [["go", "--agent", "agents.py:leaves"], ["tools"], ["--help"]])
def test_what_can_t_be_written_is_said_and_no_success(tmp_path, words):
    (tmp_path / "agents.py").write_text(AGENTS)
    command = [sys.executable, "-m", "treadle", *words]
    env = os.environ | {"TREADLE_DB": str(tmp_path / "t.db")}
    with FULL.open("w") as full:
        done = subprocess.run(
            command, stdout=full, stderr=-1, text=True, cwd=tmp_path, env=env, timeout=60
        )
    assert done.returncode == 1
    assert done.stderr.startswith("error: standard output can't be written: ") or (
        "\nerror: standard output can't be written: " in done.stderr
    )
    assert "Traceback" not in done.stderr


@pytest.mark.slow
def test_closed_standard_streams_do_no_harm(tmp_path):
    (tmp_path / "agents.py").write_text(AGENTS)
    ask = f"{sys.executable} -m treadle go -t mine --agent agents.py:leaves --db t.db"
    done = subprocess.run(["sh", "-c", f"{ask} <&- >&- 2>&-"], cwd=tmp_path, timeout=60)
    assert done.returncode == 0
    store = SQLiteStore(tmp_path / "t.db")
    assert [(info.thread_id, info.status) for info in asyncio.run(store.threads())] == [
        ("mine", "answered")
    ]
    store.close()


@pytest.mark.slow
@pytest.mark.parametrize("encoding", ["latin-1", "ascii"])
def test_json_in_a_pipe_is_the_same_in_every_locale(tmp_path, encoding):
    log = [e.ThreadStarted("a", "k"), e.ThreadClaimed("c1"), e.UserSaid("für 5 € 🙂")]
    rows = [Row(seq, 1.0, encode_event(event)) for seq, event in enumerate(log, 1)]
    run_sync(SQLiteStore(tmp_path / "t.db").append("t", rows))
    for command in (["show", "t", "--json"], ["show", "t", "--raw"], ["db", "export", "t"]):
        written = []
        for encoded_as in ("utf8", encoding):
            done = subprocess.run(
                [sys.executable, "-m", "treadle", *command, "--db", str(tmp_path / "t.db")],
                capture_output=True,
                timeout=60,
                env={**os.environ, "PYTHONIOENCODING": encoded_as},
                check=True,
            )
            written.append(done.stdout)
        assert written[0] == written[1]
        assert "für 5 € 🙂".encode() in written[1]


@pytest.mark.slow
@pytest.mark.parametrize("words", [["tools"], ["models"], ["--help"], ["db", "path"]])
def test_a_reader_that_has_gone_is_no_failure(tmp_path, words):
    reading, writing = os.pipe()
    os.close(reading)
    command = [sys.executable, "-m", "treadle", *words]
    env = os.environ | {"TREADLE_DB": str(tmp_path / "t.db")}
    done = subprocess.run(command, stdout=writing, stderr=-1, text=True, env=env, timeout=60)
    os.close(writing)
    assert (done.returncode, done.stderr) == (141, "")


@pytest.mark.parametrize("words", [["hi"], ["resume", "--all"]])
def test_ctrl_c_before_a_turn_begins_is_an_interruption(treadle, tmp_path, words):
    agents = tmp_path / "interrupted.py"
    agents.write_text("raise KeyboardInterrupt")  # while it is imported, say
    ran = treadle(*words, "--agent", str(agents))
    assert (ran.code, ran.out, ran.err) == (130, "", "")


def test_what_the_system_refuses_is_said_in_a_line(treadle, tmp_path):
    file = tmp_path / "file"
    file.write_text("")
    ran = treadle("init", str(file / "shop"))
    assert (ran.code, ran.err) == (1, f"error: {file}/shop: Not a directory\n")


@pytest.mark.slow
@pytest.mark.skipif(not FULL.exists(), reason="a device that is always full is Linux's")
def test_an_answer_is_an_answer_where_nothing_can_be_said_beside_it(tmp_path):
    (tmp_path / "agents.py").write_text(AGENTS.replace('print("at import")', ""))
    command = [sys.executable, "-m", "treadle", "go", "--agent", "agents.py:leaves", "--db", "t.db"]
    with FULL.open("w") as full:
        done = subprocess.run(
            command, stdout=-1, stderr=full, text=True, cwd=tmp_path, timeout=60, check=False
        )
    assert (done.returncode, done.stdout) == (0, "the answer\n")


def test_a_folder_that_was_deleted_beneath_the_shell_is_named_as_that(
    treadle, tmp_path, monkeypatch
):
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    ran = treadle("hi", agent="echoes")
    assert (ran.code, ran.out) == (1, "")
    assert ran.err == "error: the folder that you are in has been deleted; go to another one\n"
