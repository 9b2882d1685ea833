"""What other processes do in the tests of notes. Imported by fresh interpreters, so it is small."""

import asyncio

from treadle.notes.note import Note
from treadle.notes.note_store import NoteStore


def write(path: str, name: str, count: int) -> None:
    """Notes of its own, and one fact that all processes note again and again."""
    store = NoteStore(path)

    async def whole() -> None:
        for number in range(count):
            own = Note("", f"{name} {number}", "user", at=float(number))
            await store.write(own, key=f"{name}-{number}", now=float(number))
            await store.write(
                Note("", "shared fact", "user", at=float(number)), key=f"{name}-s{number}", now=0.0
            )

    asyncio.run(whole())
    store.close()
