import asyncio
import itertools
import multiprocessing
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import note_writers
from treadle import MemoryStore, SQLiteStore
from treadle.core.errors import StoreError, UsageError
from treadle.notes.note import Note, note_id_of, reconcile
from treadle.notes.note_store import NoteStore, note_store_for
from treadle.notes.search import Query, search
from treadle.stores import migrations, sqlite_file
from treadle.stores.postgres import PostgresStore
from treadle.stores.store import Row, with_checksum

COUNT = itertools.count()


@pytest.fixture
def path(tmp_path):
    return tmp_path / "treadle.db"


@pytest.fixture(params=["file", "memory", pytest.param("postgres", marks=pytest.mark.postgres)])
def store(request, path):
    if request.param == "postgres":
        url = request.getfixturevalue("postgres").url
        with closing(PostgresStore(url, tenant=str(path))) as logs:
            yield note_store_for(logs)
        return
    made = NoteStore(path if request.param == "file" else ":memory:")
    yield made
    made.close()


def write(store, text, key="", now=10.0, replaces="", **fields):
    made = Note(**{"id": "", "text": text, "scope": "user", "at": now} | fields)
    return asyncio.run(store.write(made, key=key or f"k{next(COUNT)}", now=now, replaces=replaces))


def notes(store, scopes=None, now=None):
    return [note.text for note in asyncio.run(store.notes(scopes, now))]


def matching(store, query, scopes=None, now=20.0, limit=5):
    hits = asyncio.run(search(store, None, Query(query, scopes, now, limit))).hits
    return [hit.note.text for hit in hits]


def test_a_note_comes_back_as_it_was_written(store):
    written = Note(
        note_id_of("k", "user:ann"),
        "Ann is vegan",
        "user:ann",
        "diet",
        "tool:mail",
        "t1",
        7,
        9.5,
        99.0,
    )
    placed = asyncio.run(store.write(written, key="k", now=10.0))
    assert (placed.outcome, placed.note) == ("added", written)
    assert asyncio.run(store.get(written.id)) == written
    assert asyncio.run(store.get("nobody")) is None


def test_the_same_key_writes_once_whatever_has_become_of_it(store):
    first = write(store, "Ann is vegan", "k1", about="diet")
    assert write(store, "Ann is vegan", "k1", now=50.0, about="diet").note == first.note
    second = write(store, "Ann eats fish", "k2", now=60.0, replaces=first.note.id)
    again = write(store, "Ann is vegan", "k1", now=70.0, about="diet")
    assert (again.outcome, again.note.replaced_by) == ("added", second.note.id)
    asyncio.run(store.forget(first.note.id))
    write(store, "Ann is vegan", "k1", now=80.0, about="diet")
    assert notes(store) == ["Ann eats fish"]


def test_a_rerun_is_told_again_what_was_replaced_and_what_stands_beside(store):
    old = write(store, "Ann eats fish", "k1", about="diet").note
    write(store, "Ann loves rice", "k2", about="diet")
    first = write(store, "Ann is vegan", "k3", about="diet", replaces=old.id)
    again = write(store, "Ann is vegan", "k3", about="diet", replaces=old.id)
    assert [note.text for note in first.replaced] == ["Ann eats fish"]
    assert [note.text for note in first.same_about] == ["Ann loves rice"]
    assert again == first


def test_keys_count_within_a_scope(store):
    a = write(store, "A's code is 4711", "profile", scope="user:a")
    b = write(store, "B likes tea", "profile", scope="user:b")
    assert (b.outcome, b.note.text, b.note.scope) == ("added", "B likes tea", "user:b")
    assert a.note.id != b.note.id
    assert matching(store, "tea code", ["user:b"]) == ["B likes tea"]


@pytest.mark.parametrize("other", [{"text": "B"}, {"about": "x"}, {"replaces": "n1"}])
def test_the_same_key_with_another_content_is_a_conflict_and_changes_nothing(store, other):
    write(store, "A", "profile")
    with pytest.raises(UsageError, match=r"the key 'profile' has written another note.*'A'"):
        write(store, **{"text": "A", "key": "profile"} | other)
    assert notes(store) == ["A"]


def test_a_refreshed_note_is_not_refreshed_again_by_the_same_key(store):
    write(store, "Ann is vegan", "k1")
    write(store, "Ann is vegan.", "k2", now=20.0)
    again = write(store, "Ann is vegan.", "k2", now=30.0)
    assert (again.outcome, again.note.at) == ("refreshed", 20.0)
    assert again.note.id == note_id_of("k1", "user")


