"""An agent's notes: where they are stored, which scopes it reads and writes, and their budget."""

from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass, replace
from functools import cached_property

from ..core.check_settings import check_kind, check_whole_number
from ..core.errors import UsageError
from ..core.events import NotesRecalled
from ..core.name_kind import name_kind
from ..core.taint import join_labels
from ..core.tool import Tool
from ..runtime.world import World
from ..stores.sqlite import SQLiteStore
from ..stores.store import Store
from .embedder import Embedder
from .note import Note, WriteResult, check_scope
from .note_store import NoteStore, note_store_for
from .recalled import Recalled, fit_notes
from .search import Found, Query, search

MAX_RECALLED = 8
"""How many notes are looked at for the front of a thread."""


@dataclass(frozen=True)
class Notes:
    """Settings; it costs nothing to make, and many agents may share one."""

    at: NoteStore | None = None
    """None: in the file where the agent keeps its threads."""
    _: KW_ONLY
    embedder: Embedder | None = None
    """An embedding model. None: notes are found by their words alone."""
    scopes: Sequence[str] = ()
    """The scopes that are read; (): only `scope`."""
    scope: str = "user"
    """The scope of notes that name no other: one of those that are read."""
    budget_tokens: int = 400
    world: World = World()

    def __post_init__(self) -> None:
        if isinstance(self.scopes, str):
            raise UsageError(f"scopes= takes a list, such as [{self.scopes!r}]")
        if self.at is not None:
            check_kind("Notes(at)", self.at, NoteStore, 'NoteStore("notes.db"), or None')
        is_embedder = callable(getattr(self.embedder, "embed", None))
        if self.embedder is not None and (isinstance(self.embedder, type) or not is_embedder):
            raise UsageError(f"Notes(embedder=) is {name_kind(self.embedder)}; give one, or None")
        for scope in (*self.scopes, self.scope):
            check_scope(scope)
        if self.scope not in self.readable_scopes:
            raise UsageError(
                f"Notes(scope=) is {self.scope!r}, which isn't among the scopes that are read; say"
                f" where new notes go: scope={next(iter(self.scopes))!r}"
            )
        check_whole_number("Notes(budget_tokens", self.budget_tokens)

    def bind(self, store: Store, world: World) -> "Notes":
        """These settings, with the notes kept beside an agent's threads if `at` is None.

        Raises UsageError if that store has no file.
        """
        return replace(self, at=self.at or note_store_for(store), world=world)

    @cached_property
    def store(self) -> NoteStore:
        return self.at or note_store_for(None)

    @property
    def readable_scopes(self) -> tuple[str, ...]:
        """The scopes that are read, each once."""
        return tuple(dict.fromkeys(self.scopes)) or (self.scope,)

    async def search(self, query: str, limit: int = 5) -> Found:
        """The best notes for a text, with their scores. Raises UsageError."""
        return await self._search(query, limit, guess=True)

    async def _search(self, query: str, limit: int, guess: bool) -> Found:
        now = self.world.now()
        asked = Query(query, self.readable_scopes, now, limit, guess)
        return await search(self.store, self.embedder, asked)

    async def recall(self, query: str, budget_tokens: int | None = None) -> Recalled:
        """The notes for the front of a thread that begins with this text.

        They fit into `budget_tokens`; None means this object's own budget.
        """
        if budget_tokens is None:
            budget_tokens = self.budget_tokens
        found = await self._search(query, MAX_RECALLED, guess=False)
        notes = [hit.note for hit in found.hits]
        oldest = [hit.note for hit in found.oldest_first]
        return fit_notes(notes, budget_tokens, found.fallback_reason, oldest)

    async def recall_event(self, text: str) -> NotesRecalled | None:
        """The event that puts notes at the front of a thread that begins with this text.

        None if no note has to do with it.
        """
        found = await self.recall(text)
        if not found.text:
            return None
        labels = join_labels(note.labels for note in found.notes)
        return NotesRecalled(tuple(note.id for note in found.notes), found.text, labels)

    async def write(self, note: Note, *, key: str, replaces: str = "") -> WriteResult:
        """Save a note, once for each key. Raises UsageError if the note isn't valid."""
        return await self.store.write(note, key=key, now=self.world.now(), replaces=replaces)

    async def forget_threads(self, threads: Sequence[str], beside: Store, *, keep: bool) -> int:
        """Forget the notes made from these threads, and say how many; or `keep` them without the
        threads' names. Nothing is done where they are kept in the file of the store `beside`."""
        if isinstance(beside, SQLiteStore) and self.store.path == beside.path:
            return 0
        if getattr(beside, "extras", {}).get("notes") is self.store:
            return 0
        return await self.store.forget_threads(threads, keep=keep)

    def tools(self, store: Store) -> list[Tool]:
        """The tools for these notes, for an agent that keeps its threads in `store`."""
        from .note_tools import note_tools  # note_tools imports this module

        return note_tools(self, store)
