"""A database that this user may not write to can be read, and a write says what is wrong."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from treadle import SQLiteStore
from treadle.notes.note import Note
from treadle.notes.note_store import NoteStore
from treadle.runtime.sync import run_sync
from treadle.stores.store import Row

PROGRAM = """
import asyncio, sys
from treadle import SQLiteStore
from treadle.core.errors import StoreError
from treadle.notes.note_store import NoteStore
from treadle.stores.store import Row

store = SQLiteStore(sys.argv[1])

async def look():
    try:
        return len(await store.read("t")), len(await store.threads()), store.is_gone("nobody")
    except StoreError as error:
        return str(error)

async def write():
    try:
        await store.append("new", [Row(1, 0.0, b"{}")])
    except StoreError as error:
        return str(error)

async def forget():
    try:
        await NoteStore(sys.argv[1]).forget((await NoteStore(sys.argv[1]).notes())[0].id)
    except StoreError as error:
        return str(error)

async def find():
    return [note.text for note in await NoteStore(sys.argv[1]).notes()]

for line in sys.stdin:
    print(asyncio.run(globals()[line.strip()]()), flush=True)
"""
AS_A_USER = ["setpriv", "--bounding-set=-all", "--inh-caps=-all"]
"""Root may write to any file, but not without its capabilities."""
pytestmark = pytest.mark.slow


def row(seq: int) -> Row:
    return Row(seq, 0.0, b'{"type":"UserSaid","text":"x"}')


@pytest.fixture
def folder(tmp_path):
    made = tmp_path / "theirs"
    made.mkdir()
    yield made
    made.chmod(0o755)


@pytest.fixture
def ask(folder):
    """Says what another process gets to see that may not write to the database."""
    is_root = hasattr(os, "geteuid") and os.geteuid() == 0
    if is_root and not shutil.which("setpriv"):
        pytest.skip("root may write to all files")
    words = [*(AS_A_USER if is_root else []), sys.executable, "-c", PROGRAM, folder / "t.db"]
    process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdin
    assert process.stdout

    def ask_for(what: str) -> str:
        process.stdin.write(what + "\n")
        process.stdin.flush()
        return process.stdout.readline().strip()

    yield ask_for
    process.stdin.close()
    process.stdout.close()
    process.wait(30)


def make_read_only(path: Path) -> None:
    path.chmod(0o444)
    path.parent.chmod(0o555)


def make(path: Path) -> SQLiteStore:
    store = SQLiteStore(path)
    run_sync(store.append("t", [row(1)]))
    return store


def test_a_file_in_a_folder_that_cannot_be_written_to_is_read(folder, ask):
    make(folder / "t.db").close()
    make_read_only(folder / "t.db")
    before = sorted(folder.iterdir())
    assert ask("look") == "(1, 1, False)"
    assert ask("find") == "[]"
    assert "can only be read: you may not write to it or to its folder" in ask("write")
    assert sorted(folder.iterdir()) == before


def test_a_reader_leaves_no_files_in_a_folder_that_it_shares_with_the_owner(folder, ask):
    make(folder / "t.db").close()
    (folder / "t.db").chmod(0o444)
    before = sorted(folder.iterdir())
    assert ask("look") == "(1, 1, False)"
    assert sorted(folder.iterdir()) == before


def test_notes_are_found_in_a_file_that_can_only_be_read(folder, ask):
    notes = NoteStore(folder / "t.db")
    run_sync(notes.write(Note("", "likes tea", "user"), key="k", now=1.0))
    notes.close()
    make_read_only(folder / "t.db")
    assert ask("find") == "['likes tea']"
    assert "can only be read" in ask("forget")


def test_a_reader_sees_what_the_owner_writes_before_and_after_it_has_opened_the_file(folder, ask):
    store = make(folder / "t.db")
    make_read_only(folder / "t.db")
    assert ask("look").startswith("(1, 1")
    run_sync(store.append("t", [row(2)]))
    assert ask("look").startswith("(2, 1")
    store.close()
    assert ask("look").startswith("(2, 1")
    folder.chmod(0o755)
    (folder / "t.db").chmod(0o644)
    again = SQLiteStore(folder / "t.db")
    run_sync(again.append("t", [row(3)]))
    make_read_only(folder / "t.db")
    assert ask("look").startswith("(3, 1")
    again.close()


def test_an_old_file_that_cannot_be_written_to_is_to_be_copied(folder, ask):
    shutil.copy(Path(__file__).parents[1] / "golden" / "format-1.db", folder / "t.db")
    make_read_only(folder / "t.db")
    assert "was written by an older Treadle, and can't be written to" in ask("look")