def test_a_contradiction_keeps_both_and_lists_the_newer(store):
    fish = write(store, "Ann eats fish", about="diet").note
    write(store, "Ann is vegan", now=20.0, about="diet", replaces=fish.id)
    assert notes(store, now=20.0) == ["Ann is vegan"]
    assert notes(store) == ["Ann is vegan", "Ann eats fish"]
    assert matching(store, "Ann") == ["Ann is vegan"]


def test_a_note_that_expired_is_neither_found_nor_in_the_way(store):
    write(store, "The fair is on Monday", "k1", expires_at=15.0)
    assert matching(store, "fair", now=14.0) == ["The fair is on Monday"]
    assert matching(store, "fair", now=15.0) == []
    assert write(store, "The fair is on Monday", "k2", now=16.0).outcome == "added"


def test_scopes_are_kept_apart(store):
    for scope in ("user", "user:ann", "project:loom"):
        write(store, f"of {scope}", scope=scope)
    assert sorted(notes(store, ["user:ann", "project:loom"])) == ["of project:loom", "of user:ann"]
    assert notes(store, []) == []
    assert matching(store, "of", ["user"]) == ["of user"]


def test_what_has_all_the_words_comes_first(store):
    write(store, "Ann works on looms and looms and looms")
    write(store, "Bob repairs the treadle of a loom")
    write(store, "Carl sells wool")
    assert matching(store, "treadle loom")[0] == "Bob repairs the treadle of a loom"
    assert matching(store, "treadle loom", limit=1) == ["Bob repairs the treadle of a loom"]
    assert len(matching(store, "treadle loom")) == 2


@pytest.mark.parametrize(
    ("text", "query"),
    [
        ("猫の名前はタマです", "私の猫の名前は何ですか"),
        ("数据库在柏林", "数据库在哪里"),
        ("Café Zürich", "cafe zurich"),
        ("Anns Geburtstag ist im März", "geburtstag marz"),
        ("use max_chars", "max_chars"),
        ('says "hello"', '"hello'),
        ("it's in C++", "what's c++? NOT * ("),
    ],
)
def test_any_language_is_found_and_any_text_may_be_asked(store, text, query):
    write(store, text)
    write(store, "something else entirely")
    assert matching(store, query)[:1] == [text]


@pytest.mark.parametrize("query", ["", "?!", "\x00", "🐈"])
def test_a_query_without_words_finds_nothing(store, query):
    write(store, "Ann is vegan")
    assert matching(store, query) == []


def test_what_cannot_be_a_note_is_not_written(store):
    with pytest.raises(UsageError, match="10,000 characters"):
        write(store, "x" * 10_000, "k")
    assert notes(store) == []


def test_vectors_are_kept_by_model(store):
    one, two = (write(store, text).note for text in ("one", "two"))
    asyncio.run(store.save_vectors("m", {one.id: b"1234", "gone": b"5678"}))
    asyncio.run(store.save_vectors("other", {two.id: b"abcd"}))

    def held(model):
        return asyncio.run(
            store.search(
                lambda db, index: [
                    note.text
                    for number, note in index.notes.items()
                    if number in index.use_vectors(db, model, 1)
                ]
            )
        )

    assert (held("m"), held("other"), held("third")) == (["one"], ["two"], [])


def test_a_forgotten_note_leaves_no_byte_behind(path):
    store, logs = NoteStore(path), SQLiteStore(path)
    assert asyncio.run(logs.read("t")) == []
    secret = write(store, "the xylophone is buried under quartz", about="zebrawood").note
    write(store, "another note")
    asyncio.run(store.save_vectors("m", {secret.id: b"vectorbytes!"}))
    assert b"xylophon" in b"".join(each.read_bytes() for each in path.parent.iterdir())
    assert asyncio.run(store.forget(secret.id))
    assert not asyncio.run(store.forget(secret.id))
    left = b"".join(each.read_bytes() for each in path.parent.iterdir())
    store.close()
    for word in (b"xylophon", b"quartz", b"zebrawood", b"vectorbytes!"):
        assert word not in left
    assert notes(store) == ["another note"]
    assert matching(store, "xylophone") == []
    for each in (store, logs):
        each.close()


def test_notes_are_in_the_file_of_the_logs(path):
    logs = SQLiteStore(path)
    asyncio.run(logs.append("t", [Row(1, 0.0, b"{}")]))
    store = note_store_for(logs)
    write(store, "Ann is vegan")
    again = NoteStore(path)
    assert notes(again) == ["Ann is vegan"]
    assert len(asyncio.run(logs.read("t"))) == 1
    for each in (logs, store, again):
        each.close()


