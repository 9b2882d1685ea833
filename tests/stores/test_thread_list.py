"""Lists of threads by filters: the same from every store, by an index in a file, and repaired."""

import asyncio
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from fakes import live
from treadle import Agent, Budget, MemoryStore, ScriptedModel, SQLiteStore
from treadle.core import events as e
from treadle.core.account import Entry
from treadle.core.codec import encode_event
from treadle.models.scripted import calls, says
from treadle.runtime.log import open_log
from treadle.runtime.world import World
from treadle.stores import deletion, record_table, thread_list
from treadle.stores.archive import export_threads, restore_threads
from treadle.stores.rebuild_list import find_wrong_lines
from treadle.stores.record_table import PLACE_BITS
from treadle.stores.sqlite_file import connect
from treadle.stores.store import Row, Store, ThreadInfo, ThreadQuery

GOLDEN = Path(__file__).parents[1] / "golden"


class IndexedStore(SQLiteStore):
    """Lists by an index however few threads there are, as an SQLiteStore does with many."""

    async def threads(self, limit: int = 100, **filters: Any) -> list[ThreadInfo]:
        self.select("select 1")  # so that there is a file
        with closing(sqlite3.connect(self.path)) as db:
            return thread_list.list_threads(db, ThreadQuery(limit, **filters), few=0)


@pytest.fixture(params=["memory", "sqlite", "sqlite, by indexes"])
def store(request, tmp_path):
    if request.param == "memory":
        yield MemoryStore()
    else:
        kind = IndexedStore if "indexes" in request.param else SQLiteStore
        with closing(kind(tmp_path / "t.db")) as made:
            yield made


async def begin(
    store: Store, name: str, *events: e.Event, agent: str = "a", parent: str = ""
) -> None:
    log = await open_log(name, store, World())
    first = e.ThreadStarted(agent, "k", parent, "c1" if parent else "", 1 if parent else 0)
    await log.append(first, e.ThreadClaimed("w"), *events)


async def fill(store: Store) -> None:
    said, ended = e.UserSaid("hi", key="k1"), e.TurnEnded("answered")
    await begin(store, "done", said, ended)
    await begin(store, "failed", e.UserSaid("hi"), e.TurnEnded("failed"), agent="b")
    await begin(store, "open", e.UserSaid("hi", key="k2"))
    await begin(store, "child", e.UserSaid("hi"), ended, parent="open", agent="b")
    call = e.Call("c9", "pay", "{}")
    replied = e.ModelReplied((call,), e.Usage(1, 1), 0.1)
    asked = (e.ModelCalled("m", "h", 1, 1), replied, e.ApprovalAsked("c9"))
    await begin(store, "waits", said, *asked, agent="b")
    mark = e.TrustChanged(False, "ann")
    await begin(store, "foreign", said, ended, mark)


@pytest.mark.parametrize(
    ("filters", "found"),
    [
        ({}, ["foreign", "waits", "child", "open", "failed", "done"]),
        ({"status": "answered"}, ["child", "done"]),
        ({"status": "waiting"}, ["waits"]),
        ({"status": "unfinished"}, ["open"]),
        ({"status": "imported"}, ["foreign"]),
        ({"status": "limit"}, []),
        ({"agent": "b"}, ["waits", "child", "failed"]),
        ({"agent": "b", "status": "answered"}, ["child"]),
        ({"agent": "b", "limit": 2}, ["waits", "child"]),
        ({"parent": ""}, ["foreign", "waits", "open", "failed", "done"]),
        ({"parent": "open"}, ["child"]),
        ({"parent": "", "agent": "b"}, ["waits", "failed"]),
        ({"key": "k1"}, ["foreign", "waits", "done"]),
        ({"key": "k1", "status": "waiting"}, ["waits"]),
        ({"key": "k"}, []),
    ],
)
def test_threads_are_found_by_each_filter_and_by_several(store, filters, found):
    live(fill(store))
    assert [info.thread_id for info in live(store.threads(**filters))] == found


def test_a_line_says_agent_parent_status_and_place(store):
    live(fill(store))
    lines = {info.thread_id: info for info in live(store.threads())}
    assert (lines["child"].agent, lines["child"].parent, lines["child"].status) == (
        "b",
        "open",
        "answered",
    )
    positions = [info.position for info in live(store.threads())]
    assert positions == sorted(positions, reverse=True)


@pytest.mark.parametrize("filters", [{}, {"agent": "b"}, {"status": "answered"}, {"parent": ""}])
def test_pages_follow_each_other_and_nothing_is_shown_twice_while_others_write(store, filters):
    async def whole() -> None:
        await fill(store)
        whole = await store.threads(**filters)
        pages, before = [], None
        while page := await store.threads(1, before=before, **filters):
            pages += page
            before = page[-1].position
            await begin(store, f"new{before}", e.UserSaid("hi"))
        assert pages == whole

    live(whole())


