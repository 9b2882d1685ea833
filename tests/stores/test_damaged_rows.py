"""A value of a row that was changed behind the store's back is noticed, whichever it is."""

import asyncio
import sqlite3
import tempfile
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from treadle import SQLiteStore
from treadle.core.errors import StoreDamaged
from treadle.stores.store import Row

COLUMNS = st.sampled_from(["at", "worked_s", "event"])


@pytest.mark.slow
@given(st.integers(1, 4), COLUMNS, st.integers(0, 40))
@settings(max_examples=15)
def test_a_changed_value_is_never_read_as_if_it_were_written(
    seq: int, column: str, at: int
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "t.db"
        with closing(SQLiteStore(path)) as store:
            rows = [
                Row(n, 0.5, b'{"type":"UserSaid","text":"keep every letter"}', 0.25)
                for n in range(1, 5)
            ]
            asyncio.run(store.append("t", rows))
        with closing(sqlite3.connect(path)) as db, db:
            [[value]] = db.execute(f"select {column} from record where seq = ?", (seq,))
            if column == "event":
                letters = bytearray(value.encode() if isinstance(value, str) else value)
                letters[at % len(letters)] ^= 1
                changed: object = letters.decode("latin-1")
            else:
                changed = value + at + 1
            db.execute(f"update record set {column} = ? where seq = ?", (changed, seq))
        with closing(SQLiteStore(path)) as store, pytest.raises(StoreDamaged):
            asyncio.run(store.read("t"))
