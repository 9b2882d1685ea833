"""`treadle notes why` and `correct`: where a note comes from, and what to say instead."""

from dataclasses import dataclass

from ..core.errors import UsageError
from ..core.visible import visible_line, visible_word
from ..notes.note import Note, expiry_time
from ..notes.note_history import NoteHistory, read_history
from ..runtime.local_time import format_time
from ..runtime.sync import run_sync
from ..runtime.world import World
from .agents import choose_store
from .note_lookup import (
    DAYS,
    NOTE_ID,
    find_note,
    format_note,
    open_notes,
    print_notes,
    report_changes,
)
from .options import StoreOptions
from .parameters import make_argument, make_flag, make_option
from .terminal import print_as_json, print_line

WIDTH = 300
"""The most characters of a message that are shown."""


@dataclass(frozen=True, kw_only=True)
class CorrectNoteOptions(StoreOptions):
    note: str = make_argument("ID", NOTE_ID)
    text: str = make_argument("TEXT", "What is right, complete in itself.")
    days: float | None = make_option("N", DAYS)


@dataclass(frozen=True, kw_only=True)
class WhyNoteOptions(StoreOptions):
    note: str = make_argument("ID", NOTE_ID)
    json: bool = make_flag("As one line of JSON.")


def why(settings: WhyNoteOptions) -> int:
    """Say where a note comes from: who said what, what it replaced, and what replaced it."""
    note = find_note(settings, settings.note)
    now = World().now()
    history = run_sync(read_history(open_notes(settings), choose_store(settings), note, now))
    if settings.json:
        print_as_json(history)
        return 0
    print_notes([note], False, now)
    for line in _describe(history):
        print_line(f"  {line}")
    return 0


def correct(settings: CorrectNoteOptions) -> int:
    """Write what is right in a note's place; the new note's id goes to standard output.

    The old one is kept with its dates. To delete it for good: notes forget.
    """
    old = find_note(settings, settings.note)
    if old.replaced_by:
        raise UsageError(
            f"note {old.id} has been replaced already, by {old.replaced_by}; correct that one"
        )
    now = World().now()
    ends = expiry_time(now, settings.days)
    new = Note("", settings.text, old.scope, old.about, at=now, expires_at=ends)
    store = open_notes(settings)
    placed = run_sync(store.write(new, key=World().new_id(), now=now, replaces=old.id))
    print_line(visible_word(placed.note.id))
    report_changes(placed)
    return 0


def _describe(history: NoteHistory) -> list[str]:
    note = history.note
    lines = [_describe_source(note, bool(history.said))]
    for piece in history.said:
        lines.append(f"record {piece.seq}, {piece.who}: {visible_line(piece.text, WIDTH)}")
    lines.append(_describe_origin(note))
    lines += [f"it took the place of {format_note(old)}" for old in history.replaced]
    if note.replaced_by:
        by = history.replaced_by
        name = format_note(by) if by else f"{visible_word(note.replaced_by)}, forgotten since"
        lines.append(f"its place was taken by {name}")
    lines += [f"about the same there is {format_note(other)}" for other in history.same_about]
    return lines


def _describe_source(note: Note, found: bool) -> str:
    at = format_time(note.at)
    if not note.thread_id:
        return f"written by hand, or by a program, {at}"
    thread = visible_line(note.thread_id, 200)
    text = f"noted in thread {thread}, record {note.seq}, {at}"
    if not found:
        text += "; that thread isn't in this database"
    return text


def _describe_origin(note: Note) -> str:
    if note.origin == "user":
        return "origin user: nothing from outside had been read there"
    if note.origin == "agent":
        return "origin agent: the agent noted it on its own, or another agent told it to"
    return f"origin {visible_word(note.origin)}: made after reading what these tools brought"
