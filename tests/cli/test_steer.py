"""`treadle steer`: a message into a turn that works, waits, or is over."""

import asyncio
import sys
from contextlib import closing
from typing import Any

import pytest

from cli.commandline import Treadle
from treadle import SQLiteStore
from treadle.core import events as e
from treadle.core.codec import decode_event


def events(thread_id: str) -> list[Any]:
    with closing(SQLiteStore()) as store:
        return [decode_event(row.event) for row in asyncio.run(store.read(thread_id))]


def test_a_thread_that_waits_answers_and_waits_on(treadle: Treadle) -> None:
    assert treadle("send it", "-t", "mine", agent="sends").code == 4
    ran = treadle("steer", "mine", "any news?", "--by", "ann", agent="patient")
    assert (ran.code, ran.out) == (4, "Still waiting.\n")
    said = [event for event in events("mine") if isinstance(event, e.UserSaid)]
    assert said[1] == e.UserSaid("any news?", by="ann", steers=True)


def test_after_the_end_of_the_turn_it_opens_the_next(treadle: Treadle) -> None:
    assert treadle("go", "-t", "mine", agent="echoes").code == 0
    ran = treadle("steer", "mine", "one more", agent="echoes")
    assert ran.code == 0
    assert "one more" in ran.out
    assert "this opens the next one" in ran.err
    kept = treadle("steer", "mine", "again", "--key", "k", "-q", agent="echoes")
    assert (kept.code, kept.err) == (0, "")
    twice = treadle("steer", "mine", "again", "--key", "k", agent="echoes")
    assert (twice.code, twice.out) == (0, "")
    assert sum(isinstance(event, e.UserSaid) for event in events("mine")) == 3


def test_what_can_t_be_said_is_refused_in_words(treadle: Treadle) -> None:
    assert treadle("steer", "nope", "hello", agent="echoes").code == 2
    treadle("go", "-t", "mine", agent="echoes")
    empty = treadle("steer", "mine", " ", agent="echoes")
    assert (empty.code, "is empty" in empty.err) == (2, True)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="pseudoterminals are POSIX's")
def test_from_another_terminal_the_one_that_works_shows_it(treadle: Treadle) -> None:
    import os

    from cli.pseudoterminal import Terminal

    words = ["go", "-t", "mine", "--agent", f"{treadle.agents}:listens"]
    with closing(Terminal(words, {**os.environ, "NO_COLOR": ""})) as terminal:
        terminal.until("until_said()")
        ran = treadle("steer", "mine", "also blue", agent="listens")
        assert ran.code == 0
        assert "said; whoever drives thread mine goes on with it" in ran.err
        terminal.until("5: also blue")
        assert terminal.ended() == 0
