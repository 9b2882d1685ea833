import asyncio

import pytest

from notes.fakes import Meanings, notes_at, written
from treadle.core.errors import ModelUnavailable, UsageError
from treadle.notes.search import (
    EMBED_BATCH,
    Query,
    search,
    search_by_idf,
    search_meaning,
    search_words,
)

FACTS = ("Ann is vegan", "Ann lives in Berlin", "the budget is 300 euros")


@pytest.fixture
def notes():
    made = notes_at()
    for text in FACTS:
        written(made, text)
    yield made
    made.store.close()


def found(notes, embedder, text, **more):
    return asyncio.run(search(notes.store, embedder, Query(text, None, 100.0, **more)))


def query(text, **more):
    return Query(text, **{"scopes": None, "now": 100.0} | more)


def test_words_find_words_and_meaning_finds_meaning(notes):
    words = asyncio.run(search_words(notes.store, query("which city")))
    meaning = asyncio.run(search_meaning(notes.store, Meanings(), query("which city")))
    assert [note.text for note in words] == []
    assert [note.text for note in meaning] == ["Ann lives in Berlin"]


def test_both_are_combined_by_rank(notes):
    hits = found(notes, Meanings(), "vegan ann", limit=2).hits
    assert hits[0].note.text == "Ann is vegan"
    assert set(hits[0].ranks) == {"words", "meaning"}


def test_beside_meaning_words_count_only_where_they_tell_something(notes):
    assert [
        note.text for note in asyncio.run(search_by_idf(notes.store, query("the month of ann")))
    ] == []
    assert [note.text for note in asyncio.run(search_by_idf(notes.store, query("vegan ann")))] == [
        "Ann is vegan"
    ]


def test_without_an_embedder_it_goes_by_words_and_says_nothing(notes):
    result = found(notes, None, "vegan")
    assert ([hit.note.text for hit in result.hits], result.fallback_reason) == (
        ["Ann is vegan"],
        "",
    )


@pytest.mark.parametrize(
    "error", [ModelUnavailable("503"), OSError("no route"), ValueError("not finite")]
)
def test_an_embedder_that_fails_leaves_the_words_and_says_so(notes, error):
    result = found(notes, Meanings(error=error), "vegan")
    assert [hit.note.text for hit in result.hits] == ["Ann is vegan"]
    assert result.fallback_reason.startswith(
        f"meanings failed, so notes were searched by words alone: {type(error).__name__}"
    )


def test_a_wrong_setting_of_the_embedder_is_told_to_the_caller(notes):
    with pytest.raises(UsageError, match="pip install"):
        found(notes, Meanings(error=UsageError("pip install it")), "vegan")


@pytest.mark.parametrize("vectors", [[], [b"123"], [b"1234", b"5678"]])
def test_vectors_that_cannot_be_are_a_failure(notes, vectors):
    class Odd(Meanings):
        async def embed(self, texts):
            return vectors

    assert "ValueError" in found(notes, Odd(), "vegan").fallback_reason


def test_each_note_is_embedded_once_by_each_model(notes):
    one, other = Meanings(), Meanings("other")
    for embedder in (one, one, other):
        found(notes, embedder, "meat")
    assert [sorted(asked) for asked in one.asked] == [["meat"], sorted(FACTS), ["meat"]]
    assert sorted(other.asked[1]) == sorted(FACTS)
    written(notes, "Bob eats fish")
    found(notes, one, "meat")
    assert one.asked[3:] == [["meat"], ["Bob eats fish"]]


def test_old_notes_get_their_vectors_in_batches(notes):
    for number in range(EMBED_BATCH):
        written(notes, f"fact {number}")
    embedder = Meanings()
    found(notes, embedder, "meat")
    assert [len(asked) for asked in embedder.asked] == [1, EMBED_BATCH, len(FACTS)]


def test_vectors_of_another_length_under_the_same_name_are_made_again(notes):
    found(notes, Meanings(), "meat")
    [note] = [note for note in asyncio.run(notes.store.notes()) if note.text == "Ann is vegan"]
    asyncio.run(notes.store.save_vectors("meanings", {note.id: b"12345678"}))
    again = Meanings()
    assert found(notes, again, "meat").hits[0].note.text == "Ann is vegan"
    assert again.asked[1] == ["Ann is vegan"]


def test_what_is_replaced_expired_or_of_another_scope_is_not_found(notes):
    written(notes, "Ann eats meat now", about="diet")
    written(notes, "Ann eats fish now", about="diet")
    written(notes, "Ann eats cake now", expires_at=100.0)
    written(notes, "Bob eats rice now", scope="user:bob")
    wanted = query("who eats what", scopes=["user"])
    words = [note.text for note in asyncio.run(search_words(notes.store, wanted))]
    meaning = [note.text for note in asyncio.run(search_meaning(notes.store, Meanings(), wanted))]
    assert words == ["Ann eats fish now"]
    assert sorted(meaning) == ["Ann eats fish now", "Ann is vegan"]


def test_a_text_without_words_finds_nothing(notes):
    assert found(notes, Meanings(), " \n").hits == ()
