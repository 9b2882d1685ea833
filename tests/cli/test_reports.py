"""`treadle explain`, `replay`, `diff` and `db`."""

import asyncio
import json
import sqlite3
import stat
from contextlib import closing
from pathlib import Path

import pytest

from cli.commandline import AGENTS, Treadle
from cli.test_ask_person import crashed
from fakes import is_of
from treadle import SQLiteStore
from treadle.core import events as e
from treadle.core.codec import encode_event
from treadle.stores.store import Row


def test_explain_says_what_waits_what_would_happen_and_how_to_decide(treadle: Treadle) -> None:
    treadle("send it", "-t", "mine", agent="sends")
    out = treadle("explain", "mine", "--system", "Be rude.", agent="sends").out
    assert out.startswith(
        "thread mine: waiting\nwaits for you to:\n  approve or deny c00005000 send("
    )
    assert "changed since:\n  the instructions have changed\n" in out
    assert "treadle resume would:\n  nothing, until somebody decides\n" in out
    how = f"treadle approve mine --agent {treadle.agents}:sends --system 'Be rude.' c00005000"
    assert f"  {how} [--deny]\n" in out
    assert "\x1b" not in out
    assert "\u202e" not in out


def test_explain_of_a_crash_names_the_call_of_unknown_outcome(treadle: Treadle) -> None:
    asyncio.run(crashed("mine"))
    out = treadle("explain", "mine", agent="sends").out
    assert "unknown; it may have had its effect:\n  c00001000 send(" in out
    assert "c00001000 --ran | --not-run | --tell" in out
    found = json.loads(treadle("explain", "mine", "--json", agent="sends").out)
    assert found["status"] == "unfinished"


def test_explain_never_asks_to_decide_what_a_resume_runs_by_itself(treadle: Treadle) -> None:
    treadle.agents.write_text(
        AGENTS.replace("@tool(needs_approval=True)", "@tool(idempotent=True)")
    )
    asyncio.run(crashed("mine"))
    out = treadle("explain", "mine", agent="sends").out
    assert "treadle resume would:\n  run c00001000 send(" in out
    assert "again, with the same idempotency key " in out
    assert "treadle settle" not in out


def test_a_command_to_copy_runs_nothing_that_a_log_says(treadle: Treadle) -> None:
    call = e.Call("c1; touch x #", "send", '{"to": "bob", "text": "hi"}')
    log = [
        *(e.ThreadStarted("agent", "k"), e.ThreadClaimed("c1"), e.UserSaid("hi")),
        *(e.ModelCalled("m", "h", 1, 1), e.ModelReplied((call,), e.Usage(1, 1), latency_s=0.1)),
        e.ApprovalAsked(call.id, "needs approval"),
    ]
    rows = [Row(seq, 1.0, encode_event(event)) for seq, event in enumerate(log, 1)]
    asyncio.run(SQLiteStore().append("mine", rows))
    assert "mine 'c1; touch x #' [--deny]\n" in treadle("explain", "mine").out
    allowed = treadle("approve", "mine", "--always")
    assert "take it back: treadle revoke mine 'c1; touch x #'\n" in allowed.err
    assert "treadle revoke mine 'c1; touch x #'\n" in treadle("explain", "mine").out


def test_without_its_agent_a_thread_is_not_compared_with_another(treadle: Treadle) -> None:
    treadle("send it", "-t", "mine", agent="sends")
    said = "this is a thread of the agent agent, not of Treadle's own; it takes --agent MODULE:NAME"
    out = treadle("explain", "mine").out
    assert out.startswith(f"{said}\nthread mine: waiting\n")
    assert "treadle resume would:\n  refuse, unless --agent names it\n" in out
    assert "changed since" not in out
    assert "how:\n  treadle approve mine c00005000 [--deny]\n" in out


def test_replay_and_prompts_need_no_agent(treadle: Treadle) -> None:
    treadle("pay", "-t", "mine", agent="payer")
    assert treadle("approve", "mine", "--resume", agent="payer").code == 0
    treadle.agents.unlink()
    ran = treadle("replay", "mine")
    assert (ran.code, ran.out) == (0, "the same, 14 records\n")
    assert "(approval rules, checks)" in ran.err
    assert "was taken from the log" in ran.err
    assert treadle("show", "mine", "--prompt", "2").err.startswith("this is what scripted saw; ")
    forked = treadle("fork", "mine", "--at", "7", "--no-run").out.strip()
    assert treadle("replay", forked).out == "the same, 8 records\n"


def test_a_log_without_a_description_says_what_replay_and_prompts_lack(treadle: Treadle) -> None:
    folder = Path(__file__).parents[1] / "golden"
    treadle("db", "import", str(folder / "format-1-memory.jsonl"))
    names = [
        json.loads(line)["thread_id"]
        for line in treadle("threads", "--json", "--all").out.splitlines()
    ]
    for words in (["replay", names[0]], ["show", names[0], "--prompt", "1"]):
        ran = treadle(*words)
        assert (ran.code, ran.out) == (2, "")
        assert "this log has no instructions, tools and limits of its agent" in ran.err
        assert ran.err.endswith("Name the agent with --agent MODULE:NAME\n")
    db = str(treadle.agents.parent / "flow.db")
    treadle("db", "import", str(folder / "format-2-flow.jsonl"), "--db", db)
    assert "this is the thread of a flow" in treadle("replay", "last", "--db", db).err


