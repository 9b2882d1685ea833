"""`treadle notes`: notes that last across threads."""

from dataclasses import dataclass
from pathlib import Path

import msgspec

from ..core.errors import TreadleError, UsageError
from ..core.events import UserSaid
from ..core.visible import make_visible, visible_line, visible_word
from ..notes.local_embedder import find_local_embedder
from ..notes.note import Note, expiry_time
from ..notes.note_store import note_store_for
from ..notes.notes import Notes
from ..notes.search import Found, Query
from ..notes.search import search as search_notes
from ..runtime.agent import Agent
from ..runtime.sync import run_sync
from ..runtime.world import World
from ..stores.open_store import open_store
from .agents import make_agent
from .atomic_file import write_atomically
from .note_lookup import (
    DAYS,
    NOTE_ID,
    find_note,
    format_note,
    has_notes,
    list_scopes,
    open_notes,
    print_notes,
    read_notes,
    report_changes,
)
from .options import JSON, AgentOptions, StoreOptions, name_thread
from .parameters import make_argument, make_flag, make_option
from .session import Session, read_records
from .terminal import Screen, print_json, print_line
from .threads import resolve_thread

LONG_AGO = float("-inf")

_SCOPES = "user, user:NAME, project:NAME or agent:NAME."
_OF_SCOPE = f"Only of this scope: {_SCOPES}"
_INTO_SCOPE = f"Whom it is about: {_SCOPES}"


@dataclass(frozen=True, kw_only=True)
class ListNotesOptions(StoreOptions):
    scope: str | None = make_option("SCOPE", _OF_SCOPE)
    all: bool = make_flag("Also those that were replaced or have expired.")
    json: bool = make_flag(JSON)


@dataclass(frozen=True, kw_only=True)
class SearchNotesOptions(StoreOptions):
    words: list[str] = make_argument("WORDS", "What to look for.")
    scope: str | None = make_option("SCOPE", _OF_SCOPE)
    limit: int = make_option("N", "At most so many.", 5, short="-n", min=1)
    json: bool = make_flag(JSON)


@dataclass(frozen=True, kw_only=True)
class AddNoteOptions(StoreOptions):
    text: str = make_argument("TEXT", "One fact or decision, complete in itself.")
    scope: str = make_option("SCOPE", _INTO_SCOPE, "user")
    about: str = make_option("WORD", "What it is about; what else is about it is shown.", "")
    days: float | None = make_option("N", DAYS)
    replaces: str = make_option("ID", "The note that it replaces.", "")


@dataclass(frozen=True, kw_only=True)
class ForgetNoteOptions(StoreOptions):
    note: str = make_argument("ID", NOTE_ID)


@dataclass(frozen=True, kw_only=True)
class ExportNotesOptions(StoreOptions):
    scope: str | None = make_option("SCOPE", _OF_SCOPE)
    output: Path | None = make_option("FILE", "Else to standard output.", short="-o")


@dataclass(frozen=True, kw_only=True)
class ExtractNotesOptions(AgentOptions):
    thread: str = name_thread()
    scope: str = make_option("SCOPE", _INTO_SCOPE, "user")
    json: bool = make_flag(JSON)


def list_notes(settings: ListNotesOptions) -> int:
    """List the valid notes, the newest first."""
    now = World().now()
    found = read_notes(settings, settings.scope, None if settings.all else now)
    print_notes(found, settings.json, now)
    if not found:
        Screen().note("there is no note yet", "dim")
    return 0


def search(settings: SearchNotesOptions) -> int:
    """Search the valid notes, the best match first; by meaning too with the extra `embeddings`."""
    now = World().now()
    query = Query(" ".join(settings.words), list_scopes(settings.scope), now, settings.limit)
    found = Found(())
    if has_notes(settings):
        found = run_sync(search_notes(open_notes(settings), find_local_embedder(), query))
    print_notes([hit.note for hit in found.hits], settings.json, now)
    if found.fallback_reason:
        Screen().note(make_visible(found.fallback_reason), "yellow")
    if not found.hits:
        Screen().note("no note has to do with these words", "dim")
    return 0


def add(settings: AddNoteOptions) -> int:
    """Add a note for later conversations; its id goes to standard output."""
    store = open_notes(settings)
    now = World().now()
    replaces = ""
    if settings.replaces:
        replaces = _find_replaced(settings).id
    ends = expiry_time(now, settings.days)
    note = Note("", settings.text, settings.scope, settings.about, at=now, expires_at=ends)
    placed = run_sync(store.write(note, key=World().new_id(), now=now, replaces=replaces))
    print_line(visible_word(placed.note.id))
    report_changes(placed)
    return 0


def _find_replaced(settings: AddNoteOptions) -> Note:
    old = find_note(settings, settings.replaces)
    if old.scope != settings.scope:
        raise UsageError(
            f"note {old.id} is of the scope {old.scope}; a note replaces one of its own scope: add"
            f" --scope {old.scope}"
        )
    return old


def forget(settings: ForgetNoteOptions) -> int:
    """Delete a note for good. The thread that it came from keeps what was said."""
    note = find_note(settings, settings.note)
    run_sync(open_notes(settings).forget(note.id))
    Screen().note(f"forgotten: {format_note(note)}")
    return 0


def export(settings: ExportNotesOptions) -> int:
    """Write all notes as JSON Lines, with those that were replaced or have expired."""
    notes = read_notes(settings, settings.scope, None)
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
    notes = Notes(note_store_for(store), scope=settings.scope)
    found = run_sync(extract_notes(load_model(agent, Screen()), thread_id, notes))
    print_notes([placed.note for placed in found.written], settings.json, LONG_AGO)
    for placed in found.written:
        report_changes(placed)
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
