import contextlib
import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from notes.vocabulary import NORMAL, SPECIAL, model
from treadle.notes.tokenizer import BEGIN, END, MAX_WORD_CHARS, UNKNOWN, Tokenizer, tokenizer_of

READ = tokenizer_of(model(SPECIAL + NORMAL))


def named(text: str, limit: int = 99) -> list[str]:
    names = [name for name, _, _ in SPECIAL + NORMAL]
    return [names[number] for number in READ.encode(text, limit)]


def test_a_word_is_cut_where_the_scores_are_best():
    assert named("ab") == ["<s>", "▁ab", "</s>"]
    assert named("aba b") == ["<s>", "▁ab", "a", "▁", "b", "</s>"]


def test_spaces_and_compatible_characters_do_not_matter():
    assert named("  ab\n\ta\u200bb ") == named("ab a b")
    assert named("\uff41\uff42") == named("ab")


def test_what_is_in_no_piece_is_unknown():
    assert named("a日b") == ["<s>", "▁", "a", "<unk>", "b", "</s>"]
    assert READ.encode("", 9) == READ.encode(" \n", 9) == [BEGIN, UNKNOWN, END]


def test_a_text_cannot_write_the_pieces_that_control():
    assert named("<s>")[1:-1] == ["▁", "<unk>", "<unk>", "<unk>"]


def test_a_long_text_stops_at_the_limit_with_its_end():
    found = READ.encode("ab " * 1000 + "a" * (5 * MAX_WORD_CHARS), 7)
    assert len(found) == 7
    assert (found[0], found[-1]) == (BEGIN, END)


@given(st.text("ab日", max_size=7))
def test_no_other_way_to_cut_a_word_has_a_higher_sum(word):
    scores = {name: score for name, score, kind in NORMAL}

    def total(pieces: list[str]) -> float:
        sums = [
            scores.get(piece, READ.unknown_score if len(piece) == 1 else float("-inf"))
            for piece in pieces
        ]
        return sum(sums)

    marked = "▁" + word
    middle = range(1, len(marked))
    ways = [way for n in range(len(marked)) for way in itertools.combinations(middle, n)]
    cuts = [[0, *way, len(marked)] for way in ways]
    best = max(total([marked[a:b] for a, b in itertools.pairwise(places)]) for places in cuts)
    names = {number: name for name, (number, _) in READ.pieces.items()}
    found = [
        scores[names[number]] if number in names else READ.unknown_score
        for number in READ.encode(word, 99)[1:-1]
    ]
    if word:
        assert sum(found) == pytest.approx(best)


@given(st.text())
def test_every_text_has_numbers_and_the_same_ones_each_time(text):
    once = READ.encode(text, 50)
    assert once == tokenizer_of(model(SPECIAL + NORMAL)).encode(text, 50)
    assert all(0 <= number < len(SPECIAL + NORMAL) for number in once)


@given(st.binary(max_size=40))
def test_other_bytes_are_no_vocabulary(data):
    with contextlib.suppress(ValueError):
        assert isinstance(tokenizer_of(data), Tokenizer)


def test_a_file_that_was_cut_is_no_vocabulary():
    with pytest.raises(ValueError, match="no protocol buffer"):
        tokenizer_of(model(SPECIAL + NORMAL)[:-3])
    with pytest.raises(ValueError, match="no pieces"):
        tokenizer_of(b"")