def test_a_file_of_the_first_version_keeps_its_records_and_takes_notes(path):
    with closing(sqlite3.connect(path)) as db:
        db.execute(migrations.MIGRATIONS[0])
        db.execute("pragma user_version = 1")
        db.execute(f"pragma application_id = {sqlite_file.APPLICATION_ID}")
        db.execute(
            "insert into record (thread_id, seq, at, event) values ('t', 1, 0.5, '{\"a\":1}')"
        )
        db.commit()
    logs, store = SQLiteStore(path), NoteStore(path)
    assert asyncio.run(logs.read("t")) == [with_checksum("t", Row(1, 0.5, b'{"a":1}'))]
    write(store, "Ann is vegan")
    asyncio.run(logs.append("t", [Row(2, 1.0, b"{}")]))
    assert logs.select("pragma user_version") == [(len(migrations.MIGRATIONS),)]
    assert logs.select("pragma integrity_check") == [("ok",)]
    assert notes(store) == ["Ann is vegan"]
    for each in (logs, store):
        each.close()


def test_a_migration_that_fails_leaves_the_file_at_its_version(path):
    with closing(sqlite3.connect(path)) as db:
        db.execute(migrations.MIGRATIONS[0])
        db.execute("pragma user_version = 1")
        db.execute(f"pragma application_id = {sqlite_file.APPLICATION_ID}")
        db.execute("create table note_vector (mine)")  # so that only the last statement fails
        db.commit()
    with pytest.raises(StoreError, match="note_vector"):
        asyncio.run(SQLiteStore(path).read("t"))
    with closing(sqlite3.connect(path)) as db:
        names = [
            name for (name,) in db.execute("select name from sqlite_master where type = 'table'")
        ]
        assert sorted(names) == ["note_vector", "record"]
        assert db.execute("pragma user_version").fetchone() == (1,)


def test_beside_a_memory_store_notes_are_in_memory():
    store = note_store_for(MemoryStore())
    write(store, "Ann is vegan")
    assert store.path is None
    assert notes(store) == ["Ann is vegan"]
    store.close()


def test_a_store_without_a_place_for_notes_is_told():
    class Elsewhere:
        append = read = threads = None

    with pytest.raises(UsageError, match="Elsewhere has no file for notes"):
        note_store_for(Elsewhere())


@pytest.mark.parametrize(
    ("place", "told"),
    [
        (5, "NoteStore\\(an int\\): give the path"),
        (b"notes.db", "NoteStore\\(a bytes\\): give the path"),
        ("postgresql://host/db", "NoteStore is for a file; notes are in PostgreSQL where"),
        ("mysql://host/db", "NoteStore is the text 'mysql://host/db', which is a URL"),
        ("/", "NoteStore: / is a folder"),
        (" ", "NoteStore is the text ' '; give the path of an SQLite file"),
    ],
)
def test_what_is_no_path_is_refused_at_once(place, told):
    with pytest.raises(UsageError, match=told):
        NoteStore(place)


@pytest.mark.parametrize("make", [NoteStore, SQLiteStore])
def test_a_path_may_begin_in_the_persons_own_folder(make):
    assert make("~/notes.db").path == Path.home() / "notes.db"


def test_an_sqlite_without_full_text_search_is_told(path):
    class Without(sqlite3.Connection):
        def execute(self, sql, *values):
            return super().execute(sql.replace("fts5", "no_such_module"), *values)

    def connect(where):
        made = sqlite3.connect(where, factory=Without, isolation_level=None)
        sqlite_file.migrate(made)
        return made

    store = NoteStore(path, connect=connect)
    with pytest.raises(StoreError, match="notes need SQLite with FTS5"):
        write(store, "Ann is vegan")


