"""The vectors of many notes in one array: one for each sentence, so that none dilutes another.

A note's vectors are rows one after the other. Rows of notes that are gone stay until half of the
array is such rows; then it is packed.
"""

from collections.abc import Iterable, Sequence
from typing import Any

from ..core.errors import UsageError
from ..stores.ranking import QUESTION_WEIGHT
from .one_core import use_one_core

FIRST_ROWS = 64
FLOAT_BYTES = 4
GONE = -1
"""The number of no note."""


class VectorBlock:
    def __init__(self, size: int) -> None:
        """`size` is how many numbers a vector has. Raises UsageError if numpy is missing."""
        try:
            import numpy
        except ImportError:
            raise UsageError(
                "searching by meaning needs numpy: pip install 'treadle[embeddings]'"
            ) from None
        self.size = size
        self._np: Any = numpy
        self._rows: Any = numpy.empty((FIRST_ROWS, size), "<f4")
        self._weights: Any = numpy.empty(FIRST_ROWS, "<f4")
        self._used = 0
        """Rows that are taken, also by notes that are gone."""
        self._starts: list[int] = []
        self._numbers: list[int] = []
        """The note of each start; GONE for one that is gone."""
        self._slots: dict[int, int] = {}
        """Where in both lists a note is."""

    def __contains__(self, number: int) -> bool:
        return number in self._slots

    def put(self, number: int, vectors: bytes, questions: Sequence[bool]) -> bool:
        """Add a note's vectors, one for each sentence; `questions` says which sentences are some.

        False, and nothing is added, for bytes that aren't as many vectors of this size.
        """
        count = len(questions)
        if len(vectors) != count * self.size * FLOAT_BYTES:
            return False
        self._make_room(count)
        rows = self._np.frombuffer(vectors, "<f4").reshape(count, self.size)
        end = self._used + count
        self._rows[self._used : end] = rows
        self._weights[self._used : end] = [QUESTION_WEIGHT if asks else 1.0 for asks in questions]
        self._slots[number] = len(self._starts)
        self._starts.append(self._used)
        self._numbers.append(number)
        self._used = end
        return True

    def drop(self, number: int) -> None:
        """Take a note out, if it is there."""
        slot = self._slots.pop(number, None)
        if slot is not None:
            self._numbers[slot] = GONE
            if len(self._numbers) > FIRST_ROWS and len(self._slots) * 2 < len(self._numbers):
                self._pack()

    def find_cosines(self, wanted: bytes, least: float) -> dict[int, float]:
        """The notes whose nearest sentence has at least this cosine, and that cosine.

        A question's cosine counts less, by QUESTION_WEIGHT.
        """
        if not self._starts:
            return {}
        query = self._np.frombuffer(wanted, "<f4")
        with use_one_core():
            cosines = (self._rows[: self._used] @ query) * self._weights[: self._used]
        best = self._np.maximum.reduceat(cosines, self._starts)
        near = self._np.flatnonzero(best >= least)
        found = zip(near.tolist(), best[near].tolist(), strict=True)
        return {
            self._numbers[slot]: cosine for slot, cosine in found if self._numbers[slot] != GONE
        }

    def _make_room(self, count: int) -> None:
        needed = self._used + count
        if needed <= len(self._rows):
            return
        more = max(needed, 2 * len(self._rows))
        rows, weights = self._rows, self._weights
        self._rows = self._np.empty((more, self.size), "<f4")
        self._weights = self._np.empty(more, "<f4")
        self._rows[: self._used] = rows[: self._used]
        self._weights[: self._used] = weights[: self._used]

    def _pack(self) -> None:
        ends = [*self._starts[1:], self._used]
        kept = [slot for slot, number in enumerate(self._numbers) if number != GONE]
        spans = [range(self._starts[slot], ends[slot]) for slot in kept]
        rows = [row for span in spans for row in span]
        self._rows = self._rows[rows]
        self._weights = self._weights[rows]
        self._used = len(rows)
        self._numbers = [self._numbers[slot] for slot in kept]
        self._starts = list(_starts_of(map(len, spans)))
        self._slots = {number: slot for slot, number in enumerate(self._numbers)}


def _starts_of(lengths: Iterable[int]) -> Iterable[int]:
    start = 0
    for length in lengths:
        yield start
        start += length
