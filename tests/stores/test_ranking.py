import pytest
from hypothesis import given
from hypothesis import strategies as st

from treadle.stores.ranking import (
    AFTER_QUESTION,
    BESIDE,
    Asks,
    add_neighbours,
    discount_question,
    find_by_words,
    find_coverage,
    is_question,
    read_asks,
    split_sentences,
)


@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        ("One", ["One"]),
        ("", [""]),
        ("It rained. We left!  Why?", ["It rained.", "We left!", "Why?"]),
        ("Ann: I went home. It rained.", ["Ann: I went home.", "Ann: It rained."]),
        ("I met Dr. Pereira, e.g. on Monday.", ["I met Dr. Pereira, e.g. on Monday."]),
        ("A. B. Smith ran 3.5 km. Really.", ["A. B. Smith ran 3.5 km.", "Really."]),
        ("猫が好きです。犬も好きですか\uff1f", ["猫が好きです。", "犬も好きですか\uff1f"]),
    ],
)
def test_a_text_is_split_into_sentences_each_with_its_speaker(text, sentences):
    assert split_sentences(text) == sentences


@given(st.text(max_size=60))
def test_splitting_loses_no_word(text):
    sentences = split_sentences(text)
    assert sentences
    letters = [char for char in text if char.isalnum()]
    kept = [char for char in "".join(sentences) if char.isalnum()]
    assert len(kept) >= len(letters)  # the speaker's name is repeated


def test_questions_end_in_a_question_mark_also_within_quotes():
    assert [
        is_question(text) for text in ("Why?", '"Why?"', "Really?!", "为什么\uff1f", "No.")
    ] == [
        True,
        True,
        True,
        True,
        False,
    ]
    assert read_asks("Hello. How are you?") == Asks(0.5, at_end=True)
    assert read_asks("How are you? I'm fine.") == Asks(0.5, at_end=False)


def test_what_shares_the_rare_words_covers_most():
    everywhere = list(range(40))
    weights = {"user": 1.0, "vegan": 1.0}
    covered = find_coverage({"user": everywhere, "vegan": [7]}, weights, 50)
    assert covered[7] == 1.0
    assert covered[8] < 0.1
    assert find_coverage({}, {}, 50) == {}


def test_common_words_add_to_what_is_found_and_find_nothing():
    weights = {"the": 0.25, "lamp": 1.0}
    covered = find_coverage({"the": [1, 2], "lamp": [1, 3]}, weights, 10)
    assert covered.keys() == {1, 3}
    assert covered[1] == 1.0 > covered[3]


def test_a_word_that_nothing_has_stands_for_those_that_begin_with_it():
    found = find_by_words(
        ["lamp", "lam"], lambda word, longer: [1] if longer else [2] * (word == "lamp")
    )
    assert found == {"lamp": [2], "lam": [1]}


def test_a_question_gives_most_of_its_score_to_what_comes_next():
    asks = {1: Asks(1.0, at_end=True), 2: Asks(), 3: Asks()}
    own = {1: discount_question(1.0, asks[1])}
    beside = {1: (None, 2), 2: (1, 3), 3: (2, None)}
    whole = add_neighbours(own, {1: 1.0}, beside.__getitem__, asks.__getitem__)
    assert whole == {1: 0.5, 2: AFTER_QUESTION}
    whole = add_neighbours({2: 1.0}, {2: 1.0}, beside.__getitem__, asks.__getitem__)
    assert whole == {1: BESIDE, 2: 1.0, 3: BESIDE}
