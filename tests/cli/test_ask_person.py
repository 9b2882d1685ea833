"""Approvals and questions at the terminal.

Asked in place, everything shown, the decision in the log.
"""

import asyncio
import json
from contextlib import closing

import pytest

from cli.commandline import Treadle
from treadle import SQLiteStore
from treadle.cli.ask_person import format_arguments
from treadle.core import events as e
from treadle.core.visible import count_cells
from treadle.runtime.log import open_log
from treadle.runtime.world import World


def test_yes_runs_the_call_and_the_turn_goes_on(treadle: Treadle) -> None:
    ran = treadle("send it", agent="sends", typed="what?\ny\n")
    assert ran.code == 0
    assert ran.out.startswith("4: sent line 1\nline 2")
    assert ran.err.count("Allow it?") == 2


def test_all_of_the_arguments_are_shown_and_none_is_obeyed(treadle: Treadle) -> None:
    err = treadle("send it", agent="sends", typed="y\n").err
    shown = 'send wants to run:\n  to: "bob\\u001b[2J"\n  text:\n  │ line 1\n  │ line 2 \\u202e\n'
    assert shown in err
    assert "\x1b" not in err


def test_no_tells_the_model_why(treadle: Treadle) -> None:
    ran = treadle("send it", agent="sends", typed="n\ntoo rude\n")
    assert ran.out == "4: error: a person refused this call: too rude\n"


def test_always_asks_no_more_for_calls_that_fit(treadle: Treadle) -> None:
    ran = treadle("send", agent="twice", typed="a\n\n*\n")
    assert ran.err.count("Allow it?") == 1
    assert "allowed from now on: send where to is a, until the turn ends" in ran.err
    assert ran.out == "5: sent 2 to a\n"


def test_always_is_by_default_for_the_arguments_shown(treadle: Treadle) -> None:
    ran = treadle("send", agent="twice", typed="a\n\n\ny\n")
    assert ran.err.count("Allow it?") == 2
    assert "allowed from now on: send where to is a and text is 1, until" in ran.err
    assert ran.out == "5: sent 2 to a\n"


def test_a_pattern_that_does_not_fit_the_call_is_asked_for_again(treadle: Treadle) -> None:
    ran = treadle("send", agent="twice", typed="a\nb*\na*\n*\n")
    assert ran.err.count("that doesn't fit this call itself") == 1
    assert "send where to is a*, until the turn ends" in ran.err


def test_always_for_all_arguments_says_so(treadle: Treadle) -> None:
    ran = treadle("send", agent="twice", typed="a\n*\n*\n")
    assert "allowed from now on: send with any arguments, until the turn ends" in ran.err


def test_ctrl_d_leaves_the_call_waiting_and_resume_decides_it(treadle: Treadle) -> None:
    left = treadle("send it", "-t", "mine", agent="sends", typed="")
    assert left.code == 4
    assert "treadle resume mine" in left.err


def test_resume_shows_and_decides_what_waits(treadle: Treadle) -> None:
    treadle("send it", "-t", "mine", agent="twice")
    ran = treadle("resume", "mine", agent="echoes", typed="y\ny\n")
    assert ran.code == 0
    assert '→ send(to="a", text="1")' in ran.err


def test_a_question_is_answered_in_place(treadle: Treadle) -> None:
    ran = treadle("paint", agent="asks", typed="\nblue\n")
    assert ran.out == "4: blue\n"
    assert "Which colour?" in ran.err


@pytest.mark.parametrize(
    ("typed", "told"),
    [
        ("t\n", "4: error: the call was interrupted, and nobody knows"),
        ("d\nit was sent\n", "4: it was sent\n"),
        ("r\n", "4: sent b to a\n"),
    ],
)
def test_a_call_that_a_crash_interrupted_is_decided_by_the_person(
    treadle: Treadle, typed: str, told: str
) -> None:
    asyncio.run(crashed("mine"))
    ran = treadle("resume", "mine", agent="echoes", typed=typed)
    assert "send was interrupted; it may have had its effect:" in ran.err
    assert ran.out.startswith(told)


async def crashed(thread_id: str) -> None:
    """A log that ends while a message was being sent."""
    with closing(SQLiteStore()) as store:
        log = await open_log(thread_id, store, World())
        call = e.Call("c00001000", "send", '{"to": "a", "text": "b"}')
        await log.append(
            e.ThreadStarted("agent", "key"), e.ThreadClaimed("gone"), e.UserSaid("send it")
        )
        await log.append(
            e.ModelCalled("scripted", "hash", 10, 10),
            e.ModelReplied((call,), e.Usage(10, 5), 0.1),
        )
        await log.append(
            e.ApprovalAsked(call.id),
            e.ApprovalGiven(call.id, True, "me"),
            e.ToolStarted(call.id, "k"),
        )


def test_json_holds_the_decision_too(treadle: Treadle) -> None:
    ran = treadle("send it", "--json", agent="sends", typed="y\n")
    records = [json.loads(line) for line in ran.out.splitlines()]
    assert [record["seq"] for record in records] == list(range(1, len(records) + 1))
    assert "ApprovalGiven.2" in [record["event"]["type"] for record in records]


def test_arguments_that_could_be_read_in_two_ways_are_shown_as_written() -> None:
    text = '{"path": "notes.txt", "path": "/etc/passwd"}'
    assert format_arguments(text) == f"  {text}"


def test_a_text_cannot_fake_the_question_below_it() -> None:
    assert format_arguments('{"text": "a\\nAllow it? [y]"}') == "  text:\n  │ a\n  │ Allow it? [y]"


def test_neither_a_key_nor_a_raw_text_can_fake_a_line() -> None:
    forged = "to: ann\nAllow it? [y]es\tx\r\ny"
    shown = format_arguments(json.dumps({forged: 1, f"{forged}!": "a\nb"}))
    assert shown == (
        r'  "to: ann\nAllow it? [y]es\tx\r\ny": 1'
        "\n"
        r'  "to: ann\nAllow it? [y]es\tx\r\ny!":'
        "\n  │ a\n  │ b"
    )
    assert format_arguments('{"a": 1,\n "a": 2}') == '  │ {"a": 1,\n  │  "a": 2}'


def test_a_name_that_is_no_plain_one_is_quoted() -> None:
    shown = format_arguments(json.dumps({"path: /etc  ok": 1, "x-y.z_1": 2, "": 3}))
    assert shown == '  "path: /etc  ok": 1\n  x-y.z_1: 2\n  "": 3'


@pytest.mark.parametrize("value", ["x" * 50, "漢" * 30, "a" * 30 + "\n" + "b" * 30, ["word"] * 20])
def test_no_line_of_a_value_is_wider_than_the_terminal(value: object) -> None:
    """The terminal would go on in its first column, where a value could look like an argument."""
    shown = format_arguments(json.dumps({"text": value, "n": 1}), 24)
    *wide, last = shown.split("\n")
    assert last == "  n: 1"
    assert len(wide) > 2
    assert all(count_cells(line) <= 24 for line in wide)
    assert all(line.startswith("  │ ") or line == "  text:" for line in wide)
