"""`treadle tools`, `models` and `resume`; completion; what starting costs."""

import os
import subprocess
import sys
from pathlib import Path

import click
import pytest

from cli.commandline import Treadle
from treadle.cli.commands import commands
from treadle.cli.main import COMMANDS


def test_tools_says_what_each_may_do(treadle: Treadle) -> None:
    rows = {line.split()[0]: line for line in treadle("tools").out.splitlines()}
    assert {
        "calculator",
        "current_time",
        "date_calculator",
        "query_data",
        "read_file",
        "search_docs",
        "web_search",
        "web_fetch",
    } <= rows.keys()
    assert "read-only" in rows["calculator"]
    assert "needs approval" in rows["write_file"]
    assert "asks you" in rows["ask_user"]


def test_models_names_the_default_first(treadle: Treadle, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TREADLE_MODEL", "groq:fast")
    first, *rest = treadle("models").out.splitlines()
    assert first.startswith("groq:fast ")
    assert any(line.startswith("groq:<model>") and "GROQ_API_KEY" in line for line in rest)


def test_resume_of_a_thread_that_is_not_there_is_a_usage_error(treadle: Treadle) -> None:
    ran = treadle("resume", "nobody", agent="agent")
    assert (ran.code, ran.err) == (2, "error: there is no thread 'nobody' in this store\n")


def test_resume_of_a_finished_thread_gives_its_answer_again(treadle: Treadle) -> None:
    treadle("1+2?", "-t", "mine", agent="agent")
    ran = treadle("resume", "mine", agent="agent")
    assert (ran.code, ran.out) == (0, "The sum is 3.\n")
    assert "thread mine has no unfinished turn" in ran.err


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("treadle --mod", "--model"),
        ("treadle models p", "pull"),
        ("treadle resume --ag", "--agent"),
    ],
)
def test_a_shell_is_offered_options_and_commands(
    treadle: Treadle, monkeypatch: pytest.MonkeyPatch, line: str, offered: str
) -> None:
    monkeypatch.setenv("_TREADLE_COMPLETE", "bash_complete")
    monkeypatch.setenv("COMP_WORDS", line)
    monkeypatch.setenv("COMP_CWORD", str(len(line.split()) - 1))
    assert treadle().out == f"plain,{offered}\n"


def test_every_command_is_routed_and_in_the_help(treadle: Treadle) -> None:
    assert set(commands.list_commands(click.Context(commands))) == set(COMMANDS)
    assert all(name in treadle("--help").out for name in COMMANDS)


def test_a_question_that_looks_like_a_command_is_told_how_to_be_asked(treadle: Treadle) -> None:
    ran = treadle("explain", "quantum", "physics")
    assert ran.code == 2
    assert ran.err.endswith("was it a question? treadle -- explain quantum physics\n")


@pytest.mark.parametrize(
    ("words", "command", "question"),
    [
        ("--db x.db db import f", "db import f --db x.db", "--db x.db -- db import f"),
        ("--db=x.db threads", "threads --db=x.db", "--db=x.db -- threads"),
        ("-qt mine tools", "tools -qt mine", "-qt mine -- tools"),
        ("-tmine -q show last", "show last -tmine -q", "-tmine -q -- show last"),
        ("--nope models", "models --nope", "--nope -- models"),
    ],
)
def test_a_command_behind_options_is_no_question(
    treadle: Treadle, words: str, command: str, question: str
) -> None:
    ran = treadle(*words.split())
    assert (ran.code, ran.out) == (2, "")
    assert ran.err == (
        f"error: put the options after the command: treadle {command}; for a question: treadle"
        f" {question}\n"
    )


@pytest.mark.parametrize(
    ("words", "question"),
    [
        (("-t", "tail", "why?"), "why?"),
        (("-qt", "tail", "why?"), "why?"),
        (("--thread", "show", "-q", "what", "threads", "are"), "what threads are"),
        (("-q", "show me the threads"), "show me the threads"),
        (("--thread=db", "--", "threads"), "threads"),
        (("-q", "--", "db", "path"), "db path"),
    ],
)
def test_a_question_behind_options_is_one(
    treadle: Treadle, words: tuple[str, ...], question: str
) -> None:
    assert treadle("--agent", f"{treadle.agents}:echoes", *words).out == f"2: {question}\n"


@pytest.mark.parametrize("option", ["--help", "--version"])
def test_help_and_version_are_given_whatever_follows(treadle: Treadle, option: str) -> None:
    assert treadle("-q", option, "tools").code == 0


@pytest.mark.slow
@pytest.mark.parametrize("option", ["--version", "--help"])
def test_version_and_help_import_nothing_slow(option: str) -> None:
    code = (
        "import atexit, sys; from treadle.cli.main import main\n"
        "slow = ('openai', 'pydantic', 'prompt_toolkit', 'genai_prices')\n"
        "atexit.register(lambda: print('slow:', [name for name in slow if name in sys.modules]))\n"
        f"main(['{option}'])"
    )
    source = str(Path(__file__).parents[2] / "src")
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | {"PYTHONPATH": source},
        capture_output=True,
        check=True,
    )
    assert done.stdout.decode().splitlines()[-1] == "slow: []"


@pytest.mark.slow
def test_commands_on_threads_import_nothing_that_others_need(treadle: Treadle) -> None:
    treadle("send it", "-t", "mine", agent="sends")
    reading = ["threads", "show", "summary", "costs"]
    commands = [*reading, "approve", "explain", "replay", "cancel"]
    code = f"""
import contextlib, os, sys
from treadle.cli.main import main
slow = {{}}
for command in {commands}:
    with contextlib.suppress(SystemExit), contextlib.redirect_stdout(open(os.devnull, "w")):
        main([command] if command == "threads" else [command, "mine"])
    others = ["openai", "prompt_toolkit"]
    if command in {reading}:
        others += ["pydantic", "treadle.tools", "treadle.cli.project_skills"]
    slow[command] = [name for name in others if name in sys.modules]
print(slow)
"""
    source = str(Path(__file__).parents[2] / "src")
    done = subprocess.run(
        [sys.executable, "-c", code], env=os.environ | {"PYTHONPATH": source}, capture_output=True
    )
    assert done.stdout.decode().splitlines()[-1] == str({name: [] for name in commands})
