"""`treadle summary`."""

import json

from cli.commandline import Treadle


def test_the_summary_of_a_thread_and_its_children(treadle: Treadle) -> None:
    ran = treadle("file it", "-t", "mine", agent="team")
    assert ran.code == 4
    lines = treadle("summary").out.splitlines()
    assert lines[0].split() == ["thread", "mine,", "of", "lead:", "waiting"]
    found = json.loads(treadle("summary", "mine", "--json").out)
    assert found["turns"] == {"open": 1}
    assert found["children"] == {"waiting": 1, "answered": 1}
    assert found["tools"]["add"] == {"successes": 1, "errors": 0, "retries": 0, "calls": 1}
    assert (found["waits"], len(found["waiting"])) == (1, 1)
    assert (found["steps"], found["tokens"]) == (
        found["model_calls"],
        found["usage"]["input_tokens"] + found["usage"]["output_tokens"],
    )
    assert any(
        line.startswith("waits ") and "1 for people, 1 of them now" in line for line in lines
    )
    assert any(line.startswith("children") and "1 waiting" in line for line in lines)


def test_what_the_log_names_is_made_visible(treadle: Treadle) -> None:
    treadle("x", "-t", "mine", agent="clerk")
    out = treadle("summary", "mine").out
    assert "\x1b" not in out
    assert ", of clerk" in out.splitlines()[0]


def test_a_thread_that_there_is_not_is_named(treadle: Treadle) -> None:
    ran = treadle("summary", "gone")
    assert (ran.code, ran.out) == (2, "")
    assert "there is no thread 'gone' in this store" in ran.err
    assert treadle("summary").err == "error: there is no thread yet; ask something first\n"
