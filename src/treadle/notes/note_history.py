"""Why there is a note: what was said where it comes from, what it replaced, what replaced it."""

import msgspec

from ..runtime.origin import MESSAGE, find_outside_results, read_labelled
from ..stores.store import Store
from .extraction_prompt import PERSON, Piece, read_pieces
from .note import Note, find_same_about, is_live
from .note_store import NoteStore


class NoteHistory(msgspec.Struct, frozen=True, omit_defaults=True):
    """A note, and what the notes and the log say of it."""

    note: Note
    said: tuple[Piece, ...] = ()
    """What a person had said last, and the message that it comes from; none if the log is gone."""
    replaced: tuple[Note, ...] = ()
    """The notes that it replaced, newest first."""
    replaced_by: Note | None = None
    """The note that replaced it, if that is still there."""
    same_about: tuple[Note, ...] = ()
    """The other notes in its scope about the same that hold, newest first."""


async def read_history(notes: NoteStore, logs: Store, note: Note, now: float) -> NoteHistory:
    """The history of a note, whose thread is looked for in `logs`."""
    replaced_by = None
    if note.replaced_by:
        replaced_by = await notes.get(note.replaced_by)
    others = await notes.notes([note.scope], now)
    return NoteHistory(
        note,
        await _read_said(logs, note),
        tuple(await notes.replaced_by(note.id)),
        replaced_by,
        find_same_about(note, (other for other in others if is_live(other, now))),
    )


async def _read_said(logs: Store, note: Note) -> tuple[Piece, ...]:
    if not note.thread_id:
        return ()
    records = await read_labelled(logs, note.thread_id)
    labelled = {seq: name for seq, name in find_outside_results(records) if name == MESSAGE}
    before = [piece for piece in read_pieces(records, labelled) if piece.seq <= note.seq]
    by_person = [piece for piece in before if piece.who == PERSON][-1:]
    itself = [piece for piece in before if piece.seq == note.seq and piece not in by_person]
    return (*by_person, *itself)
