"""The index in memory is what the file says, whoever has written, and by which way."""

import asyncio
import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from notes.fakes import Meanings
from treadle.core.errors import StoreError
from treadle.notes.note import Note, is_live
from treadle.notes.note_store import NoteStore
from treadle.notes.search import Query, search


def write(store, text, key, **fields):
    note = Note(**{"id": "", "text": text, "scope": "user", "at": 1.0} | fields)
    return asyncio.run(store.write(note, key=key, now=1.0)).note


def find(store, text, embedder=None, **more):
    hits = asyncio.run(search(store, embedder, Query(text, None, 2.0, **more))).hits
    return [hit.note.text for hit in hits]


@pytest.fixture
def pair(tmp_path):
    """Two stores of one file, as two processes have them."""
    stores = NoteStore(tmp_path / "n.db"), NoteStore(tmp_path / "n.db")
    yield stores
    for store in stores:
        store.close()


def test_what_another_process_writes_replaces_and_forgets_is_seen_by_the_next_search(pair):
    one, other = pair
    red = write(one, "the door is red", "k1")
    assert find(one, "door") == ["the door is red"]
    blue = Note("", "the door is blue", "user", at=2.0)
    made = asyncio.run(other.write(blue, key="k2", now=2.0, replaces=red.id)).note
    assert find(one, "door") == ["the door is blue"]
    asyncio.run(other.forget(made.id))
    assert find(one, "door") == []


def test_vectors_that_another_process_makes_are_not_made_again(pair):
    one, other = pair
    for number in range(3):
        write(one, f"diet {number}", f"k{number}")
    mine, theirs = Meanings(), Meanings()
    find(one, "meat", mine)
    find(other, "meat", theirs)
    write(other, "vegan diet", "new")
    assert "vegan diet" in find(other, "meat", theirs)
    assert "vegan diet" in find(one, "meat", mine)
    assert theirs.asked == [["meat"], ["meat"], ["vegan diet"]]
    assert mine.asked[2:] == [["meat"]]


def test_a_file_that_is_replaced_is_read_anew(tmp_path):
    store = NoteStore(tmp_path / "n.db")
    write(store, "the door is red", "k1")
    assert find(store, "door") == ["the door is red"]
    for each in tmp_path.iterdir():
        each.unlink()
    with pytest.raises(StoreError, match="deleted"):
        find(store, "door")
    assert find(store, "door") == []
    write(store, "the door is blue", "k1")
    assert find(store, "door") == ["the door is blue"]
    store.close()


def test_notes_of_a_deleted_thread_are_found_no_more_and_kept_ones_name_none(pair):
    one, other = pair
    for thread in ("t1", "t2"):
        write(one, f"the door of {thread}", thread, thread_id=thread, seq=3)
    assert len(find(one, "door")) == 2
    asyncio.run(other.forget_threads(["t1"]))
    assert find(one, "door") == ["the door of t2"]
    asyncio.run(other.forget_threads(["t2"], keep=True))
    hits = asyncio.run(search(one, None, Query("door", None, 2.0))).hits
    assert [(hit.note.text, hit.note.thread_id) for hit in hits] == [("the door of t2", "")]


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["write", "replace", "forget", "search"]),
        st.integers(0, 5),
        st.sampled_from(["user:a", "user:b"]),
        st.sampled_from(["", "t1", "t2"]),
        st.sampled_from([None, 1.5, 9.0]),
    ),
    max_size=25,
)


@given(STEPS)
def test_the_index_is_what_a_fresh_one_would_be(steps):
    store, count = NoteStore(":memory:"), itertools.count()
    for what, which, scope, thread, expires in steps:
        there = sorted(asyncio.run(store.notes()), key=lambda note: note.id)
        chosen = there[which % len(there)].id if there else ""
        if what in ("write", "replace"):
            number = next(count)
            note = Note(
                "", f"fact {number}", scope, thread_id=thread, seq=which, expires_at=expires
            )
            replaces = chosen if what == "replace" else ""
            asyncio.run(store.write(note, key=str(number), now=1.0, replaces=replaces))
        elif what == "forget":
            asyncio.run(store.forget(chosen))
        else:
            find(store, "fact", Meanings())

    held = {note for note in asyncio.run(store.notes()) if is_live(note, 2.0)}

    def compare(db, index):
        fresh = type(index)()
        fresh.follow(db)
        assert index.notes == fresh.notes
        assert {index.notes[number] for number in index.find_live(None, 2.0)} == held
        for scopes in (None, ["user:a"], ["user:b", "user:a"], []):
            assert index.find_live(scopes, 2.0) == fresh.find_live(scopes, 2.0)
        blocks = [each.use_vectors(db, "meanings", 3) for each in (index, fresh)]
        for number in index.notes:
            assert index.find_neighbours(number) == fresh.find_neighbours(number)
            assert (number in blocks[0]) == (number in blocks[1])

    asyncio.run(store.search(compare))
    store.close()
