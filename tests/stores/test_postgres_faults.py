"""PostgreSQL and its clients break off at the worst moments: nothing is lost, written twice or forked."""

import asyncio
import signal
import subprocess
import sys
import threading
import time
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from cutting_proxy import CuttingProxy
from postgres_server import PostgresServer
from treadle import Agent, ScriptedModel
from treadle.core.account import Entry
from treadle.core.errors import SeqTaken
from treadle.core.limits import Ceiling
from treadle.models.scripted import calls, says
from treadle.runtime.log import open_log
from treadle.runtime.world import World
from treadle.stores.postgres import PostgresStore
from treadle.testing.store_contract import row

pytestmark = pytest.mark.postgres

WRITERS = Path(__file__).parent.parent / "postgres_writers.py"


def run(work):
    return asyncio.run(work)


def seqs(store, thread="t"):
    return [each.seq for each in run(store.read(thread))]


@pytest.fixture
def url(postgres, tmp_path):
    return f"{postgres.url}&tenant={tmp_path}"


@pytest.fixture
def store(url):
    with closing(PostgresStore(url)) as made:
        yield made


@pytest.fixture
def db(postgres):
    """A connection of an administrator."""
    import psycopg

    with psycopg.connect(postgres.url, autocommit=True) as made:
        yield made


@contextmanager
def process(*arguments):
    """Another process, which is killed at the end if it still runs."""
    started = subprocess.Popen(
        [sys.executable, str(WRITERS), *arguments], stdout=subprocess.PIPE, text=True
    )
    with started:
        try:
            yield started
        finally:
            started.kill()


@pytest.fixture
def proxy(postgres, tmp_path, short_folder):
    made = CuttingProxy(postgres.url.partition("host=")[2], str(short_folder))
    yield made
    made.close()


@pytest.fixture
def short_folder(tmp_path_factory):
    """Paths of sockets have 100 characters at most."""
    import tempfile

    with tempfile.TemporaryDirectory(prefix="cut-", dir="/tmp") as made:
        yield Path(made)


@pytest.mark.parametrize("cut", ["request", "reply"])
@pytest.mark.parametrize(
    "entries", [(), (Entry("turn:t#1", 60, 0.0, "reserve", Ceiling(tokens=100), "c"),)]
)
def test_an_append_whose_connection_is_cut_is_written_once(
    proxy, short_folder, tmp_path, cut, entries
):
    """Before the server has got it, and after the server has done it."""
    with closing(
        PostgresStore(f"postgresql://tester@/postgres?host={short_folder}", tenant=str(tmp_path))
    ) as store:
        run(store.append("t", [row(1)]))
        proxy.cut = cut
        run(store.append("t", [row(2, entries=entries)]))
        assert proxy.cuts == 1
        assert seqs(store) == [1, 2]
        assert run(store.balance("turn:t#1", 0.0)).tokens == (60 if entries else 0)
        with pytest.raises(SeqTaken):
            run(store.append("t", [row(2, "another")]))


def test_an_append_whose_server_process_is_ended_in_its_middle_is_written_once(store, db):
    run(store.append("t", [row(1)]))
    errors = []

    def write():
        try:
            run(store.append("t", [row(2)]))
        except BaseException as error:
            errors.append(error)

    waiting = "select pid from pg_stat_activity where wait_event_type = 'Lock' and application_name = 'treadle'"
    with db.transaction():
        db.execute("lock table treadle.record in exclusive mode")
        writer = threading.Thread(target=write)
        writer.start()
        until(lambda: db.execute(waiting).fetchone())
        [pid] = db.execute(waiting).fetchone()
        db.execute("select pg_terminate_backend(%s)", (pid,))
    writer.join()
    assert errors == []
    assert seqs(store) == [1, 2]


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["fast", "immediate"])
def test_a_server_that_is_restarted_loses_nothing_that_was_accepted(mode):
    server = PostgresServer()
    try:
        with closing(PostgresStore(server.url)) as store:
            written = []

            async def write():
                while len(written) < 400:
                    await store.append("t", [row(len(written) + 1, f"{len(written)}")])
                    written.append(1)

            writer = threading.Thread(target=lambda: run(write()))
            run(store.append("warm", [row(1)]))
            store.version()
            writer.start()
            until(lambda: len(written) > 20)
            server.stop(mode)
            server.start()
            writer.join(timeout=30)
            assert seqs(store) == list(range(1, 401))
            until(lambda: store.version()[0] != "unknown")
    finally:
        server.remove()


def test_a_driver_that_loses_its_session_takes_its_claims_again(store, url, db):
    async def drive():
        with store.attend("claim"), closing(PostgresStore(url)) as other:
            first = other.find_beat("claim")
            db.execute("select pg_terminate_backend(pid) from pg_locks where locktype = 'advisory'")
            assert other.find_beat("claim") is not None, "it may come back"
            assert not other.is_gone("claim")
            await asyncio.to_thread(until, lambda: other.find_beat("claim") != first)
            return other.find_beat("claim"), is_locked(db)

    beat, locked = run(drive())
    assert beat
    assert locked


def is_locked(db):
    return db.execute("select count(*) from pg_locks where locktype = 'advisory'").fetchone() == (
        1,
    )


def until(condition):
    end = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.005)


@pytest.mark.slow
def test_two_processes_that_append_to_one_log_fork_it_not(store, url):
    with process("share", url, "w1") as first, process("share", url, "w2") as second:
        assert first.wait(60) == second.wait(60) == 0
    assert seqs(store, "shared") == list(range(1, 31))
    assert len({each.event for each in run(store.read("shared"))}) == 30
    assert seqs(store, "w1") == seqs(store, "w2") == list(range(1, 16))


@pytest.mark.slow
def test_who_resumes_a_thread_after_sigkill_of_its_driver_needs_to_wait_for_nobody(store, url):
    with process("drive", url, "t") as driver:
        assert driver.stdout.readline() == "waiting\n"
        claim = run(open_log("t", store, World())).state.claim
        assert store.find_beat(claim) is not None
        assert not store.is_gone(claim)
        driver.send_signal(signal.SIGKILL)
        driver.wait()
        assert store.is_gone(claim)
        assert store.find_beat(claim) is None

    def wait() -> str:
        return ""

    agent = Agent(model=ScriptedModel([says("done")]), tools=[wait], store=store)
    result = run(agent.resume("t"))
    assert result.status == "waiting", "nobody knows whether the tool has done it"


def test_no_clock_of_a_client_says_who_is_alive(store, url):
    """A driver whose clock is wrong by an hour, either way, is as alive as any."""

    async def drive(wrong_s):
        world = World(now=lambda: time.time() + wrong_s)

        async def look() -> str:
            with closing(PostgresStore(url)) as other:
                claim = (await open_log("t", other, World())).state.claim
                assert other.find_beat(claim) is not None
                assert not other.is_gone(claim)
                assert await Agent(model=ScriptedModel([]), store=other).due() == []
            return "looked"

        model = ScriptedModel([calls("look"), says("done")])
        agent = Agent(model=model, tools=[look], store=store, world=world)
        return await agent.run("go", thread="t")

    for wrong_s in (3600, -3600):
        assert run(drive(wrong_s)).answer == "done"