def test_a_status_that_its_writer_did_not_say_is_folded(store):
    said = [e.ThreadStarted("a", "k"), e.ThreadClaimed("w"), e.UserSaid("hi")]
    for name, events in (("open", said), ("done", [*said, e.TurnEnded("answered")])):
        rows = [Row(seq, 1.0, encode_event(each)) for seq, each in enumerate(events, 1)]
        live(store.append(name, rows))
    live(store.append("broken", [Row(1, 1.0, b'{"type":"UserSaid.2","content":"hi"}')]))
    statuses = {info.thread_id: info.status for info in live(store.threads())}
    assert statuses == {"open": "unfinished", "done": "answered", "broken": "damaged"}
    assert [info.thread_id for info in live(store.threads(status="unfinished"))] == ["open"]
    assert [info.thread_id for info in live(store.threads(status="damaged"))] == ["broken"]


def test_a_fork_is_nobody_s_child_and_says_where_it_comes_from(store):
    async def whole() -> None:
        await begin(store, "child", e.UserSaid("hi"), e.TurnEnded("answered"), parent="p")
        copy = await Agent(store=store).fork("child")
        [fork] = await store.threads(parent="")
        assert (fork.thread_id, fork.source, fork.status) == (copy.thread_id, "child", "answered")
        assert await store.forks("child") == [copy.thread_id]

    live(whole())


def test_a_restored_thread_is_listed_as_the_one_it_was(store):
    async def whole() -> None:
        await fill(store)
        there = MemoryStore()
        await restore_threads(there, [line async for line in export_threads(store)])
        for info in await there.threads():
            [twin] = [each for each in await store.threads() if each.thread_id == info.thread_id]
            assert (info.status, info.agent, info.parent) == (twin.status, twin.agent, twin.parent)

    live(whole())


# What only the file has: its indexes, and their repair.


@pytest.mark.parametrize(
    ("query", "index"),
    [
        (ThreadQuery(), "thread_by_place"),
        (ThreadQuery(before=10**6), "thread_by_place (place<?)"),
        (ThreadQuery(status="waiting"), "thread_by_status (status=?)"),
        (ThreadQuery(agent="b"), "thread_by_agent (agent=?)"),
        (ThreadQuery(parent="p"), "thread_by_parent (parent=?)"),
        (ThreadQuery(parent="", before=10**6), "thread_by_parent (parent=? AND place<?)"),
        (ThreadQuery(key="k"), "PRIMARY KEY (key=?)"),
    ],
)
def test_each_filter_is_answered_by_an_index(tmp_path, query, index):
    with closing(SQLiteStore(tmp_path / "t.db")) as store:
        live(fill(store))
    with closing(sqlite3.connect(tmp_path / "t.db")) as db:
        statement, values = thread_list.build_query(db, query, query.status, few=0)
        plan = [row[-1] for row in db.execute(f"explain query plan {statement}", (*values, 10))]
        assert any(index in step for step in plan), plan
        assert "USE TEMP B-TREE FOR ORDER BY" not in plan or query.key


def test_the_list_keeps_its_order_when_the_places_change(tmp_path):
    with closing(IndexedStore(tmp_path / "t.db")) as store:
        for name in ("a", "b", "c"):
            asyncio.run(store.append(name, [Row(1, 1.0, b"{}")]))
        far = {"id": 2**PLACE_BITS, "place": 1}
        with closing(sqlite3.connect(store.path)) as db, db:  # as if after so many records
            db.execute("update record set id = :id where thread_id = 'b'", far)
            line = "update thread set record_id = :id, place = :place where thread_id = 'b'"
            db.execute(line, far)
        asyncio.run(store.append("a", [Row(2, 1.0, b"{}")]))
        assert [each.thread_id for each in asyncio.run(store.threads())] == ["a", "b", "c"]


def test_a_file_without_these_columns_gets_them_from_its_logs(tmp_path):
    path = Path(shutil.copy(GOLDEN / "format-1.db", tmp_path))
    with closing(SQLiteStore(path)) as store:
        lines = {info.thread_id: info for info in asyncio.run(store.threads())}
        assert store.find_wrong_lines() == []
    assert {line.status for line in lines.values()} <= {"answered", "limit", "failed", "cancelled"}
    assert all(line.agent for line in lines.values())


