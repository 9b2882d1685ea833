import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from treadle.notes.vector_block import VectorBlock

EAST, NORTH, WEST = (struct.pack("<2f", *each) for each in ((1, 0), (0, 1), (-1, 0)))


def test_the_nearest_sentence_counts_and_a_question_half():
    block = VectorBlock(2)
    assert block.find_cosines(EAST, 0.0) == {}
    assert block.put(7, NORTH + EAST, [False, False])
    assert block.put(8, EAST, [True])
    assert block.put(9, WEST, [False])
    assert block.find_cosines(EAST, 0.0) == {7: 1.0, 8: 0.5}
    assert block.find_cosines(EAST, 0.6) == {7: 1.0}


@pytest.mark.parametrize("vectors", [b"", EAST, EAST * 3, EAST + b"1234"])
def test_vectors_that_are_not_one_for_each_sentence_are_not_taken(vectors):
    block = VectorBlock(2)
    assert not block.put(7, vectors, [False, False])
    assert 7 not in block


CHANGES = st.lists(st.tuples(st.integers(0, 30), st.integers(0, 3)), max_size=300)


@given(CHANGES)
def test_whatever_comes_and_goes_each_note_has_its_own_vectors(changes):
    """A vector's second number is its note's; its first says that it is the nearest."""
    block, there = VectorBlock(2), dict[int, int]()
    for step, (number, sentences) in enumerate(changes):
        block.drop(number)
        there.pop(number, None)
        if sentences:
            vectors = struct.pack("<2f", 0, 0) * (sentences - 1) + struct.pack("<2f", step + 1, 0)
            assert block.put(number, vectors, [False] * sentences)
            there[number] = step + 1
    assert block.find_cosines(EAST, 0.5) == there
