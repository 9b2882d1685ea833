"""AGENTS.md in the working directory: what the model is told of it, and what the person is."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from cli.commandline import Treadle
from server import Server, says, serving
from treadle import Agent, ScriptedModel
from treadle.cli.agents import INSTRUCTIONS, with_model
from treadle.cli.options import AgentOptions
from treadle.cli.trust import keep


@contextmanager
def model(answers: int) -> Iterator[Server]:
    """A server of its own, in a thread, since the command line runs its own loop."""
    ready, over, made = threading.Event(), asyncio.Event(), []

    async def serve() -> None:
        async with serving(*[says("Bonjour.")] * answers) as server:
            made.append((server, asyncio.get_running_loop()))
            ready.set()
            await over.wait()

    thread = threading.Thread(target=asyncio.run, args=[serve()])
    thread.start()
    assert ready.wait(10)
    server, loop = made[0]
    try:
        yield server
    finally:
        loop.call_soon_threadsafe(over.set)
        thread.join()


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "AGENTS.md").write_text("Speak French.\x1b[2J")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TREADLE_TRUSTED_PROJECTS", str(tmp_path / "trusted.json"))
    keep(tmp_path, True)
    return tmp_path


def test_the_model_reads_it_and_the_person_is_told(
    treadle: Treadle, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with model(4) as server:
        monkeypatch.setenv("TREADLE_MODEL", f"{server.url}#m")
        ran = treadle("Hello", "-t", "mine")
        assert (ran.code, ran.out) == (0, "Bonjour.\n")
        assert ran.err.splitlines()[0] == "instructions from AGENTS.md"
        system = server.asked[0].body["messages"][0]
        assert system["role"] == "system"
        assert system["content"].startswith(INSTRUCTIONS)
        assert "Speak French." in system["content"]
        assert treadle("replay", "mine").code == 0
        assert treadle("replay", "mine", "--no-project").code == 1

        assert "AGENTS.md" not in treadle("Hello", "--no-project").err
        assert server.asked[1].body["messages"][0]["content"] == INSTRUCTIONS
        assert treadle("Hello", "-q").err == ""
        assert treadle("Hello", "--json").err == ""
        assert "Speak French." in server.asked[3].body["messages"][0]["content"]


def test_an_agent_of_one_s_own_is_left_alone(treadle: Treadle, folder: Path) -> None:
    ran = treadle("Hello", agent="echoes")
    assert ran.out == "2: Hello\n"
    assert "AGENTS.md" not in ran.err


def test_a_link_out_of_the_folder_is_not_read_and_that_is_said(
    treadle: Treadle, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "inner").mkdir()
    (folder / "inner" / "AGENTS.md").symlink_to(folder / "AGENTS.md")
    monkeypatch.chdir(folder / "inner")
    keep(folder / "inner", True)
    with model(1) as server:
        monkeypatch.setenv("TREADLE_MODEL", f"{server.url}#m")
        ran = treadle("Hello")
    assert ran.err.splitlines()[0] == "AGENTS.md is a link out of the project, so it is not read"
    assert server.asked[0].body["messages"][0]["content"] == INSTRUCTIONS


def test_it_takes_a_quarter_of_the_model_s_context_at_most(folder: Path) -> None:
    (folder / "AGENTS.md").write_text("Speak French. " * 3000)
    large, small = ScriptedModel([]), ScriptedModel([], context_tokens=4000)
    agent = with_model(Agent(), large, AgentOptions())
    assert 32_000 < len(agent.instructions) < 33_500
    smaller = with_model(agent, small, AgentOptions())
    assert len(smaller.instructions) < len(INSTRUCTIONS) + 3300, (
        "with another model it is measured anew"
    )
    assert "[cut at 3,000 of 42,000 bytes]" in smaller.instructions
