"""PostgreSQL keeps what every store promises; a real server runs for these tests alone."""

import asyncio
import os
import random
import threading
import time
from contextlib import closing

import pytest

from treadle import MemoryStore, SQLiteStore
from treadle.core import events as e
from treadle.core.account import Balance, Entry
from treadle.core.codec import encode_record
from treadle.core.errors import StoreDamaged, StoreError, UsageError
from treadle.stores import postgres_accounts, postgres_check
from treadle.stores import postgres_records as records
from treadle.stores.archive import copy_threads, find_damage, restore_threads
from treadle.stores.open_store import check_store, open_store
from treadle.stores.postgres import PostgresStore
from treadle.stores.postgres_deletion import delete_threads
from treadle.stores.postgres_schema import MIGRATIONS, TABLES
from treadle.stores.postgres_url import read_url
from treadle.stores.rows import to_rows
from treadle.stores.store import Attended, Certain, Erasable, Queued, Row, Timed, Watchable
from treadle.testing.store_contract import StoreContract, names, row, started

pytestmark = pytest.mark.postgres


class TestPostgresStore(StoreContract):
    @pytest.fixture(autouse=True)
    def _give_server(self, postgres):
        self.server = postgres

    def make(self):
        return PostgresStore(self.server.url, tenant=str(self.folder))


@pytest.fixture
def store(postgres, tmp_path):
    with closing(PostgresStore(postgres.url, tenant=str(tmp_path))) as made:
        yield made


@pytest.fixture
def db(postgres):
    """A connection that sees all tenants."""
    import psycopg

    with psycopg.connect(postgres.url, autocommit=True) as made:
        yield made


async def is_driven_elsewhere(store, other):
    with store.attend("claim"):
        return other.find_beat("claim") is not None


def run(work):
    return asyncio.run(work)


def test_it_offers_all_that_a_store_may_offer(store):
    for protocol in (Attended, Certain, Erasable, Queued, Timed, Watchable):
        assert isinstance(store, protocol), protocol


def test_a_thread_of_another_tenant_is_not_there(store, postgres, tmp_path):
    run(store.append("t", started(key="k")))
    with closing(PostgresStore(postgres.url, tenant=f"{tmp_path}-2")) as other:
        assert run(other.read("t")) == []
        assert run(names(other)) == run(names(other, key="k")) == []
        assert run(other.delete({"t": 2})).threads == ()
        assert other.last_seqs(["t"]) == {"t": 0}
        assert other.count_records() == 0
        assert run(is_driven_elsewhere(store, other)) is False
        run(other.append("t", [row(1)]))
    assert len(run(store.read("t"))) == 2


def test_row_level_security_shows_a_connection_the_rows_of_its_tenant_alone(store, db):
    """Also to the SQL of others, if they aren't superusers."""
    run(store.append("t", started(key="k")))
    db.execute("drop role if exists reader")
    db.execute("create role reader; grant usage on schema treadle to reader")
    db.execute("grant select on all tables in schema treadle to reader; set role reader")
    try:
        count = "select count(*) from treadle.record"
        assert db.execute(count).fetchone() == (0,)
        db.execute("select set_config('treadle.tenant', %s, false)", (store.tenant,))
        assert db.execute(count).fetchone() == (2,)
    finally:
        db.execute("reset role; drop owned by reader; drop role reader")


def test_every_table_has_the_tenant_first_in_its_key_and_a_policy(store, db):
    run(store.threads())
    found = db.execute(
        "select relname, relrowsecurity and relforcerowsecurity from pg_class"
        " where relnamespace = 'treadle'::regnamespace and relkind = 'r' order by 1"
    ).fetchall()
    assert found == [(name, name != "migration") for name in sorted((*TABLES, "migration"))]
    first = db.execute(
        "select tablename, indexdef from pg_indexes where schemaname = 'treadle'"
        " and tablename <> 'migration' and indexdef not like '%(tenant%'"
    ).fetchall()
    assert [name for name, _ in first] == ["minute"], (
        "only the number of a model call has no tenant"
    )


@pytest.mark.parametrize(
    ("url", "tenant", "shown"),
    [
        ("postgresql://ann:secret@h:5/x", None, "postgresql://ann@h:5/x"),
        ("postgres://h/x?tenant=acme", None, "postgres://h/x?tenant=acme"),
        (
            "postgresql:///x?host=/tmp/s&password=p",
            "a b",
            "postgresql:///x?host=/tmp/s&tenant=a%20b",
        ),
        (
            "postgresql://h/x?sslpassword=p&scram_client_key=k&oauth_client_secret=s&port=5",
            None,
            "postgresql://h/x?port=5",
        ),
    ],
)
def test_the_place_is_shown_without_its_password_and_with_its_tenant(url, tenant, shown):
    address = read_url(url, tenant)
    assert address.shown == shown
    assert "tenant" not in address.url
    assert read_url(url, tenant).tenant == (tenant or ("acme" if "acme" in url else "main"))


