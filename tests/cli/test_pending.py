"""`treadle settle`, `due`, `resume` and `explain` for calls whose work goes on elsewhere."""

import time
from pathlib import Path

import pytest

from cli.commandline import Treadle
from cli.test_chat import events
from treadle.core import events as e

HANDLE = '{"job": 7, "ci": "builds"}'


def test_a_turn_waits_for_work_elsewhere_and_goes_on_with_its_result(treadle: Treadle) -> None:
    ran = treadle("build it", "-t", "mine", agent="builds")
    assert ran.code == 4
    assert 'waits for work elsewhere: build: waits for {"ci":"builds","job":7}' in ran.err
    assert "once it has ended: treadle settle mine --agent" in ran.err
    assert ":builds --result TEXT\n" in ran.err
    assert treadle("due").out == ""
    settled = treadle("settle", HANDLE, "--result", "passed", "--by", "ci")
    assert settled.code == 0
    assert "settled: c00005000 build" in settled.err
    assert "go on: treadle resume mine" in settled.err
    assert treadle("due").out.startswith("mine")
    assert treadle("resume", "mine", agent="goes_on").out.startswith("4: passed")


def test_the_same_result_twice_is_one_and_another_is_refused(treadle: Treadle) -> None:
    treadle("build it", "-t", "mine", agent="builds")
    treadle("settle", "mine", HANDLE, "--result", "passed", "--by", "ci")
    before = events("mine")
    again = treadle("settle", "mine", HANDLE, "--result", "passed")
    assert again.code == 0
    assert "it has this result already; nothing was written" in again.err
    other = treadle("settle", HANDLE, "--result", "other")
    assert other.code == 2
    assert "has a result already, from ci at" in other.err
    assert events("mine") == before


@pytest.mark.parametrize("call", [("c00005000",), (HANDLE,), ()])
def test_work_that_has_failed(treadle: Treadle, call: tuple[str, ...]) -> None:
    treadle("build it", "-t", "mine", agent="builds")
    assert treadle("settle", "mine", *call, "--failed", "no disk", "--by", "ci").code == 0
    failed = events("mine")[-1]
    assert isinstance(failed, e.ToolFailed)
    assert (failed.message, failed.by) == ("no disk", "ci")


@pytest.mark.parametrize(("word", "outcome"), [("--not-run", "not_run"), ("--tell", "tell")])
def test_a_person_may_say_that_it_never_ran(treadle: Treadle, word: str, outcome: str) -> None:
    treadle("build it", "-t", "mine", agent="builds")
    assert treadle("settle", "mine", word).code == 0
    decided = events("mine")[-1]
    assert isinstance(decided, e.OutcomeDecided)
    assert decided.outcome == outcome


@pytest.mark.parametrize(
    ("words", "wrong"),
    [
        (("settle", "nowhere", "--ran"), "there is no thread 'nowhere'"),
        (("settle", "mine", "other", "--ran"), "no call 'other' of thread mine"),
        (("settle", "mine"), "say one of --ran"),
        (("settle", "mine", "--ran", "--failed", "x"), "say one of --ran"),
    ],
)
def test_what_nobody_waits_for(treadle: Treadle, words: tuple[str, ...], wrong: str) -> None:
    treadle("build it", "-t", "mine", agent="builds")
    before = events("mine")
    ran = treadle(*words)
    assert (ran.code, wrong in ran.err) == (2, True)
    assert events("mine") == before


def test_explain_says_in_plain_words_what_it_waits_for(treadle: Treadle) -> None:
    treadle("build it", "-t", "mine", agent="builds")
    found = treadle("explain", "mine", agent="builds").out
    assert (
        'post the result of {"ci":"builds","job":7} once that work has ended, unless its service'
        ' does: c00005000 build({"branch": "main"}) waits for it' in found
    )
    assert "nothing, until the work elsewhere has ended, or its time has come" in found
    assert "c00005000 --result TEXT | --failed TEXT" in found
    assert "its poll is asked from" in _explained_ship(treadle)
    assert '? c00005000 build waits for {"ci":"builds","job":7}' in treadle("show", "mine").out


def _explained_ship(treadle: Treadle) -> str:
    treadle("ship it", "-t", "other", agent="ships")
    return treadle("explain", "other", agent="ships").out


def test_resume_all_asks_what_is_due(treadle: Treadle, tmp_path: Path) -> None:
    treadle("ship it", "-t", "mine", agent="ships")
    time.sleep(0.06)
    before = events("mine")
    assert treadle("resume", "--all", agent="ships_on").code == 4
    assert events("mine") == before
    (tmp_path / "job").write_text("shipped")
    time.sleep(0.06)
    assert treadle("due").out.startswith("mine")
    ran = treadle("resume", "--all", agent="ships_on")
    assert (ran.code, "mine  answered" in ran.out) == (0, True)
    returned = [each for each in events("mine") if isinstance(each, e.ToolReturned)]
    assert [each.content for each in returned] == ["shipped"]


def test_nobody_at_the_terminal_is_asked_about_work_elsewhere(treadle: Treadle) -> None:
    ran = treadle("build it", "-t", "mine", agent="builds", typed="y\n")
    assert ran.code == 4
    assert "waits for work elsewhere" in ran.err
