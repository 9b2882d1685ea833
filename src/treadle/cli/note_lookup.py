"""Finds the notes of the chosen database, and shows them."""

from collections.abc import Iterable, Sequence

from ..core.errors import UsageError
from ..core.visible import visible_line, visible_word
from ..notes.note import Note, WriteResult, check_scope, is_live
from ..notes.note_store import NoteStore, note_store_for
from ..runtime.local_time import format_time
from ..runtime.sync import run_sync
from .agents import choose_database
from .options import StoreOptions
from .tables import format_table
from .terminal import Screen, print_as_json, print_line

NOTE_ID = "The note's id, or the beginning of it."
DAYS = "How long it is valid; default: for ever."


def open_notes(settings: StoreOptions) -> NoteStore:
    return note_store_for(choose_database(settings))


def has_notes(settings: StoreOptions) -> bool:
    """Whether there is a database: reading notes must not create one."""
    return choose_database(settings).exists()


def read_notes(settings: StoreOptions, scope: str | None, now: float | None) -> list[Note]:
    """The notes of a scope, or of all; those that are valid now, or all with None."""
    scopes = list_scopes(scope)
    if not has_notes(settings):
        return []
    return run_sync(open_notes(settings).notes(scopes, now))


def find_note(settings: StoreOptions, name: str) -> Note:
    """The only note whose id begins with this, live or not. Raises UsageError."""
    prefix = name or " "
    notes = read_notes(settings, None, None)
    found = [note for note in notes if note.id.startswith(prefix)]
    if len(found) != 1:
        many = f"{len(found)} notes begin with" if found else "there is no note"
        raise UsageError(f"{many} {name!r}; see treadle notes list --all")
    return found[0]


def list_scopes(scope: str | None) -> list[str] | None:
    if scope is None:
        return None
    return [check_scope(scope)]


def print_notes(notes: Sequence[Note], as_json: bool, now: float) -> None:
    if as_json:
        for note in notes:
            print_as_json(note)
    elif notes:
        print_line(format_table([_row(note, now) for note in notes]))


def report_changes(placed: WriteResult) -> None:
    """Say which other notes have changed, or why the note was not added."""
    others: dict[str, Iterable[Note]] = {
        "it takes the place of": placed.replaced,
        "it contradicts": placed.contradicts,
        "about the same there is": placed.same_about,
    }
    note_id = visible_word(placed.note.id)
    for words, notes in others.items():
        for note in notes:
            Screen().note(f"{note_id}: {words} {format_note(note)}", "yellow")
    if placed.outcome != "added":
        Screen().note(f"{note_id}: {_OUTCOMES[placed.outcome]}", "dim")


def format_note(note: Note) -> str:
    """Id and text, safe to show: an imported note may contain anything."""
    return f"{visible_word(note.id)} {visible_line(note.text, 200)}"


def _row(note: Note, now: float) -> tuple[str, ...]:
    text = f"{note.text}{_describe_validity(note, now)}"
    if note.about:
        text = f"{note.about}: {text}"
    return note.id, format_time(note.at), note.scope, note.origin, text


def _describe_validity(note: Note, now: float) -> str:
    if note.replaced_by:
        return f" (until {format_time(note.replaced_at or 0.0)}: replaced by {note.replaced_by})"
    if note.expires_at is None:
        return ""
    state = "until" if is_live(note, now) else "expired"
    return f" ({state} {format_time(note.expires_at)})"


_OUTCOMES = {
    "refreshed": "was noted already; it has the newer date now",
    "known": "was noted already",
    "outdated": "a newer note has taken its place already",
}