def test_a_turn_that_has_ended_at_a_limit_shows_how_it_goes_on(treadle: Treadle) -> None:
    treadle("1+2?", "-t", "mine", agent="limited")
    assert treadle("explain", "mine", agent="limited").out.endswith(
        f"how:\n  treadle limit mine --agent {treadle.agents}:limited --steps +N --resume\n"
    )
    treadle("limit", "mine", "--steps", "+1")
    assert "--steps" not in treadle("explain", "mine", agent="limited").out


def test_replay_of_the_same_agent_is_the_same(treadle: Treadle) -> None:
    treadle("1+2?", "-t", "mine", agent="agent")
    ran = treadle("replay", "mine", agent="agent")
    assert (ran.code, ran.out) == (0, "the same, 11 records\n")


def test_replay_of_another_agent_names_the_first_record_that_differs(treadle: Treadle) -> None:
    treadle("1+2?", "-t", "mine", agent="agent")
    ran = treadle("replay", "mine", "--system", "Be long.", agent="agent")
    assert ran.code == 1
    first, was, now = ran.out.splitlines()
    assert first == "parts at record 5: · model call 1, step: scripted"
    assert was.startswith("prompt_hash was")
    assert now.startswith("is now")


def test_diff_shows_where_two_threads_part_and_what_each_took(treadle: Treadle) -> None:
    treadle("1+2?", "-t", "mine", agent="agent")
    treadle("1+2?", "-t", "yours", agent="limited")
    assert treadle("diff", "mine", "mine").out == "the same, 9 facts\n"
    out = treadle("diff", "mine", "yours").out
    assert "the first 3 facts are the same; then\nA mine: record 6 « Let me add." in out
    assert "B yours: record 6 « So far 3." in out
    assert "A from there  2 steps, 1 tool call, " in out
    found = json.loads(treadle("diff", "mine", "yours", "--json").out)
    assert (found["shared"], found["left"]["parts_at"]) == (3, 6)


def test_a_fork_edited_at_its_first_message_parts_there(treadle: Treadle) -> None:
    treadle("1+2?", "-t", "mine", agent="agent")
    treadle("other", "-t", "stranger", agent="agent")
    forks = [
        treadle("fork", "mine", "--edit", text, "--no-run", agent="agent").out.strip()
        for text in ("3+4?", "5+6?")
    ]
    for words, said in (
        (("mine", forks[0]), "they part at the first message; B is forked from A"),
        ((forks[0], "mine"), "they part at the first message; A is forked from B"),
        (forks, "they part at the first message; both are forked from mine"),
        (("mine", "stranger"), "they have no beginning in common"),
    ):
        assert treadle("diff", *words).out.splitlines()[0] == said


@pytest.mark.slow
def test_export_and_restore_carry_threads_over(treadle: Treadle) -> None:
    folder = treadle.agents.parent
    treadle("1+2?", "-t", "mine", agent="agent")
    treadle("hello", "-t", "other", agent="echoes")
    out = folder / "out.jsonl"
    assert treadle("db", "export", "mi", "-o", str(out)).err == f"11 records in {out}\n"
    assert out.read_text() == treadle("db", "export", "mine").out
    assert stat.S_IMODE(out.stat().st_mode) == 0o600
    there = ("--db", str(folder / "there.db"))
    assert treadle("db", "restore", str(out), *there).err == "1 thread, 11 records added\n"
    assert treadle("db", "restore", "-", *there, stdin=b"").code == 0
    again = treadle("db", "restore", str(out), *there)
    assert (again.code, again.err[:21]) == (0, "0 threads, 0 records ")
    refused = treadle("db", "import", str(out), *there)
    assert (refused.code, refused.err[:28]) == (2, "error: thread 'mine' is alre")
    assert treadle("db", "check", *there).err == "1 thread, 11 records: fine\n"
    assert treadle("show", "mine", *there).out == treadle("show", "mine").out


@pytest.mark.parametrize(
    "words",
    [
        ("export", "nobody", "-o", "never.jsonl"),
        ("import", "nobody.jsonl"),
        ("restore", "nobody.jsonl"),
    ],
)
def test_what_is_not_there_is_a_usage_error(treadle: Treadle, words: tuple[str, ...]) -> None:
    treadle("hello", agent="echoes")
    assert treadle("db", *words).code == 2


def test_check_names_every_log_that_is_wrong(treadle: Treadle) -> None:
    for name in ("one", "two", "three"):
        treadle("hello", "-t", name, agent="echoes")
    with closing(sqlite3.connect(treadle.agents.parent / "logs.db")) as db, db:
        db.execute(
            """update record set event = '{"type":"Nope"}' where seq = 4 and """ + is_of("one")
        )
        db.execute(f"delete from record where {is_of('two')} and seq = 2")
    ran = treadle("db", "check")
    assert ran.code == 1
    assert {line.split(":")[0] for line in ran.out.splitlines()} == {"thread one", "thread two"}
    assert ran.err == "3 threads, 20 records: 2 wrong\n"


def test_a_file_that_is_no_database_is_an_error_and_is_left_as_it_is(treadle: Treadle) -> None:
    junk = treadle.agents.parent / "junk.db"
    junk.write_bytes(b"no database" * 100)
    ran = treadle("db", "check", "--db", str(junk))
    assert (ran.code, junk.read_bytes()) == (1, b"no database" * 100)
    assert "file is not a database; it was left as it is" in ran.err


def test_vacuum_and_path(treadle: Treadle) -> None:
    assert treadle("db", "path").out == f"{treadle.agents.parent / 'logs.db'}\n"
    assert treadle("db", "vacuum").code == 2
    treadle("hello", "-t", "mine", agent="echoes")
    ran = treadle("db", "vacuum")
    assert (ran.code, ran.err.endswith(" after\n")) == (0, True)
    assert treadle("show", "mine").code == 0
