"""Agents that work for others, at the command line.

Their steps are shown, and what they need is decided at the top.
"""

import asyncio
import json
import re
from contextlib import closing

import pytest

from cli.commandline import Treadle
from cli.test_chat import events
from treadle import SQLiteStore
from treadle.core import events as e
from treadle.runtime.log import open_log
from treadle.runtime.world import World

PAYER, CLERK = "t.c00005000", "t.c00005001"


def steps(err: str) -> list[str]:
    """The lines of steps, without what they took."""
    return sorted(
        re.sub(r"  [\d.]+ m?s$", "", line)
        for line in err.splitlines()
        if "→" in line or "←" in line
    )


def test_the_steps_of_those_below_are_shown_with_their_depth_and_agent(treadle: Treadle) -> None:
    ran = treadle("go", "-t", "t", agent="team")
    assert ran.code == 4
    assert steps(ran.err) == sorted(
        [
            '→ payer(task="pay")',
            '→ clerk(task="x")',
            "  clerk\\x1b[2J → add(a=1, b=2)",
            "  clerk\\x1b[2J ← add: 3",
            "← clerk: [the agent clerk\\x1b[2J] 3",
        ]
    )
    assert "waits for you: send: " in ran.err
    assert "treadle approve t " in ran.err


def test_what_is_needed_below_is_asked_in_place_and_shown_with_its_result(treadle: Treadle) -> None:
    ran = treadle("go", "-t", "t", agent="team", typed="y\n")
    assert ran.code == 0
    assert 'send wants to run:\n  to: "bob"\n  text: "hi"\n' in ran.err
    assert "  payer → send(" in ran.err
    assert "  payer ← send: sent hi to bob" in ran.err
    assert ran.out == "[the agent payer]\nsent hi to bob; [the agent clerk\\x1b[2J]\n3\n"


def test_it_is_decided_at_the_top_from_anywhere_once(treadle: Treadle) -> None:
    treadle("go", "-t", "t", agent="team")
    assert treadle("approve", "t", "--by", "ann").code == 0
    assert isinstance(events(PAYER)[-1], e.ApprovalGiven)
    before = events(PAYER)
    again = treadle("approve", "t")
    assert again.code == 2
    assert "no call of thread t waits for approval" in again.err
    late = treadle("approve", "t", before[-1].call_id)
    assert "was allowed already, by ann at" in late.err
    assert events(PAYER) == before
    ran = treadle("resume", "t", agent="team")
    assert ran.code == 0
    assert '→ payer(task="pay")  (goes on)' in ran.err
    assert "  payer → send(" in ran.err, "also of a child that another process began"
    assert ran.out.startswith("[the agent payer]\nsent hi to bob; ")


def test_who_decides_on_the_thread_below_is_told_to_go_on_with_the_one_above(
    treadle: Treadle,
) -> None:
    treadle("go", "-t", "t", agent="team")
    ran = treadle("approve", PAYER)
    assert "go on: treadle resume t --agent MODULE:NAME" in ran.err
    assert "(with the agent lead)" in ran.err


def test_nobody_speaks_in_a_thread_below_but_the_one_above(treadle: Treadle) -> None:
    treadle("go", "-t", "t", agent="team")
    ran = treadle("and now?", "-t", PAYER, agent="team")
    assert ran.code == 2
    assert f"{PAYER} is a child: it works for call c00005000 of thread t" in ran.err


def test_a_thread_that_only_has_the_name_of_one_below_is_no_part_of_the_tree(
    treadle: Treadle,
) -> None:
    treadle("say it", "-t", PAYER, agent="sends")
    before = treadle("show", PAYER, "--json").out
    treadle("go", "-t", "t", agent="team")
    shown = treadle("show", "t").out
    assert f" {PAYER}." in shown.partition("threads below:")[2]
    assert treadle("approve", "t").code == 0
    assert treadle("show", PAYER, "--json").out == before
    ran = treadle("explain", PAYER[:3])
    assert ran.code == 2
    assert f"2 threads begin with {PAYER[:3]!r}" in ran.err


def test_to_resume_a_thread_below_is_to_resume_the_one_above(treadle: Treadle) -> None:
    treadle("go", "-t", "t", agent="team")
    assert treadle("resume", PAYER, agent="team", typed="y\n").code == 0
    assert events("t")[-1] == e.TurnEnded("answered")


