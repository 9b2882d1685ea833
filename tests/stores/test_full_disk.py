"""A file that can't grow: an append that fails has written nothing, and the thread goes on once there is room.

The system's limit on the size of files stands for a disk that is full.
"""

import asyncio
import json
import subprocess
import sys

import pytest

from treadle import SQLiteStore
from treadle.core import events as e
from treadle.core.state import fold
from treadle.stores.rows import from_rows

LIMIT = 1_000_000
PROGRAM = """
import asyncio, json, resource, sys
from treadle import SQLiteStore
from treadle.core import events as e
from treadle.core.errors import StoreError
from treadle.stores.rows import to_rows

path, durability, limit = sys.argv[1], sys.argv[2], int(sys.argv[3])
store = SQLiteStore(path, durability=durability)
records = [e.Record("t", 1, 1.0, e.ThreadStarted("a", "key"), 0.0)]

async def go():
    await store.append("t", to_rows(records))
    records.append(e.Record("t", 2, 1.0, e.UserSaid("go"), 0.0))
    await store.append("t", to_rows(records)[1:])
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
    failed = []
    while len(failed) < 3:
        said = e.Record("t", len(records) + 1, 1.0, e.UserSaid(f"{len(records)} " + "x" * 20_000, steers=True), 0.0)
        try:
            await store.append("t", to_rows([*records, said])[-1:])
            records.append(said)
        except StoreError as error:
            failed.append(str(error))
    accepted = len(records)
    resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
    end = e.Record("t", accepted + 1, 1.0, e.TurnEnded("cancelled"), 0.0)
    await store.append("t", to_rows([*records, end])[-1:])
    print(json.dumps({"accepted": accepted, "failed": failed}))

asyncio.run(go())
"""


@pytest.mark.slow
@pytest.mark.parametrize("durability", ["process", "full"])
def test_what_was_accepted_is_there_what_failed_is_not_and_the_thread_goes_on(tmp_path, durability):
    path = tmp_path / "full.db"
    words = [sys.executable, "-c", PROGRAM, str(path), durability, str(LIMIT)]
    done = subprocess.run(words, capture_output=True, text=True, timeout=60, check=True)
    told = json.loads(done.stdout)
    assert told["accepted"] > 5
    assert len(told["failed"]) == 3
    assert all("nothing was written" in error for error in told["failed"])
    store = SQLiteStore(path)
    records = from_rows("t", asyncio.run(store.read("t")))
    assert len(records) == told["accepted"] + 1
    assert isinstance(records[-1].event, e.TurnEnded)
    assert fold(records).phase == "idle"
    assert store.find_file_damage() == []
    store.close()
