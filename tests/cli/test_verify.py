"""`treadle explain`, `resume`, `show` and `settle` of a call whose tool has a `verify`."""

import asyncio

import pytest

from cli.commandline import AGENTS, Treadle
from cli.test_ask_person import crashed


@pytest.fixture(autouse=True)
def _interrupted(treadle: Treadle) -> None:
    asyncio.run(crashed("mine"))


def with_verify(treadle: Treadle, answer: str) -> None:
    made = f"from treadle import CannotTell, Ran\n\n@tool(verify=lambda to: {answer})"
    treadle.agents.write_text(AGENTS.replace("@tool(needs_approval=True)", made, 1))


def test_explain_says_what_is_asked_and_resume_asks_nobody(treadle: Treadle) -> None:
    with_verify(treadle, 'Ran(f"sent to {to}")')
    out = treadle("explain", "mine", agent="echoes").out
    assert "treadle resume would:\n  ask the verify of send what became of c00001000 send(" in out
    assert "waits for you" not in out
    assert treadle("resume", "mine", agent="echoes").out == "4: sent to a\n"
    shown = treadle("show", "mine").out
    assert "✓ c00001000 send: it ran, says verify: sent to a" in shown
    assert (
        'c00001000 send({"to": "a", "text": "b"}) was decided by verify: ran'
        in treadle("explain", "mine", agent="echoes").out
    )


def test_where_it_cannot_tell_a_person_is_told_why_and_settles(treadle: Treadle) -> None:
    with_verify(treadle, 'CannotTell("the post keeps no list")')
    ran = treadle("resume", "mine", agent="echoes")
    assert ran.code == 4
    assert "✓ c00001000 send: nobody can tell, says verify: the post keeps no list" in (
        treadle("show", "mine").out
    )
    out = treadle("explain", "mine", agent="echoes").out
    assert "(the post keeps no list)" in out
    assert "treadle settle mine" in out
    settled = treadle("settle", "mine", "--ran", "--result", "sent", "--by", "ann")
    assert settled.code == 0
    assert treadle("resume", "mine", agent="echoes").out.startswith("4: sent")
