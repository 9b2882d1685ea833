"""`treadle delete`, `treadle threads --older --delete`, pages, and `db check --repair`."""

import asyncio
import json
import sqlite3
from contextlib import closing

import pytest

from cli.commandline import Treadle
from treadle import SQLiteStore
from treadle.core import events as e
from treadle.core.codec import encode_event
from treadle.stores.store import Row


def names(treadle: Treadle, *words: str) -> list[str]:
    return [line.split()[0] for line in treadle("threads", *words).out.splitlines()]


def test_a_thread_is_deleted_and_what_went_is_said(treadle: Treadle) -> None:
    treadle("one", "-t", "mine", agent="echoes")
    treadle("two", "-t", "other", agent="echoes")
    ran = treadle("delete", "mine")
    assert (ran.code, ran.out) == (0, "")
    assert ran.err == "to delete: mine, 7 records\ndeleted: 1 thread, 7 records\n"
    assert names(treadle) == ["other"]
    again = treadle("delete", "mine")
    assert again.code == 2
    assert "there is no thread 'mine'" in again.err


def test_children_go_along_and_forks_keep_what_they_share(treadle: Treadle) -> None:
    treadle("go", "-t", "boss", agent="team")
    fork = treadle("fork", "boss", "--no-run").out.strip()
    said = treadle("delete", "boss", "--yes").err.splitlines()
    assert said[0].startswith("to delete: boss, ")
    assert said[1] == f"forks keep copies of the records that they share: {fork}"
    assert said[2].startswith("children that these forks need stay: boss.")
    assert fork in names(treadle)
    assert "boss" not in names(treadle, "--all")
    for command in ("show", "explain", "summary", "costs", "stats"):
        assert treadle(command, fork).code == 0, command
    assert treadle("db", "check").code == 0
    assert treadle("db", "export", fork).code == 0
    assert treadle("delete", fork, "--yes").code == 0
    assert names(treadle, "--all") == []


def test_what_waits_for_a_person_is_deleted_only_by_one_who_agrees(treadle: Treadle) -> None:
    treadle("send it", "-t", "waits", agent="sends")
    ran = treadle("delete", "waits")
    assert ran.code == 2
    assert "waits waits for you: send" in ran.err
    assert ran.err.endswith("nothing was deleted: nobody can be asked here. To agree, add --yes\n")
    assert names(treadle) == ["waits"]
    assert treadle("delete", "waits", "--yes").code == 0
    assert names(treadle) == []


def test_the_beginning_of_a_name_is_not_enough_to_go_without_asking(treadle: Treadle) -> None:
    treadle("one", "-t", "mine", agent="echoes")
    assert treadle("delete", "mi").code == 2
    assert treadle("delete", "last").code == 2
    assert names(treadle) == ["mine"]
    assert treadle("delete", "mi", "-y").code == 0


def test_no_database_is_made_to_delete_from(treadle: Treadle) -> None:
    ran = treadle("delete", "mine")
    assert (ran.code, ran.err.count("there is no database at")) == (2, 1)
    assert list(treadle.agents.parent.glob("*.db")) == []


def stored(name: str, at: float, text: str = "hi") -> None:
    events = (e.ThreadStarted("a", "k"), e.UserSaid(text), e.TurnEnded("answered"))
    rows = [Row(seq, at, encode_event(event)) for seq, event in enumerate(events, 1)]
    with closing(SQLiteStore()) as store:
        asyncio.run(store.append(name, rows))


def test_old_threads_are_shown_and_then_deleted(treadle: Treadle) -> None:
    treadle("new", "-t", "young", agent="echoes")
    stored("old", 100.0)
    stored("older", 50.0)
    assert names(treadle, "--older", "90d") == ["older", "old"]
    ran = treadle("threads", "--older", "90d", "--delete")
    assert ran.code == 2
    assert "to delete: older, old, 6 records" in ran.err
    assert len(names(treadle)) == 3
    ran = treadle("threads", "--older", "90d", "--delete", "--yes")
    assert ran.code == 0
    assert ran.err.endswith("deleted: 2 threads, 6 records\n")
    assert names(treadle) == ["young"]
    assert (
        treadle("threads", "--older", "90d", "--delete", "--yes").err == "no thread is like that\n"
    )


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--delete",), "--delete is for --older AGE; single threads: treadle delete THREAD"),
        (("--delete", "--older", "9d", "--agent", "a"), "leave the other filters out"),
        (("--older", "soon"), "'soon' is no age; give a number and its unit, such as 90d"),
    ],
)
def test_what_can_not_be_meant_is_refused(
    treadle: Treadle, words: tuple[str, ...], said: str
) -> None:
    stored("old", 100.0)
    ran = treadle("threads", *words)
    assert ran.code == 2
    assert said in ran.err
    assert names(treadle) == ["old"]


def test_pages_follow_each_other(treadle: Treadle) -> None:
    for number in range(5):
        stored(f"t{number}", 100.0)
    ran = treadle("threads", "-n", "2")
    assert [line.split()[0] for line in ran.out.splitlines()] == ["t4", "t3"]
    before = ran.err.rstrip(")\n").split()[-1]
    assert names(treadle, "-n", "2", "--before", before) == ["t2", "t1"]
    last = json.loads(treadle("threads", "--json", "-n", "4").out.splitlines()[-1])
    assert names(treadle, "--before", str(last["position"])) == ["t0"]


def test_a_list_that_is_wrong_is_found_and_repaired(treadle: Treadle) -> None:
    stored("mine", 100.0)
    path = treadle("db", "path").out.strip()
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("update thread set status = 'failed'")
    ran = treadle("db", "check")
    assert ran.code == 1
    assert "thread mine: the list says status 'failed', its log 'answered'" in ran.out
    ran = treadle("db", "check", "--repair")
    assert ran.code == 0
    assert ran.err == "threads and accounts that were wrong: 1\n1 thread, 3 records: fine\n"
