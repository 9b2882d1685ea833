"""On a real terminal: approval in place, Ctrl-C, and the chat."""

import asyncio
import os
import stat
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import pytest

from cli.commandline import Treadle
from treadle import SQLiteStore
from treadle.core import events as e
from treadle.core.codec import decode_event

if sys.platform == "win32":
    pytest.skip("pseudoterminals are POSIX's", allow_module_level=True)

from cli.pseudoterminal import Terminal

Started = Callable[..., Terminal]


@pytest.fixture
def started(treadle: Treadle) -> Iterator[Started]:
    with ExitStack() as all_of_them:

        def start(*words: str, agent: str, **more: str) -> Terminal:
            environ = {**os.environ, "NO_COLOR": "", "TERM": "xterm", **more}
            terminal = Terminal([*words, "--agent", f"{treadle.agents}:{agent}"], environ)
            return all_of_them.enter_context(closing(terminal))

        yield start


def events(thread_id: str) -> list[Any]:
    with closing(SQLiteStore()) as store:
        return [decode_event(row.event) for row in asyncio.run(store.read(thread_id))]


@pytest.mark.slow
def test_bytes_that_are_no_text_do_not_end_the_command(started: Started) -> None:
    terminal = started("go", agent="asks", PYTHONIOENCODING="utf-8:strict")
    terminal.until("Your answer: ")
    terminal.type("gr\udcfcn\n")  # as a terminal in Latin-1 sends it
    assert "gr\ufffdn" in terminal.until("thread")
    assert terminal.ended() == 0


@pytest.mark.slow
def test_arguments_are_edited_on_a_dumb_terminal_too(started: Started) -> None:
    terminal = started("go", agent="sends", TERM="dumb")
    terminal.until("[e]dit: ")
    terminal.type("e\n")
    terminal.until("go back): ")
    terminal.type('{"to": "ann", "text": "new"}\n')
    terminal.until("sent new to ann")
    assert terminal.ended() == 0
    assert "\x1b" not in terminal.shown


@pytest.mark.slow
def test_a_call_is_approved_in_place_and_ctrl_c_then_ends_the_turn_cleanly(
    started: Started,
) -> None:
    terminal = started("go", "-t", "mine", agent="sleepy")
    assert 'to: "bob"' in terminal.until("[e]dit: ")
    terminal.type("y\n")
    assert "sent hi to bob" in terminal.until("slow()")
    terminal.type("\x03")
    assert "stopped; thread mine holds what was done" in terminal.until("done")
    assert terminal.ended() == 130
    assert "Traceback" not in terminal.shown
    *_, last = events("mine")
    assert last == e.TurnEnded("cancelled")


@pytest.mark.slow
def test_a_chat_goes_on_after_a_turn_was_stopped_and_ctrl_d_leaves_it(
    started: Started, tmp_path: Path
) -> None:
    terminal = started("-t", "mine", agent="sleepy")
    terminal.until("/help for help")
    terminal.prompt()
    terminal.type("/to")
    terminal.until("the tools that the agent has")  # the menu is up
    terminal.type("\t\r")
    terminal.until("needs approval")
    terminal.prompt()
    terminal.type("first\\\rsecond\r")
    terminal.until("[e]dit: ")
    terminal.type("y\n")
    terminal.until("slow()")
    terminal.type("\x03")
    terminal.until("stopped;")
    terminal.prompt()
    terminal.type("and now?\r")
    terminal.until("After the stop.")
    terminal.prompt()
    terminal.type("\x04")
    assert terminal.ended() == 0
    said = [event.text for event in events("mine") if isinstance(event, e.UserSaid)]
    assert said == ["first\nsecond", "and now?"]
    history = tmp_path / "state" / "treadle" / "history"
    assert stat.S_IMODE(history.stat().st_mode) == 0o600
    assert "+first" in history.read_text()


@pytest.mark.slow
def test_without_the_extra_a_chat_reads_plain_lines(
    started: Started, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "prompt_toolkit.py").write_text("raise ImportError")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    terminal = started("-t", "mine", agent="echoes")
    terminal.until("pip install 'treadle[chat]'")
    terminal.until("> ")
    terminal.type("first\\\rsecond\r")
    terminal.until("2: first")
    terminal.until("> ")
    terminal.type("half a line")
    terminal.until("half a line")
    terminal.press_until("\x03", "> ")  # readline misses one that comes as it begins to wait
    terminal.type("/thread\r")
    terminal.until("thread mine")
    for said in ("/etc/hosts: gr\udcfcn?", " /tmp is full"):
        terminal.until("> ")
        terminal.type(f"{said}\r")
    terminal.until("6: /tmp is full")
    terminal.until("> ")
    terminal.type("/tmp is full\r")
    terminal.until("a message that begins so: type a blank before it")
    terminal.until("> ")
    terminal.type("\x04")
    assert terminal.ended() == 0
    said = [event.text for event in events("mine") if isinstance(event, e.UserSaid)]
    assert said == ["first\nsecond", "/etc/hosts: gr\ufffdn?", "/tmp is full"]


@pytest.mark.slow
def test_without_the_extra_arguments_are_edited_in_a_line(
    started: Started, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "prompt_toolkit.py").write_text("raise ImportError")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    terminal = started("go", "-t", "mine", agent="sends")
    terminal.until("[e]dit: ")
    terminal.type("e\r")
    terminal.until("go back): ")
    terminal.type('{"to": "ann", "text": "hello"}\r')
    terminal.until("sent hello to ann")
    assert terminal.ended() == 0


@pytest.mark.slow
def test_what_is_typed_while_the_turn_works_is_said_into_it(started: Started) -> None:
    terminal = started("-t", "mine", agent="listens")
    terminal.until("/help for help")
    terminal.prompt()
    terminal.type("go\r")
    terminal.until("until_said()")
    terminal.type("/tools\n")
    terminal.until("commands wait")
    terminal.type("also blue\n")
    terminal.until("» meanwhile: also blue")
    terminal.until("5: also blue")  # system, go, the call, its result, the message
    terminal.prompt()
    terminal.type("\x04")
    assert terminal.ended() == 0
    said = [event for event in events("mine") if isinstance(event, e.UserSaid)]
    assert [(each.text, each.steers) for each in said] == [("go", False), ("also blue", True)]


@pytest.mark.slow
def test_a_person_talks_on_while_a_call_waits_for_them(started: Started) -> None:
    terminal = started("-t", "mine", agent="talks")
    terminal.until("/help for help")
    terminal.prompt()
    terminal.type("send it\r")
    terminal.until("[e]dit: ")
    terminal.type("\x04")
    terminal.until("waits for you")
    terminal.prompt()
    terminal.type("any news?\r")
    terminal.until("Still waiting.")
    terminal.until("[e]dit: ")
    terminal.type("y\n")
    terminal.until("sent hi to bob")
    terminal.prompt()
    terminal.type("\x04")
    assert terminal.ended() == 0
    started_calls = [event for event in events("mine") if isinstance(event, e.ToolStarted)]
    assert len(started_calls) == 1
