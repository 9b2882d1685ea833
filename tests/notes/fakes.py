"""What the tests of notes share: a fake embedder, and notes in memory with a fixed clock."""

import asyncio
import struct
from collections.abc import Sequence

from treadle.notes.note import Note, WriteResult
from treadle.notes.note_store import NoteStore
from treadle.notes.notes import Notes
from treadle.runtime.world import World

MEANINGS = (
    {"vegan", "meat", "diet", "eats"},
    {"berlin", "lives", "city", "home"},
    {"euros", "budget", "money"},
)


class Meanings:
    """An embedder that knows a few meanings. Keeps in `asked` what it was given; may fail."""

    def __init__(self, name: str = "meanings", error: Exception | None = None) -> None:
        self.name = name
        self.error = error
        self.asked: list[list[str]] = []

    async def embed(self, texts: Sequence[str]) -> list[bytes]:
        self.asked.append(list(texts))
        if self.error:
            raise self.error
        return [_vector(text) for text in texts]


def _vector(text: str) -> bytes:
    words = set(text.lower().split())
    counts = [float(len(words & meaning)) for meaning in MEANINGS]
    length = sum(count * count for count in counts) ** 0.5 or 1.0
    return struct.pack("<3f", *(count / length for count in counts))


def notes_at(now: float = 100.0, **settings) -> Notes:
    """Notes in memory."""
    return Notes(NoteStore(":memory:"), **{"world": World(now=lambda: now)} | settings)


def written(notes: Notes, text: str, **fields) -> WriteResult:
    made = Note(**{"id": "", "text": text, "scope": "user", "at": notes.world.now()} | fields)
    return asyncio.run(notes.write(made, key=repr((text, sorted(fields.items())))))


def texts(notes: Notes, **filters) -> list[tuple[str, str]]:
    """Origin and text of the notes, the oldest first."""
    return [
        (note.origin, note.text) for note in reversed(asyncio.run(notes.store.notes(**filters)))
    ]