def test_a_list_that_says_something_else_than_the_logs_is_found_and_repaired(tmp_path):
    path = tmp_path / "t.db"
    with closing(SQLiteStore(path)) as store:
        live(fill(store))
        right = asyncio.run(store.threads())
        with closing(sqlite3.connect(path)) as db, db:
            db.execute(
                "update thread set status = 'answered', agent = 'x' where thread_id = 'open'"
            )
            db.execute("update thread set place = 99")
            db.execute("delete from thread_key")
        wrong = store.find_wrong_lines()
        assert wrong == [
            "thread open: the list says status 'answered', its log 'unfinished'",
            "thread open: the list says agent 'x', its log 'a'",
        ]
        assert store.repair_list() == 1
        assert store.find_wrong_lines() == []
        assert asyncio.run(store.threads()) == right
        assert len(asyncio.run(store.threads(key="k1"))) == 3


def test_the_list_follows_an_agent_through_its_turn(store):
    async def whole() -> None:
        script = ScriptedModel([calls("nothing"), says("done")])
        seen: list[str] = []

        async def look() -> None:
            seen.extend(info.status for info in await store.threads())

        class Looking(ScriptedModel):
            async def reply(self, request, emit):
                await look()
                return await script.reply(request, emit)

        await Agent(model=Looking([]), store=store).run("go", thread="t")
        await look()
        assert seen == ["unfinished", "unfinished", "answered"]

    live(whole())


def test_what_is_due_is_found_by_an_index_and_repaired(tmp_path):
    path = tmp_path / "t.db"

    async def pend(store: Store) -> None:
        call = e.Call("c5", "build", "{}")
        replied = e.ModelReplied((call,), e.Usage(1, 1), 0.1)
        started = (e.ModelCalled("m", "h", 1, 1), replied, e.ToolStarted("c5", "k"))
        until = World().now() + 1000
        noted = e.CallNoted("c5", '{"job":7}', True, until)
        await begin(store, "pends", e.UserSaid("hi"), *started, noted)

    with closing(SQLiteStore(path)) as store:
        live(pend(store))
        far = World().now() + 2000
        [right] = asyncio.run(store.find_waking(far))
        assert asyncio.run(store.find_waking(World().now())) == []
        with closing(sqlite3.connect(path)) as db, db:
            query = "explain query plan select * from thread indexed by thread_by_due"
            [plan] = db.execute(f"{query} where due <= ?", (far,)).fetchall()
            assert "thread_by_due (due<?)" in plan[-1]
            db.execute("update thread set due = null")
            db.execute("delete from thread_handle")
        assert asyncio.run(store.find_waking(far)) == []
        store.repair_list()
        assert asyncio.run(store.find_waking(far)) == [right]
        assert asyncio.run(store.find_handle('{"job":7}')) == ["pends"]


def test_a_check_sees_one_moment_and_no_writer_waits_for_it(tmp_path):
    path = tmp_path / "t.db"
    with closing(SQLiteStore(path)) as store, closing(connect(path, busy_timeout_s=0)) as db:
        live(fill(store))
        reserved = Entry("turn:new#1", 5, 0.5, "reserve")
        ends = {info.thread_id: info.records for info in asyncio.run(store.threads())}
        with closing(connect(path, busy_timeout_s=0)) as other:
            writes = [
                lambda: record_table.insert(
                    other, "new", [Row(1, 1.0, b"{}", entries=(reserved,))]
                ),
                lambda: deletion.delete_rows(other, {"waits": ends["waits"]}, True),
            ]
            written: list[int] = []

            def write(statement: str) -> None:
                if writes and statement.startswith("select status, agent"):
                    writes.pop(0)()
                    written.append(1)

            db.set_trace_callback(write)
            assert find_wrong_lines(db) == []
            assert len(written) == 2
            db.set_trace_callback(None)
            other.execute("begin immediate")
            assert [line for line in find_wrong_lines(db) if "account" not in line] == []


def test_accounts_that_say_something_else_than_the_logs_are_found_and_nothing_is_changed(tmp_path):
    path = tmp_path / "t.db"
    budget = Budget("team", tokens_a_day=10**6)
    with closing(SQLiteStore(path)) as store:
        agent = Agent(model=ScriptedModel([says("one")]), store=store, budgets=[budget])
        asyncio.run(agent.run("go", thread="t"))
        assert store.find_wrong_lines() == []
        [(name, tokens)] = store.select("select name, tokens from account where name like 'day:%'")
        with closing(sqlite3.connect(path)) as db, db:
            db.execute("update account set tokens = tokens - 7")
            db.execute("insert into account values ('day:of:past', 5, 0.5)")
            db.execute("insert into reservation values ('turn:x#1', 'gone', '', 3, 0.0)")
        wrong = store.find_wrong_lines()
        assert wrong == [
            f"the account {name}: {tokens - 7} tokens and 0 US dollars, by the logs {tokens} and 0",
            "the account turn:x#1 by gone: 3 tokens and 0 US dollars, by the logs 0 and 0",
        ]
        assert store.find_wrong_lines() == wrong
        assert store.repair_list() == 2
        assert store.find_wrong_lines() == []