def test_the_options_of_a_url_are_those_that_libpq_reads():
    conninfo = pytest.importorskip("psycopg").conninfo.conninfo_to_dict
    url = "postgresql://h/x?options=-c%20search_path%3Da+b&application_name=a+b%2Bc&password=p+%25q"
    assert conninfo(read_url(url).url) == conninfo(url)
    assert conninfo(url)["application_name"] == "a+b+c"
    assert read_url("postgresql://h/x?tenant=a+b").tenant == "a+b"


@pytest.mark.parametrize(
    "given",
    [
        ("postgresql://h/x", ""),
        ("postgresql://h/x?tenant=", None),
        ("postgresql://h/x?tenant=a", "b"),
        ("h/x", None),
    ],
)
def test_a_missing_tenant_and_two_of_them_are_errors(given):
    with pytest.raises(UsageError):
        PostgresStore(given[0], tenant=given[1])


def test_a_url_stands_wherever_a_path_does():
    url = "postgresql://h/x?tenant=acme"
    assert isinstance(open_store(url), PostgresStore)
    assert open_store(url) is open_store(url), "it has one pool of connections"
    check_store("store=", url)
    with pytest.raises(UsageError):
        check_store("store=", "postgresql://h/x?tenant=")


def test_what_another_store_writes_is_noticed_by_a_notice_or_by_the_positions(store, postgres):
    """Also if its process dies before it has told anybody."""
    run(store.append("t", [row(1)]))
    seen = [store.version()]
    with closing(PostgresStore(postgres.url, tenant=store.tenant)) as other:
        run(other.append("t", [row(2)]))
        until(lambda: store.version() != seen[-1])
        seen.append(store.version())
        other.ask(records.append, "t", [row(3)])
        until(lambda: store.version() != seen[-1])
    assert store.last_seqs(["t"]) == {"t": 3}


def until(condition):
    end = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.005)


def test_a_newer_schema_is_refused_and_left_as_it_is(store, db):
    run(store.append("t", [row(1)]))
    store.close()
    newer = len(MIGRATIONS) + 1
    db.execute("insert into treadle.migration (version) values (%s)", (newer,))
    try:
        with pytest.raises(StoreDamaged, match="newer Treadle"):
            run(store.read("t"))
    finally:
        db.execute("delete from treadle.migration where version = %s", (newer,))
    assert len(run(store.read("t"))) == 1


