"""What a search looks at, kept in memory and followed: the live notes, their places and vectors.

1. It is read once. After that, each search reads what was changed since the one before, by this
   process or another: each change has a number of its own in the file (note_table.read_version).
2. Notes that are replaced are not in it. Those that have expired are, and are left out by the
   searches.
3. It isn't safe for threads: whoever has the store's connection has it alone.
"""

import sqlite3
from bisect import bisect_left, insort
from collections.abc import Collection, Iterable, Mapping, Sequence

from ..stores.ranking import Asks, Neighbours, is_question, read_asks, split_sentences
from . import note_table
from .note import Note
from .vector_block import VectorBlock

NEAR_RECORDS = 10
"""How far apart in their thread two notes may be and still stand beside each other.

A turn with a tool has about this many records.
"""


class NoteIndex:
    def __init__(self) -> None:
        self.notes: dict[int, Note] = {}
        """By their numbers; a note that was written later has a higher number."""
        self._version = 0
        self._scopes: dict[str, set[int]] = {}
        self._expiring: dict[int, float] = {}
        self._places: dict[tuple[str, str], list[tuple[int, int]]] = {}
        """By scope and thread: seq and number of each note, in order."""
        self._asks: dict[int, Asks] = {}
        """How far each note is a question, for those that a search has asked about."""
        self._blocks: dict[str, VectorBlock] = {}
        """By the name of the embedding model."""

    def follow(self, db: sqlite3.Connection) -> None:
        """Take in what has changed since the last time."""
        version = note_table.read_version(db)
        if version == self._version:
            return
        numbers = note_table.find_changed(db, self._version)
        found = note_table.read_notes(db, numbers)
        for number in numbers:
            self._drop(number)
            if number in found:
                self._add(number, found[number])
        for model, block in self._blocks.items():
            self._read_vectors(db, model, block, numbers)
        self._version = version

    def find_live(self, scopes: Sequence[str] | None, now: float) -> set[int]:
        """The numbers of the notes of these scopes (None: all) that hold."""
        names: Iterable[str] = self._scopes if scopes is None else scopes
        live = set().union(*(self._scopes.get(name, ()) for name in names))
        return live.difference(number for number, ends in self._expiring.items() if ends <= now)

    def find_neighbours(self, number: int) -> Neighbours:
        """The notes of the same scope that come from just before and just after in its thread."""
        note = self.notes[number]
        if not note.thread_id:
            return None, None
        places = self._places[note.scope, note.thread_id]
        at = bisect_left(places, (note.seq, number))
        before = places[at - 1] if at else None
        after = places[at + 1] if at + 1 < len(places) else None
        return _near(before, note.seq), _near(after, note.seq)

    def read_asks(self, number: int) -> Asks:
        """How far the note is a question."""
        if number not in self._asks:
            self._asks[number] = read_asks(self.notes[number].text)
        return self._asks[number]

    def use_vectors(self, db: sqlite3.Connection, model: str, size: int) -> VectorBlock:
        """The vectors of a model, `size` numbers each; those of another size are not in it."""
        block = self._blocks.get(model)
        if block is None or block.size != size:
            block = VectorBlock(size)
            self._read_vectors(db, model, block, self.notes)
            self._blocks[model] = block
        return block

    def _read_vectors(
        self, db: sqlite3.Connection, model: str, block: VectorBlock, numbers: Collection[int]
    ) -> None:
        vectors: Mapping[int, bytes] = dict(note_table.read_vectors(db, model, numbers))
        for number in numbers:
            block.drop(number)
            if number in vectors and number in self.notes:
                questions = [is_question(text) for text in split_sentences(self.notes[number].text)]
                block.put(number, vectors[number], questions)

    def _add(self, number: int, note: Note) -> None:
        self.notes[number] = note
        self._scopes.setdefault(note.scope, set()).add(number)
        if note.expires_at is not None:
            self._expiring[number] = note.expires_at
        if note.thread_id:
            insort(self._places.setdefault((note.scope, note.thread_id), []), (note.seq, number))

    def _drop(self, number: int) -> None:
        note = self.notes.pop(number, None)
        if note is None:
            return
        self._scopes[note.scope].discard(number)
        self._expiring.pop(number, None)
        self._asks.pop(number, None)
        if note.thread_id:
            self._places[note.scope, note.thread_id].remove((note.seq, number))


def _near(place: tuple[int, int] | None, seq: int) -> int | None:
    if place is None or abs(place[0] - seq) > NEAR_RECORDS:
        return None
    return place[1]
