"""`treadle notes`: notes that last across threads."""

from collections.abc import Iterable, Sequence

import msgspec

from ..core.errors import TreadleError, UsageError
from ..core.events import UserSaid
from ..notes.local_embedder import find_local_embedder
from ..notes.note import Note, WriteResult, check_scope, expiry_time, is_live
from ..notes.note_store import NoteStore, note_store_for
from ..notes.notes import Notes
from ..notes.search import Found, Query
from ..notes.search import search as search_notes
from ..observe.visible import make_visible, visible_line, visible_word
from ..runtime.agent import Agent
from ..runtime.local_time import format_time
from ..runtime.sync import run_sync
from ..runtime.world import World
from ..stores.open_store import open_store
from .agents import choose_store, make_agent
from .atomic_file import write_atomically
from .note_options import (
    AddNoteOptions,
    ExportNotesOptions,
    ExtractNotesOptions,
    ForgetNoteOptions,
    ListNotesOptions,
    SearchNotesOptions,
)
from .options import StoreOptions
from .session import Session, read_records
from .tables import format_table
from .terminal import Screen, print_json, print_line
from .threads import resolve_thread

LONG_AGO = float("-inf")


def list_notes(settings: ListNotesOptions) -> int:
    """List the valid notes, the newest first."""
    now = World().now()
    found = _read_notes(settings, settings.scope, None if settings.all else now)
    _print_notes(found, settings.json, now)
    if not found:
        Screen().note("there is no note yet", "dim")
    return 0


def search(settings: SearchNotesOptions) -> int:
    """Search the valid notes, the best match first; by meaning too with the extra `embeddings`."""
    now = World().now()
    query = Query(" ".join(settings.words), _scopes(settings.scope), now, settings.limit)
    found = Found(())
    if _exists(settings):
        found = run_sync(search_notes(_open_notes(settings), find_local_embedder(), query))
    _print_notes([hit.note for hit in found.hits], settings.json, now)
    if found.fallback_reason:
        Screen().note(make_visible(found.fallback_reason), "yellow")
    if not found.hits:
        Screen().note("no note has to do with these words", "dim")
    return 0


def add(settings: AddNoteOptions) -> int:
    """Add a note for later conversations; its id goes to standard output."""
    store = _open_notes(settings)
    now = World().now()
    if settings.replaces and run_sync(store.get(settings.replaces)) is None:
        raise UsageError(f"there is no note {settings.replaces!r}; see treadle notes list")
    ends = expiry_time(now, settings.days)
    note = Note("", settings.text, settings.scope, settings.about, at=now, expires_at=ends)
    placed = run_sync(store.write(note, key=World().new_id(), now=now, replaces=settings.replaces))
    print_line(visible_word(placed.note.id))
    _report_changes(placed)
    return 0


def forget(settings: ForgetNoteOptions) -> int:
    """Delete a note for good. The thread that it came from keeps what was said."""
    prefix = settings.note or " "
    found = [note for note in _read_notes(settings, None, None) if note.id.startswith(prefix)]
    if len(found) != 1:
        many = f"{len(found)} notes begin with" if found else "there is no note"
        raise UsageError(f"{many} {settings.note!r}; see treadle notes list --all")
    run_sync(_open_notes(settings).forget(found[0].id))
    Screen().note(f"forgotten: {_format_note(found[0])}")
    return 0


def export(settings: ExportNotesOptions) -> int:
    """Write all notes as JSON Lines, with those that were replaced or have expired."""
    notes = _read_notes(settings, settings.scope, None)
    lines = [msgspec.json.encode(note) for note in reversed(notes)]
    if settings.output is None:
        for line in lines:
            print_json(line)
        return 0
    with write_atomically(settings.output) as out:
        out.writelines(line + b"\n" for line in lines)
    Screen().note(f"{len(lines):,} notes in {make_visible(str(settings.output))}")
    return 0


def extract(settings: ExtractNotesOptions) -> int:
    """Let the model of these options find notes in a thread that will matter in others."""
    from ..notes.extraction import extract_notes
    from .load_model import load_model

    agent = make_agent(settings, False)
    store = open_store(agent.store)
    thread_id = resolve_thread(store, settings.thread)
    notes = Notes(note_store_for(store), scopes=(), scope=settings.scope)
    found = run_sync(extract_notes(load_model(agent, Screen()), thread_id, notes))
    _print_notes([placed.note for placed in found.written], settings.json, LONG_AGO)
    for placed in found.written:
        _report_changes(placed)
    parts = [f"{len(found.written)} notes from thread {visible_line(thread_id, 200)}"]
    if found.dropped:
        parts.append(f"{found.dropped} dropped: they named no part of it")
    if found.left_out:
        parts.append(f"its oldest {found.left_out} parts had no room")
    Screen().note("; ".join(parts))
    return 0


def extract_after_chat(session: Session) -> None:
    """Let an agent with notes find some in the conversation that has ended. Ctrl-C skips it."""
    from ..notes.extraction import extract_notes

    agent = session.agent
    if not (isinstance(agent, Agent) and agent.notes):
        return
    log = run_sync(read_records(agent, session.thread_id))
    if not any(isinstance(record.event, UserSaid) for record in log):
        return
    session.screen.notice("looking for what to note; Ctrl-C leaves it…")
    try:
        found = run_sync(extract_notes(agent, session.thread_id))
    except KeyboardInterrupt:
        session.screen.note(
            f"not done; later: treadle notes extract {visible_line(session.thread_id, 200)}",
            "yellow",
        )
    except TreadleError as error:
        session.screen.note(f"no notes were made: {make_visible(str(error))}", "yellow")
    else:
        session.screen.end_line()
        for placed in found.written:
            session.screen.note(
                f"noted {visible_word(placed.note.id)}: {visible_line(placed.note.text, 200)}",
                "dim",
            )


def _open_notes(settings: StoreOptions) -> NoteStore:
    return note_store_for(choose_store(settings))


def _exists(settings: StoreOptions) -> bool:
    """Whether there is a database: reading notes must not create one."""
    path = _open_notes(settings).path
    return path is not None and path.exists()


def _read_notes(settings: StoreOptions, scope: str | None, now: float | None) -> list[Note]:
    """The notes of a scope, or of all; those that are valid now, or all with None."""
    scopes = _scopes(scope)
    if not _exists(settings):
        return []
    return run_sync(_open_notes(settings).notes(scopes, now))


def _scopes(scope: str | None) -> list[str] | None:
    if scope is None:
        return None
    return [check_scope(scope)]


def _print_notes(notes: Sequence[Note], as_json: bool, now: float) -> None:
    if as_json:
        for note in notes:
            print_json(msgspec.json.encode(note))
    elif notes:
        print_line(format_table([_row(note, now) for note in notes]))


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


def _report_changes(placed: WriteResult) -> None:
    """Say which other notes have changed, or why the note was not added."""
    others: dict[str, Iterable[Note]] = {
        "it takes the place of": placed.replaced,
        "it contradicts": placed.contradicts,
    }
    note_id = visible_word(placed.note.id)
    for words, notes in others.items():
        for note in notes:
            Screen().note(f"{note_id}: {words} {_format_note(note)}", "yellow")
    if placed.outcome != "added":
        Screen().note(f"{note_id}: {_OUTCOMES[placed.outcome]}", "dim")


def _format_note(note: Note) -> str:
    """Id and text, safe to show: an imported note may contain anything."""
    return f"{visible_word(note.id)} {visible_line(note.text, 200)}"


_OUTCOMES = {
    "refreshed": "was noted already; it has the newer date now",
    "known": "was noted already",
    "outdated": "a newer note has taken its place already",
}
