import asyncio

import pytest

from notes.fakes import Meanings, notes_at, written
from treadle.core.errors import ModelRejected, ModelUnavailable, UsageError
from treadle.notes.note import Note
from treadle.notes.search import EMBED_BATCH, MAX_QUERY_CHARS, Query, search

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


def texts_of(notes, embedder, text, **more):
    asked = Query(text, **{"scopes": None, "now": 100.0} | more)
    return [hit.note.text for hit in asyncio.run(search(notes.store, embedder, asked)).hits]


def test_words_find_words_and_meaning_finds_meaning(notes):
    assert texts_of(notes, None, "which city") == []
    assert texts_of(notes, Meanings(), "which city") == ["Ann lives in Berlin"]


def test_both_are_added_up(notes):
    hits = found(notes, Meanings(), "vegan ann", limit=2).hits
    assert hits[0].note.text == "Ann is vegan"
    assert hits[0].ranks == {"words": 1, "meaning": 1}
    assert hits[0].score > 1.5


def test_rare_words_count_more_than_those_of_many_notes(notes):
    for number in range(9):
        written(notes, f"Ann has lamp {number}")
    assert texts_of(notes, None, "budget of ann")[0] == "the budget is 300 euros"


def test_common_words_find_nothing_alone_and_decide_between_equals(notes):
    written(notes, "a lamp of mine")
    written(notes, "the lamp of Ann")
    assert texts_of(notes, None, "is it in the attic") == []
    assert texts_of(notes, None, "is it in the", guess=False) == []
    assert texts_of(notes, None, "the lamp")[0] == "the lamp of Ann"


def test_common_words_of_another_language_are_a_guess_that_nobody_gets_unasked(notes):
    written(notes, "Wer krank ist, ruft an")
    assert texts_of(notes, None, "Wie ist das Wetter") == ["Wer krank ist, ruft an"]
    assert texts_of(notes, None, "Wie ist das Wetter", guess=False) == []


def test_each_sentence_counts_on_its_own_and_a_question_half():
    notes = notes_at()
    long = "city walls. city gates. city maps. diet of meat"
    for text in (long, "who eats meat on a diet?", "my diet is meat and a city home"):
        written(notes, text)
    hits = found(notes, Meanings(), "vegan").hits
    assert [hit.note.text for hit in hits] == [
        long,
        "my diet is meat and a city home",
        "who eats meat on a diet?",
    ]
    assert hits[0].score == pytest.approx(1.0)
    assert hits[2].score == pytest.approx(0.5)


def test_what_stands_beside_a_hit_in_its_thread_is_found_with_it():
    notes = notes_at()
    said = ("How was the journey?", "Blue, with stripes", "Which shawl did she knit?", "A red one")
    for seq, text in enumerate(said):
        written(notes, text, thread_id="t1", seq=seq)
    written(notes, "Tea at four", thread_id="t2", seq=3)
    written(notes, "Cake at five", thread_id="t1", seq=40)
    assert texts_of(notes, None, "shawl knit") == [said[3], said[2], said[1]]


def test_a_date_in_the_query_finds_what_was_said_then_but_nobody_gets_it_unasked():
    notes = notes_at()
    may, june = 1_683_417_600.0, 1_686_096_000.0  # the 7th of each, 2023
    for text, at in (("we went camping", may), ("we went camping again", june), ("rain", june)):
        written(notes, text, at=at)
    assert texts_of(notes, None, "camping in June")[0] == "we went camping again"
    assert texts_of(notes, None, "What did you do in June 2023?", limit=2) == [
        "rain",
        "we went camping again",
    ]
    assert texts_of(notes, None, "What about 7 June?", guess=False) == []


def test_what_others_write_changes_neither_order_nor_scores():
    notes = notes_at()
    facts = ("the lamp is red", "the door is red", "my lamp broke", "green tea", "door x", "door y")
    for seq, text in enumerate(facts):
        written(notes, text, scope="user:a", thread_id="t", seq=2 * seq)
    asked = {"scopes": ["user:a"], "limit": 9}

    def ask(embedder, text):
        hits = asyncio.run(search(notes.store, embedder, Query(text, now=100.0, **asked))).hits
        return [(hit.note.text, hit.score, hit.ranks) for hit in hits]

    queries = [(None, "lamp door"), (Meanings(), "lamp door"), (None, "red lam"), (None, "was it")]
    before = [ask(*query) for query in queries]
    assert before[0]
    for number in range(40):
        text = f"lamp number {number} was red, lam, vegan"
        written(notes, text, scope="user:b", thread_id="t", seq=number)
    assert [ask(*query) for query in queries] == before


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


class Picky(Meanings):
    """Takes texts of at most 40 characters; `error` says that."""

    async def embed(self, texts):
        if all(len(text) <= 40 for text in texts):
            return await super().embed(texts)
        self.asked.append(list(texts))
        raise self.too_long

    too_long: Exception = ModelRejected("at most 40 characters")


def test_a_note_that_the_embedder_refuses_keeps_no_other_from_its_vectors(notes):
    long = "a vegan lasagne " * 4
    written(notes, long)
    embedder = Picky()
    result = found(notes, embedder, "meat")
    assert [hit.note.text for hit in result.hits] == ["Ann is vegan"]
    assert result.fallback_reason == ""
    asked = len(embedder.asked)
    assert texts_of(notes, embedder, "lasagne")[0] == long.strip()
    assert len(embedder.asked) == asked + 1  # it isn't sent again


def test_notes_with_vectors_are_found_by_meaning_where_others_get_none(notes):
    found(notes, Picky(), "meat")
    written(notes, "a vegan lasagne " * 4)
    embedder = Picky()
    embedder.too_long = ModelUnavailable("503")
    result = found(notes, embedder, "meat")
    assert [hit.note.text for hit in result.hits] == ["Ann is vegan"]
    assert result.fallback_reason.startswith(
        "meanings failed, so notes that have no vectors yet were searched by words alone: Model"
    )


def test_of_a_query_that_is_a_book_the_beginning_counts(notes):
    embedder = Meanings()
    found(notes, embedder, "vegan " * 100_000)
    assert len(embedder.asked[0][0]) == MAX_QUERY_CHARS


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
    old = written(notes, "Ann eats meat now").note
    new = Note("", "Ann eats fish now", "user", at=100.0)
    asyncio.run(notes.write(new, key="new", replaces=old.id))
    written(notes, "Ann eats cake now", expires_at=100.0)
    written(notes, "Bob eats rice now", scope="user:bob")
    assert texts_of(notes, None, "who eats what", scopes=["user"]) == ["Ann eats fish now"]
    meaning = texts_of(notes, Meanings(), "who eats what", scopes=["user"])
    assert sorted(meaning) == ["Ann eats fish now", "Ann is vegan"]


def test_a_text_without_words_finds_nothing(notes):
    assert found(notes, Meanings(), " \n").hits == ()