def test_approving_and_going_on_is_one_command(treadle: Treadle) -> None:
    treadle("go", "-t", "t", agent="team")
    ran = treadle("approve", PAYER, "--resume", agent="team")
    assert ran.code == 0
    assert events("t")[-1] == e.TurnEnded("answered")


def test_calls_of_one_name_in_two_threads_are_told_apart(treadle: Treadle) -> None:
    treadle("go", "-t", "t", agent="pair")
    ran = treadle("approve", "t")
    assert ran.code == 2
    assert f'c00005000 send(to="bob", text="hi") in thread {PAYER}, c00005000 send(' in ran.err
    assert treadle("approve", CLERK).code == 0
    assert treadle("approve", "t").code == 0
    assert treadle("resume", "t", agent="pair").code == 0


@pytest.mark.slow
def test_a_thread_two_below_is_decided_on_at_the_top(treadle: Treadle) -> None:
    ran = treadle("go", "-t", "t", agent="deep")
    assert "    clerk\\x1b[2J → add(a=1, b=2)" in ran.err
    assert treadle("approve", "t").code == 0
    assert treadle("resume", "t", agent="deep").code == 0


def test_json_has_the_records_of_all_threads_each_once(treadle: Treadle) -> None:
    ran = treadle("go", "-t", "t", "--json", agent="team", typed="y\n")
    records = [json.loads(line) for line in ran.out.splitlines()]
    for thread in ("t", PAYER, CLERK):
        seqs = [record["seq"] for record in records if record["thread_id"] == thread]
        assert seqs == list(range(1, len(seqs) + 1))
        assert len(seqs) == len(events(thread))
    assert "ApprovalGiven.2" in [record["event"]["type"] for record in records]


def test_tail_follows_those_below(treadle: Treadle) -> None:
    treadle("go", "-t", "t", agent="team", typed="y\n")
    ran = treadle("tail", "t", "--until-end")
    assert ran.code == 0
    shown = [line[15:] for line in ran.out.splitlines()]
    assert shown[0] == "» go"
    assert "  payer ✓ c00005000 send allowed by" in ran.out
    assert "  payer » pay" in shown
    assert shown[-1] == "■ answered"
    ran = treadle("tail", "t", "--until-end", "--json")
    assert {json.loads(line)["thread_id"] for line in ran.out.splitlines()} == {"t", PAYER, CLERK}


def test_explain_says_who_waits_below_and_how_to_decide(treadle: Treadle) -> None:
    treadle("go", "-t", "t", agent="team")
    out = treadle("explain", "t", agent="team").out
    assert (
        'approve or deny c00005000 send({"to": "bob", "text": "hi"}) in thread t.c00005000' in out
    )
    assert "treadle approve t.c00005000 --agent" in out
    assert "nothing, until somebody decides" in out
    treadle("approve", "t")
    out = treadle("explain", "t", agent="team").out
    assert "approve or deny" not in out
    assert "waits for you" not in out
    assert f'go on with c00005000 payer({{"task": "pay"}}) in thread {PAYER}' in out


def test_cancelling_at_the_top_ends_those_below(treadle: Treadle) -> None:
    treadle("go", "-t", "t", agent="deep")
    assert treadle("cancel", "t").code == 0

    async def ends() -> set[str]:
        with closing(SQLiteStore()) as store:
            names = [info.thread_id for info in await store.threads()]
            logs = [await open_log(name, store, World()) for name in names]
            return {
                log.state.turn.ended.status
                for log in logs
                if log.state.turn and log.state.turn.ended
            }

    assert asyncio.run(ends()) == {"answered", "cancelled"}


def test_an_edit_is_checked_by_the_tool_of_whoever_calls_it(treadle: Treadle) -> None:
    treadle("go", "-t", "t", agent="team")
    assert treadle("approve", "t", "--edit", '{"to": 7}', agent="team").code == 2
    edited = '{"to": "eve", "text": "hi"}'
    ran = treadle("approve", "t", "--edit", edited, "--resume", agent="team")
    assert ran.out.startswith("[the agent payer]\nA person changed the arguments of this call")
    assert "\nsent hi to eve" in ran.out
