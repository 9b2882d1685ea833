"""An agent's notes: where they are kept, whose it reads, where it writes, and how much of them goes into a prompt."""

from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass, replace
from functools import cached_property

from ..core.errors import UsageError
from ..core.events import NotesRecalled
from ..core.tool import Tool
from ..runtime.world import World
from ..stores.store import Store
from .note import Note, WriteResult, check_scope
from .note_store import NoteStore, note_store_for
from .recalled import Recalled, fit_notes
from .search import Found, Query, search
from .vectors import Embedder

MAX_RECALLED = 8
"""How many notes are looked at for the front of a thread."""


@dataclass(frozen=True)
class Notes:
    """Settings; it costs nothing to make, and many agents may share one."""

    at: NoteStore | None = None
    """None: in the file where the agent keeps its threads."""
    _: KW_ONLY
    embedder: Embedder | None = None
    """A model of meaning. None: notes are found by their words."""
    scopes: Sequence[str] = ("user",)
    """Whose notes are read."""
    scope: str = "user"
    """Where a note goes that names no other scope. It is read too."""
    budget_tokens: int = 400
    world: World = World()

    def __post_init__(self) -> None:
        if isinstance(self.scopes, str):
            raise UsageError(f"scopes= takes a list, such as [{self.scopes!r}]")
        for scope in self.readable_scopes:
            check_scope(scope)

    def bind(self, store: Store, world: World) -> "Notes":
        """These settings for an agent that keeps its threads there. Raises UsageError where that has no file."""
        return replace(self, at=self.at or note_store_for(store), world=world)

    @cached_property
    def store(self) -> NoteStore:
        return self.at or NoteStore()

    @property
    def readable_scopes(self) -> tuple[str, ...]:
        """The scopes that are read, each once."""
        return tuple(dict.fromkeys((*self.scopes, self.scope)))

    async def search(self, query: str, limit: int = 5) -> Found:
        """The best notes for a text, and in what they are good. Raises UsageError."""
        return await search(
            self.store, self.embedder, Query(query, self.readable_scopes, self.world.now(), limit)
        )

    async def recall(self, query: str, budget_tokens: int | None = None) -> Recalled:
        """What goes in front of a thread that begins with this text, within so many tokens (None: `budget_tokens`)."""
        found = await self.search(query, MAX_RECALLED)
        budget = self.budget_tokens if budget_tokens is None else budget_tokens
        return fit_notes((hit.note for hit in found.hits), budget, found.fallback_reason)

    async def recall_event(self, text: str) -> NotesRecalled | None:
        """What a thread that begins with this text is told of the notes; None where none has to do with it."""
        found = await self.recall(text)
        return (
            NotesRecalled(tuple(note.id for note in found.notes), found.text)
            if found.text
            else None
        )

    async def write(self, note: Note, *, key: str, replaces: str = "") -> WriteResult:
        """Keep a note, once for each key. Raises UsageError for what can't be a note."""
        return await self.store.write(note, key=key, now=self.world.now(), replaces=replaces)

    def tools(self, store: Store) -> list[Tool]:
        """The tools that keep and find these notes, for an agent that keeps its threads in `store`."""
        from .note_tools import note_tools  # it needs Notes, so it can't be imported above

        return note_tools(self, store)
