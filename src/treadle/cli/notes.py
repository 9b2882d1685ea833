"""`treadle memory`: the notes that last across threads."""

from collections.abc import Iterable, Sequence

import msgspec

from ..core.errors import TreadleError, UsageError
from ..core.events import UserSaid
from ..notes.local_embedder import find_local_embedder
from ..notes.note import Note, WriteResult, check_scope, expiry_time, is_live
from ..notes.note_store import NoteStore, note_store_for
from ..notes.notes import Notes
from ..notes.search import Found, Query
from ..notes.search import search as searched
from ..observe.visible import make_visible, visible_line, visible_word
from ..runtime.agent import Agent
from ..runtime.sync import run_sync
from ..runtime.world import World
from .agents import choose_store, make_agent
from .atomic_file import write_atomically
from .note_options import AddNote, ExportNotes, ExtractNotes, ForgetNote, ListNotes, SearchNotes
from .options import InStore
from .session import Session, read_records
from .tables import format_table, format_time
from .terminal import Screen, print_json, print_line
from .threads import resolve_thread

LONG_AGO = float("-inf")


def list_notes(settings: ListNotes) -> int:
    """The notes that hold, the newest first."""
    now = World().now()
    found = _all(settings, settings.scope, None if settings.all else now)
    _show(found, settings.json, now)
    if not found:
        Screen().note("there is no note yet", "dim")
    return 0


def search(settings: SearchNotes) -> int:
    """Notes that hold and have to do with these words, the best first; by meaning too with the extra `embeddings`."""
    now = World().now()
    query = Query(" ".join(settings.words), _scopes(settings.scope), now, settings.limit)
    found = (
        run_sync(searched(_notes(settings), find_local_embedder(), query))
        if _there(settings)
        else Found(())
    )
    _show([hit.note for hit in found.hits], settings.json, now)
    if found.fallback_reason:
        Screen().note(make_visible(found.fallback_reason), "yellow")
    if not found.hits:
        Screen().note("no note has to do with these words", "dim")
    return 0


def add(settings: AddNote) -> int:
    """Note something for later conversations; its id is on standard output."""
    store, now = _notes(settings), World().now()
    if settings.replaces and run_sync(store.get(settings.replaces)) is None:
        raise UsageError(f"there is no note {settings.replaces!r}; see treadle memory list")
    ends = expiry_time(now, settings.days)
    note = Note("", settings.text, settings.scope, settings.about, at=now, expires_at=ends)
    placed = run_sync(store.write(note, key=World().new_id(), now=now, replaces=settings.replaces))
    print_line(visible_word(placed.note.id))
    _say(placed)
    return 0


def forget(settings: ForgetNote) -> int:
    """Delete a note for good. What was said stays in the thread where it was said."""
    found = [
        note for note in _all(settings, None, None) if note.id.startswith(settings.note or " ")
    ]
    if len(found) != 1:
        many = f"{len(found)} notes begin with" if found else "there is no note"
        raise UsageError(f"{many} {settings.note!r}; see treadle memory list --all")
    run_sync(_notes(settings).forget(found[0].id))
    Screen().note(f"forgotten: {_named(found[0])}")
    return 0


def export(settings: ExportNotes) -> int:
    """All notes as JSON Lines, a note a line, also those that were replaced or have expired."""
    lines = [msgspec.json.encode(note) for note in reversed(_all(settings, settings.scope, None))]
    if settings.output is None:
        for line in lines:
            print_json(line)
        return 0
    with write_atomically(settings.output) as out:
        out.writelines(line + b"\n" for line in lines)
    Screen().note(f"{len(lines):,} notes in {make_visible(str(settings.output))}")
    return 0


def extract(settings: ExtractNotes) -> int:
    """Look through a thread for what will matter in others, with the model of these options, and note it."""
    from ..notes.extraction import extract_notes
    from .loading import load_model

    agent = make_agent(settings, False)
    assert agent.store
    thread_id = resolve_thread(agent.store, settings.thread)
    notes = Notes(note_store_for(agent.store), scopes=(), scope=settings.scope)
    found = run_sync(extract_notes(load_model(agent, Screen()), thread_id, notes))
    _show([placed.note for placed in found.written], settings.json, LONG_AGO)
    for placed in found.written:
        _say(placed)
    parts = [f"{len(found.written)} notes from thread {visible_line(thread_id, 200)}"]
    parts += [f"{found.dropped} dropped: they named no part of it"] if found.dropped else []
    parts += [f"its oldest {found.left_out} parts had no room"] if found.left_out else []
    Screen().note("; ".join(parts))
    return 0


def extract_after_chat(session: Session) -> None:
    """At a conversation's end, for an agent with notes: what will matter in others. Ctrl-C leaves it for later."""
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
            f"not done; later: treadle memory extract {visible_line(session.thread_id, 200)}",
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


def _notes(settings: InStore) -> NoteStore:
    return note_store_for(choose_store(settings))


def _there(settings: InStore) -> bool:
    """Whether there is a database; looking for notes makes none."""
    path = _notes(settings).path
    return path is not None and path.exists()


def _all(settings: InStore, scope: str | None, now: float | None) -> list[Note]:
    scopes = _scopes(scope)
    return run_sync(_notes(settings).notes(scopes, now)) if _there(settings) else []


def _scopes(scope: str | None) -> list[str] | None:
    return None if scope is None else [check_scope(scope)]


def _show(notes: Sequence[Note], as_json: bool, now: float) -> None:
    if as_json:
        for note in notes:
            print_json(msgspec.json.encode(note))
    elif notes:
        print_line(format_table([_row(note, now) for note in notes]))


def _row(note: Note, now: float) -> tuple[str, ...]:
    about = f"{note.about}: " if note.about else ""
    return (
        note.id,
        format_time(note.at),
        note.scope,
        note.origin,
        f"{about}{note.text}{_fate(note, now)}",
    )


def _fate(note: Note, now: float) -> str:
    if note.replaced_by:
        return f" (until {format_time(note.replaced_at or 0.0)}: replaced by {note.replaced_by})"
    if note.expires_at is None:
        return ""
    return f" ({'until' if is_live(note, now) else 'expired'} {format_time(note.expires_at)})"


def _say(placed: WriteResult) -> None:
    """What else has changed, or hasn't."""
    said: dict[str, Iterable[Note]] = {
        "it takes the place of": placed.replaced,
        "it contradicts": placed.contradicts,
    }
    note_id = visible_word(placed.note.id)
    for words, notes in said.items():
        for note in notes:
            Screen().note(f"{note_id}: {words} {_named(note)}", "yellow")
    if placed.outcome != "added":
        Screen().note(f"{note_id}: {_OUTCOMES[placed.outcome]}", "dim")


def _named(note: Note) -> str:
    """Its id and text, for a terminal; a file that somebody hands over may have any."""
    return f"{visible_word(note.id)} {visible_line(note.text, 200)}"


_OUTCOMES = {
    "refreshed": "was noted already; it has the newer date now",
    "known": "was noted already",
    "outdated": "a newer note has taken its place already",
}