@pytest.mark.slow
def test_two_processes_that_write_at_once_lose_and_double_nothing(path):
    context = multiprocessing.get_context("spawn")
    workers = [
        context.Process(target=note_writers.write, args=(str(path), name, 20))
        for name in ("a", "b")
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
        assert worker.exitcode == 0
    store = NoteStore(path)
    texts = notes(store, now=1000.0)
    assert sorted(texts) == sorted(
        ["shared fact", *(f"{name} {number}" for name in "ab" for number in range(20))]
    )
    store.close()


TEXTS, ABOUTS = st.sampled_from(["a", "A.", "b", "c"]), st.sampled_from(["", "x", "X.", "y"])
WRITES = st.tuples(
    TEXTS, ABOUTS, st.sampled_from(["user", "agent:x"]), st.sampled_from(["user", "tool:web"])
)


@given(st.lists(st.tuples(WRITES, st.integers(0, 20), st.none() | st.integers(0, 8)), max_size=10))
def test_what_is_written_is_what_the_rules_say_of_all_notes(writes):
    """The store looks at few notes; the rules are applied here to all of them."""
    store = NoteStore(":memory:")
    kept: dict[str, Note] = {}
    for number, ((text, about, scope, origin), at, which) in enumerate(writes):
        replaces = "" if which is None or which >= len(kept) else sorted(kept)[which]
        note_id = note_id_of(f"w{number}", scope)
        new = Note(note_id, text, scope, about, origin, at=float(at))
        placed = reconcile(new, newest_first(kept.values()), replaces)
        kept |= {note.id: note for note in (placed.note, *placed.replaced)}
        asyncio.run(store.write(new, key=f"w{number}", now=0.0, replaces=replaces))
        there = asyncio.run(store.notes())
        assert {note.id: note for note in there} == kept
    store.close()


def newest_first(notes):
    """The live ones; of the same time, the one that was written last."""
    return sorted(
        (note for note in reversed(list(notes)) if not note.replaced_by), key=lambda note: -note.at
    )


def test_what_a_person_confirms_may_take_the_place_of_what_it_stood_beside(store):
    one = write(store, "account 1", about="account").note
    from_mail = write(
        store, "account 2", about="account", origin="tool:mail", now=20.0, replaces=one.id
    )
    assert from_mail.contradicts == (one,)
    placed = write(store, "account 2", now=30.0, replaces=one.id)
    assert (placed.outcome, placed.note.origin) == ("refreshed", "user")
    assert notes(store, now=30.0) == ["account 2"]


def test_a_note_that_is_known_already_may_take_the_place_of_another(store):
    blue = write(store, "the loom is blue", origin="tool:mail").note
    red = write(store, "the loom is red", now=11.0).note
    placed = write(store, "the loom is red", now=30.0, origin="tool:mail", replaces=blue.id)
    assert (placed.outcome, placed.note) == ("known", red)
    assert [note.text for note in placed.replaced] == ["the loom is blue"]
    assert notes(store, now=30.0) == ["the loom is red"]


def test_numbers_that_are_written_otherwise_are_other_facts(store):
    for text in ("takes .5 mg", "takes 5 mg", "10⁵ cells", "105 cells", "(5) cells"):
        assert write(store, text).outcome == "added"
    assert write(store, "takes 5 mg.", now=20.0).outcome == "refreshed"
    assert write(store, "takes \uff15 mg", now=20.0).outcome == "refreshed"


def test_a_reader_that_reads_on_does_not_keep_a_note_from_being_forgotten(path):
    store = NoteStore(path)
    note = write(store, "Ann is vegan").note
    with closing(sqlite3.connect(path)) as reader:
        rows = reader.execute("select * from note")
        assert rows.fetchone()
        assert asyncio.run(store.forget(note.id))
        assert notes(store) == []
    store.close()


def test_threads_that_write_at_once_lose_nothing(store):
    def work(name: str) -> None:
        for number in range(10):
            write(store, f"{name} {number}")

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, "abcd"))
    assert len(notes(store)) == 40


def test_notes_keep_their_labels_however_often_they_are_copied(tmp_path):
    """Also those of a time before there were labels, and those that a copy had added a blank to."""
    notes = [
        Note("", "tea", "user", origin="tool:web", labels=("untrusted", "private")),
        Note("", "milk", "user", origin="tool:web"),
        Note("", "rice", "user", origin="agent", labels=("private",)),
        Note("", "salt", "user"),
        Note("", "oats", "user", origin="tool:web", labels=("private",)),
        Note("", "figs", "user", origin="tool:web"),
    ]
    old = {"oats": "tool:web private ", "figs": "tool:web  ", "milk": "tool:web"}
    stores = [NoteStore(tmp_path / f"{number}.db") for number in range(3)]
    for note in notes:
        asyncio.run(stores[0].write(note, key=note.text, now=1.0))
    with closing(sqlite3.connect(tmp_path / "0.db")) as db, db:
        for text, origin in old.items():
            db.execute("update note set origin = ? where text = ?", (origin, text))
    for one, other in pairwise(stores):
        assert asyncio.run(one.add_missing_to(other)) == len(notes)
    wanted = {note.text: (note.origin, note.labels) for note in notes}
    wanted["milk"] = ("tool:web", ("untrusted",))
    for store in stores:
        found = asyncio.run(store.notes())
        assert {each.text: (each.origin, each.labels) for each in found} == wanted
        store.close()