def test_many_threads_of_one_process_write_without_losing_or_forking(store):
    """Each in an event loop of its own."""

    def write(name: int) -> None:
        asyncio.run(share(store, f"w{name}"))

    from postgres_writers import share

    writers = [threading.Thread(target=write, args=(number,)) for number in range(4)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    rows = run(store.read("shared"))
    assert [each.seq for each in rows] == list(range(1, 61))
    assert len({each.event for each in rows}) == 60


def test_a_child_of_a_fork_has_connections_of_its_own(store):
    run(store.append("t", [row(1)]))
    child = os.fork()
    if child == 0:
        try:
            run(store.append("t", [row(2)]))
            os._exit(0)
        finally:
            os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    run(store.append("t", [row(3)]))
    assert len(run(store.read("t"))) == 3


def test_what_was_changed_in_the_tables_is_found(store, db):
    run(store.append("a", started()))
    run(store.append("b", started()))
    run(store.append("c", started()))
    mine = (store.tenant,)
    db.execute(
        "update treadle.record set at = 9 where tenant = %s and thread_id = 'a' and seq = 2", mine
    )
    db.execute("delete from treadle.record where tenant = %s and thread_id = 'b' and seq = 2", mine)
    db.execute("delete from treadle.thread where tenant = %s and thread_id = 'c'", mine)
    damage = run(find_damage(store)) + store.find_file_damage()
    assert [line.partition(":")[0] for line in damage] == [
        "thread b",
        "thread a",
        "thread c has records but isn't in the list of threads",
    ]
    with pytest.raises(StoreDamaged):
        run(store.read("c"))


def test_the_list_and_the_accounts_are_repaired_from_the_logs(store, db):
    run(store.append("a", started(status="unfinished")))
    assert store.find_wrong_lines() == []
    db.execute(
        "update treadle.thread set agent = 'x', status = 'waiting' where tenant = %s",
        (store.tenant,),
    )
    db.execute("insert into treadle.account values (%s, 'turn:a#2', 5, 0)", (store.tenant,))
    assert len(store.find_wrong_lines()) == 3
    assert store.repair_list() == 2
    assert store.find_wrong_lines() == []
    assert run(names(store, agent="a")) == ["a"]


@pytest.mark.parametrize("there", [MemoryStore, SQLiteStore])
def test_threads_are_copied_both_ways_and_grow_by_a_second_copy(store, postgres, tmp_path, there):
    first = there() if there is MemoryStore else there(tmp_path / "t.db")
    run(first.append("a", started(key="k")))
    run(first.append("b", started()))
    assert run(copy_threads(first, store)).records == 4
    run(store.append("a", [row(3)]))
    assert run(copy_threads(store, first)).records == 1
    assert run(first.read("a")) == run(store.read("a"))
    assert run(names(first)) == run(names(store)) == ["a", "b"]
    assert run(names(store, key="k")) == ["a"]
    run(first.append("b", [row(3)]))
    run(store.append("b", [row(3, "other")]))
    with pytest.raises(UsageError, match="differs"):
        run(copy_threads(first, store))


@pytest.mark.parametrize("name", ["a\0b", "名" * 267])
def test_a_name_that_postgresql_cannot_keep_is_refused_in_words(store, name):
    with pytest.raises(UsageError, match=r"NUL|801 bytes long"):
        run(store.append(name, [row(1)]))
    assert run(store.read(name)) == run(store.forks(name)) == []
    for field in ("status", "agent", "parent", "key"):
        assert run(store.threads(**{field: name})) == []


def test_the_longest_names_are_kept_and_found(store):
    drawn = random.Random(1)
    name, key = ("".join(chr(drawn.randrange(0x4E00, 0x9FFF)) for _ in range(266)) for _ in "ab")
    said = e.UserSaid("hi", key=key)
    rows = [
        e.Record(name, seq, 1.0, each) for seq, each in ((1, e.ThreadStarted("a", "k")), (2, said))
    ]
    run(store.append(name, to_rows(rows)))
    assert run(names(store, key=key)) == [name]


def test_a_server_that_is_not_there_is_an_error_without_the_password(tmp_path):
    pytest.importorskip("psycopg")
    store = PostgresStore(f"postgresql://ann:secret@/nowhere?host={tmp_path}")
    store.pool.retry_s = 0.0
    with pytest.raises(StoreError) as raised:
        run(store.append("t", [Row(1, 0.0, b"{}")]))
    assert "secret" not in str(raised.value)
    assert str(tmp_path) in str(raised.value)


def test_who_deletes_a_thread_locks_its_accounts_before_the_thread(store, db, postgres):
    import psycopg

    entry = Entry("day:d:team", 5, 0.0, "reserve")
    run(store.append("a", [Row(1, 0.0, b"{}", entries=(entry,))]))
    with psycopg.connect(postgres.url, options="-c lock_timeout=1ms") as other:
        with db.transaction():
            postgres_accounts.lock(db, store.tenant, [entry])
            with pytest.raises(psycopg.errors.LockNotAvailable):
                delete_threads(other, store.tenant, {"a": 1}, False)
            query = "select 1 from treadle.thread where tenant = %s for update nowait"
            assert db.execute(query, (store.tenant,)).fetchone()
        assert delete_threads(other, store.tenant, {"a": 1}, False).threads == ("a",)
    assert run(store.balance("day:d:team", 0.0)) == Balance(5)


@pytest.mark.parametrize(
    "bad",
    [
        e.ThreadStarted("a\0", "k"),
        e.ThreadStarted("a", "k", "p\0", "c1", 1),
        e.UserSaid("hi", key="\0"),
    ],
)
def test_a_restored_thread_that_postgresql_cannot_keep_leaves_all_unwritten(store, bad):
    good = e.ThreadStarted("a", "k")
    log = (bad,) if isinstance(bad, e.ThreadStarted) else (good, bad)
    lines = [
        encode_record(e.Record(name, seq, 1.0, event, 0.0))
        for name, events in (("a", (good,)), ("b", log))
        for seq, event in enumerate(events, 1)
    ]
    with pytest.raises(UsageError, match="NUL"):
        run(restore_threads(store, lines))
    assert run(store.threads()) == []


class Meanwhile:
    """A connection after whose list of names somebody else writes."""

    def __init__(self, db, write):
        self._db = db
        self._write = write

    def execute(self, query, *values, **how):
        found = self._db.execute(query, *values, **how)
        text = query if isinstance(query, str) else query.decode()
        if "order by thread_id" in text and self._write:
            self._write()
            self._write = None
        return found

    def __getattr__(self, name):
        return getattr(self._db, name)


def test_a_check_sees_one_moment_and_waits_for_no_writer(store, db, postgres):
    import psycopg

    used = Row(1, 0.0, b"{}", entries=(Entry("day:d:team", 5, 0.0),))
    run(store.append("a", started(status="unfinished")))
    run(store.append("b", started(status="unfinished")))

    def write():
        run(store.append("new", [used]))
        run(store.delete({"b": len(started())}))

    with psycopg.connect(postgres.url, autocommit=True, options="-c lock_timeout=1ms") as other:
        assert postgres_check.find_wrong_lines(Meanwhile(other, write), store.tenant) == []
        run(store.delete({"new": 1}))
        with db.transaction():
            records.append(db, store.tenant, "held", [used])
            assert len(postgres_check.find_wrong_lines(other, store.tenant)) == 0


def test_a_repair_begins_when_whoever_writes_has_come_to_its_end(store, db, postgres):
    import psycopg

    run(store.append("a", started(status="unfinished")))
    with psycopg.connect(postgres.url, autocommit=True, options="-c lock_timeout=1ms") as other:
        with db.transaction():
            records.append(db, store.tenant, "b", started(status="unfinished"))
            with pytest.raises(psycopg.errors.LockNotAvailable):
                postgres_check.repair_list(other, store.tenant)
        assert postgres_check.repair_list(other, store.tenant) == 0
    assert store.find_wrong_lines() == []
