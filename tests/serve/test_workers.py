"""A server that drives nothing, and two workers: begin, follow, approve, cancel and kill, over processes.

It needs PostgreSQL and a Temporal server, which pip alone gives.
"""

import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest

from serve.server_process import KEY
from temporal_server import free_port

pytestmark = [pytest.mark.temporal, pytest.mark.postgres]
PATIENCE_S = 60.0
AGENT = f"{Path(__file__).parent / 'worked_agent.py'}:agent"


class Deployment:
    """A server and workers, each a process of its own, over one database and one engine."""

    def __init__(self, folder: Path, database: str, engine: str) -> None:
        self.folder = folder
        self._options = ["--db", database, "--engine", engine]
        self._processes = ExitStack()
        self.pids: dict[str, int] = {}
        os.mkfifo(folder / "woken")
        self._woken = os.open(folder / "woken", os.O_RDWR)
        (folder / "keys").write_text(f"ann {KEY}\n")
        (folder / "keys").chmod(0o600)
        port = free_port()
        self.http = httpx2.Client(
            base_url=f"http://127.0.0.1:{port}",
            headers={"Authorization": f"Bearer {KEY}"},
            timeout=PATIENCE_S,
        )
        self.start("server", "open http://", "serve", "--port", str(port), "--keys", "keys")

    def start(self, name: str, told: str, command: str, *more: str) -> None:
        """Start `treadle COMMAND`, and return once it has said this."""
        process = subprocess.Popen(
            [sys.executable, "-m", "treadle", command, AGENT, *self._options, *more],
            cwd=self.folder,
            env=os.environ | {"WORKED_TEST_FOLDER": str(self.folder)},
            stdin=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        self._processes.enter_context(process)
        self._processes.callback(process.kill)
        self.pids[name] = process.pid
        assert process.stderr
        while told not in (line := process.stderr.readline()):
            assert line, f"{name} has ended"

    def close(self) -> None:
        self.http.close()
        self._processes.close()
        os.close(self._woken)

    def read_queue(self, workers: int) -> dict[str, Any]:
        """The queue, once so many workers have asked for work."""
        until = time.monotonic() + 30
        while True:
            found: dict[str, Any] = self.http.get("/api/queue").json()
            [mine] = found["agents"]
            if len(mine["queue"]["workers"]) >= workers or time.monotonic() > until:
                return found
            time.sleep(0.2)

    @contextmanager
    def following(self, thread: str) -> Iterator["Iterator[tuple[str, Any]]"]:
        """The thread's events over HTTP, from its beginning: the name and the data of each."""
        with self.http.stream("GET", f"/api/threads/{thread}/stream") as answer:
            yield read_events(answer.iter_lines())

    def begin(self, thread: str, text: str) -> None:
        begun = self.http.post("/api/threads", json={"text": text, "thread": thread})
        assert begun.status_code == 202, begun.text

    def woken_at(self) -> float:
        """When a nap was woken, by the monotonic clock of this machine."""
        assert select.select([self._woken], [], [], PATIENCE_S)[0], "nobody was woken"
        return float(os.read(self._woken, 100))


def read_events(lines: Iterator[str]) -> Iterator[tuple[str, Any]]:
    name = ""
    for line in lines:
        field, _, value = line.partition(": ")
        if field == "event":
            name = value
        elif field == "data":
            yield name, json.loads(value)


def up_to(events: Iterator[tuple[str, Any]], kind: str) -> list[dict[str, Any]]:
    """The records up to one of this kind, or up to the next result for "result"."""
    records: list[dict[str, Any]] = []
    for name, data in events:
        if name == "record":
            records.append(data["record"])
            if data["record"]["event"]["type"].startswith(kind):
                return records
        elif name == kind:
            return [*records, data]
    raise AssertionError(f"the stream has ended without {kind}")


def drivers_of(records: list[dict[str, Any]]) -> list[int]:
    """The processes that have claimed the thread."""
    claims = [
        each["event"] for each in records if each["event"]["type"].startswith("ThreadClaimed")
    ]
    return [int(each["driver"].rpartition(":")[2]) for each in claims]


@pytest.fixture(scope="module")
def deployment(postgres, temporal, tmp_path_factory):
    folder = tmp_path_factory.mktemp("deployment")
    made = Deployment(folder, f"{postgres.url}&tenant={folder}", temporal.address)
    for name in ("one", "two"):
        made.start(name, "resuming threads of worked", "worker")
    yield made
    made.close()


@pytest.mark.slow
def test_begun_and_approved_over_http_and_done_by_a_worker(deployment):
    deployment.begin("t", "pay")
    with deployment.following("t") as events:
        *records, waits = up_to(events, "result")
        assert (waits["status"], len(waits["waiting"])) == ("waiting", 1)
        [pending] = waits["waiting"]
        said = {"call_id": pending["id"], "digest": pending["digest"], "allowed": True}
        assert deployment.http.post("/api/threads/t/approvals", json=said).status_code == 202
        *more, ended = up_to(events, "result")
    assert (ended["status"], ended["answer"]) == ("answered", "paid")
    seqs = [each["seq"] for each in records + more]
    assert seqs == list(range(1, len(seqs) + 1))
    workers = {deployment.pids["one"], deployment.pids["two"]}
    assert {*drivers_of(records + more)} <= workers
    assert {*map(int, (deployment.folder / "paid").read_text().split())} <= workers


@pytest.mark.slow
def test_a_cancel_over_http_reaches_the_worker_within_a_second(deployment):
    took_s: list[float] = []
    for number in range(5):
        deployment.begin(f"c{number}", "nap")
        with deployment.following(f"c{number}") as events:
            up_to(events, "ToolStarted")
            began = time.monotonic()
            deployment.http.post(f"/api/threads/c{number}/cancel", json={})
            took_s.append(deployment.woken_at() - began)
            assert up_to(events, "result")[-1]["status"] == "cancelled"
    print("cancelled after", [round(each, 3) for each in took_s], "s")
    assert max(took_s) < 1


def test_the_queue_shows_both_workers_and_what_is_at_work(deployment):
    deployment.begin("q", "nap")
    with deployment.following("q") as events:
        up_to(events, "ToolStarted")
        found = deployment.read_queue(workers=2)
        deployment.http.post("/api/threads/q/cancel", json={})
        deployment.woken_at()
    [mine] = found["agents"]
    assert (found["engine"], mine["agent"], mine["running"], mine["due"]) == (True, "worked", 1, 0)
    assert len(mine["queue"]["workers"]) == 2


@pytest.mark.slow
def test_a_worker_that_is_killed_leaves_its_thread_to_the_other_and_no_record_comes_twice(
    deployment,
):
    deployment.begin("k", "nap")
    with deployment.following("k") as events:
        records = up_to(events, "ToolStarted")
        [killed] = drivers_of(records)
        began = time.monotonic()
        os.kill(killed, signal.SIGKILL)
        *more, ended = up_to(events, "result")
        print(f"the other has ended it {time.monotonic() - began:.2f} s after the kill")
    assert (ended["status"], ended["answer"]) == ("answered", "napped")
    seqs = [each["seq"] for each in records + more]
    assert seqs == list(range(1, len(seqs) + 1))
    [other] = drivers_of(more)
    assert {killed, other} == {deployment.pids["one"], deployment.pids["two"]}
