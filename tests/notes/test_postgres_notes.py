"""Notes in PostgreSQL: several processes agree on them, and they go and stay with threads and tenants."""

import asyncio
from contextlib import closing

import pytest

from treadle.core.errors import StoreError
from treadle.notes.note import Note
from treadle.notes.note_store import NoteStore, note_store_for
from treadle.notes.note_table import read_all
from treadle.notes.notes import Notes
from treadle.notes.search import Query, search
from treadle.stores.postgres import PostgresStore

pytestmark = pytest.mark.postgres


def run(work):
    return asyncio.run(work)


@pytest.fixture
def url(postgres, tmp_path):
    return f"{postgres.url}&tenant={tmp_path}"


@pytest.fixture
def stores(url):
    """Two stores of the same tenant, as of two processes."""
    with closing(PostgresStore(url)) as one, closing(PostgresStore(url)) as two:
        yield one, two


def write(store, text, key, replaces="", **fields):
    note = Note(id="", text=text, scope="user", at=1.0, **fields)
    return run(note_store_for(store).write(note, key=key, now=1.0, replaces=replaces))


def found(store, text):
    hits = run(search(note_store_for(store), None, Query(text, None, 2.0))).hits
    return [hit.note.text for hit in hits]


def test_what_one_process_writes_forgets_and_replaces_the_other_finds_so(stores):
    one, two = stores
    ann = write(one, "Ann is vegan", "k1")
    assert found(two, "vegan") == ["Ann is vegan"]
    assert write(two, "Ann is vegan", "k1").outcome == ann.outcome, "its key has written before"
    assert write(two, "Ann is vegan", "k2").note.id == ann.note.id
    write(two, "Bob eats meat", "k3")
    assert sorted(found(one, "vegan meat")) == ["Ann is vegan", "Bob eats meat"]
    assert run(note_store_for(two).forget(ann.note.id))
    assert found(one, "vegan") == []
    assert run(note_store_for(one).get(ann.note.id)) is None


def test_vectors_of_the_other_process_are_taken_in(stores):
    one, two = stores
    note = write(one, "Ann is vegan", "k1").note
    run(note_store_for(one).save_vectors("m", {note.id: b"\0" * 8}))
    query = "select vector from note_vector"
    kept = run(note_store_for(two).search(lambda db, _: db.execute(query).fetchall()))
    assert kept == [(b"\0" * 8,)]


def test_a_write_that_postgresql_refuses_leaves_nothing_in_the_copy(stores):
    one, _ = stores
    write(one, "Ann is vegan", "k1")
    with one.pool.connection() as db:
        db.execute("alter table treadle.note add constraint short check (text !~ '^x+$')")
    try:
        with pytest.raises(StoreError, match="short"):
            write(one, "x" * 60, "k2")
        assert [note.text for note in run(note_store_for(one).notes())] == ["Ann is vegan"]
    finally:
        with one.pool.connection() as db:
            db.execute("alter table treadle.note drop constraint short")
    assert write(one, "x" * 60, "k2").note.text == "x" * 60
    assert len(run(note_store_for(one).notes())) == 2


def test_notes_go_with_their_threads_or_stay_without_their_names(stores):
    one, two = stores
    write(one, "Ann is vegan", "k1", thread_id="a", seq=3)
    write(one, "Bob eats meat", "k2", thread_id="b", seq=3)
    assert found(two, "vegan") == ["Ann is vegan"]
    assert run(one.delete({"a": 0}, notes=True)).notes == 1
    assert run(one.delete({"b": 0})).notes == 0
    [left] = run(note_store_for(two).notes())
    assert (left.text, left.thread_id, left.seq) == ("Bob eats meat", "", 0)
    assert run(Notes(note_store_for(one)).forget_threads(["b"], one, keep=False)) == 0


def test_another_tenant_has_other_notes(stores, postgres, tmp_path):
    write(stores[0], "Ann is vegan", "k1")
    with closing(PostgresStore(postgres.url, tenant=f"{tmp_path}-2")) as other:
        assert found(other, "vegan") == []
        write(other, "Ann is a pilot", "k1")
        assert found(other, "pilot") == ["Ann is a pilot"]
    assert found(stores[0], "pilot") == []


def test_notes_are_copied_to_a_file_and_back_with_their_vectors_and_keys(
    stores, postgres, tmp_path
):
    one, _ = stores
    ann = write(one, "Ann is vegan", "k1").note
    write(one, "Ann eats meat now", "k2", replaces=ann.id)
    run(note_store_for(one).save_vectors("m", {ann.id: b"\0" * 8}))
    file = NoteStore(tmp_path / "t.db")
    with closing(file), closing(PostgresStore(postgres.url, tenant=f"{tmp_path}-2")) as other:
        assert run(note_store_for(one).add_missing_to(file)) == 2
        assert run(file.add_missing_to(note_store_for(other))) == 2
        assert run(file.add_missing_to(note_store_for(other))) == 0
        kept = [
            run(each.search(lambda db, _: read_all(db))) for each in (file, note_store_for(other))
        ]
        assert kept[0] == kept[1] == run(note_store_for(one).search(lambda db, _: read_all(db)))
        assert write(other, "Ann is vegan", "k1").note.id == ann.id
