"""The command's process: standard output is its own, and tools don't keep it from ending."""

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

AGENTS = """
import os, subprocess, sys, threading, time
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

def made(*names):
    model = ScriptedModel([calls(*names), says("the answer")])
    return Agent(tools=[prints, awaits, stays], model=model)

prints_much = made("prints", "awaits")
leaves = made("stays")
"""
PRINTED = ["at import", "by print", "by a thread", "by C code", "by a child", "by an async tool"]


def treadle(folder: Path, *words: str) -> "subprocess.CompletedProcess[str]":
    (folder / "agents.py").write_text(AGENTS)
    command = [sys.executable, "-m", "treadle", *words, "--db", str(folder / "t.db")]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


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


def test_a_thread_that_a_tool_leaves_behind_does_not_keep_the_process(tmp_path):
    began = time.monotonic()
    done = treadle(tmp_path, "go", "--agent", f"{tmp_path}/agents.py:leaves")
    assert (done.stdout, done.returncode) == ("the answer\n", 0), done.stderr
    assert time.monotonic() - began < 50


def test_help_goes_to_standard_output():
    done = subprocess.run(
        [sys.executable, "-m", "treadle", "--help"], capture_output=True, text=True, check=True
    )
    assert "Exit codes:" in done.stdout
    assert done.stderr == ""
