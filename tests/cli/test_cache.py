"""`treadle cache`: a line for each model call."""

import json

from cli.commandline import Treadle
from cli.test_show import stored
from treadle.core import events as e


def test_a_line_for_each_call_and_one_for_all(treadle: Treadle) -> None:
    treadle("1+2?", "-t", "sum", agent="agent")
    treadle("And?", "-t", "sum", "--system", "Rhyme.", agent="echoes")
    shown = treadle("cache", "sum")
    assert shown.code == 0
    first, second, third = shown.out.splitlines()[1:4]
    assert "the first request of this thread to scripted" in first
    assert "broken" not in second
    assert "the instructions have changed" in third
    assert "record " in third
    assert "the beginning was broken 1 times" in shown.out
    lines = [json.loads(line) for line in treadle("cache", "sum", "--json").out.splitlines()]
    assert [line["step"] for line in lines] == [1, 2, 3]
    assert lines[2]["broken_seq"] > lines[1]["seq"]
    assert 0 < lines[1]["same_share"] < 1


def test_a_beginning_that_was_there_and_was_not_read_is_told(treadle: Treadle) -> None:
    told = e.AgentDescribed("agent", "m", "Be brief.")
    usage = e.Usage(1000, 5, 0, cache_write_tokens=990)
    turn = (e.ModelCalled("m", "said:0", 10, 10), e.ModelReplied("hi", usage, 0.1))
    events = (e.ThreadStarted("agent", "k"), e.UserSaid("a" * 900), told, *turn)
    stored("t", *events, e.TurnEnded("answered"), e.UserSaid("b"), *turn)
    out = treadle("cache").out
    assert "could have been read and 0% was, 4 s after that request" in out
    assert "can't be built again as it was sent" in out
    assert "0.0% of 2,000 input tokens were read from the cache" in out
    assert "990" in out


def test_a_thread_without_model_calls_and_one_that_is_not_described(treadle: Treadle) -> None:
    stored("t", e.ThreadStarted("agent", "k"))
    assert "no model was called" in treadle("cache", "t").err
    asked = (e.UserSaid("a"), e.ModelCalled("m", "h", 10, 10))
    stored("old", e.ThreadStarted("agent", "k"), *asked)
    assert "the log doesn't say what the agent was made of" in treadle("cache", "old").out
