"""What other processes do in the tests of the SQLite store.

Imported by fresh interpreters, so it is small.
"""

import asyncio
import os
from typing import Literal

from treadle import SQLiteStore
from treadle.core.errors import SeqTaken
from treadle.stores.store import Row


def append(store: SQLiteStore, thread: str, seq: int, by: str = "x") -> None:
    asyncio.run(store.append(thread, [Row(seq, 0.0, f'{{"by":"{by}"}}'.encode())]))


def share(path: str, name: str, count: int) -> None:
    """Write so many rows to the thread that all share, and as many to one of its own."""
    store, own = SQLiteStore(path), 0
    while own < count:
        try:
            append(store, "shared", len(asyncio.run(store.read("shared"))) + 1, f"{name}-{own}")
        except SeqTaken:
            continue
        own += 1
        append(store, name, own)
    store.close()


def fork(path: str, durability: Literal["process", "full"]) -> None:
    """Write, fork, write in the child, close in the parent, write in the child again, and in the parent."""
    store = SQLiteStore(path, durability=durability)
    append(store, "t", 1)
    (wrote, write), (closed, close) = os.pipe(), os.pipe()
    child = os.fork()
    if child == 0:
        append(store, "t", 2)
        os.write(write, b".")
        os.read(closed, 1)
        append(store, "t", 3)
        os._exit(0)
    os.read(wrote, 1)
    store.close()
    os.write(close, b".")
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    append(store, "t", 4)
    store.close()
