"""What an agent asks of its long-term notes; `treadle.Notes` implements it."""

from collections.abc import Sequence
from typing import Protocol

from ..core.events import NotesRecalled
from ..core.tool import Tool
from ..stores.store import Store
from .world import World


class AgentNotes(Protocol):
    """Notes that outlive a thread."""

    def bind(self, store: Store, world: World) -> "AgentNotes":
        """These notes, for an agent that keeps its threads in `store`.

        Raises UsageError where they have no place of their own and can't be kept there.
        """
        ...

    async def recall_event(self, text: str) -> NotesRecalled | None:
        """The notes to put before a thread that begins with this text; None where none fits."""
        ...

    def tools(self, store: Store) -> Sequence[Tool]:
        """The tools that keep and find notes, for an agent that keeps its threads in `store`."""
        ...

    async def forget_threads(self, threads: Sequence[str], beside: Store, *, keep: bool) -> int:
        """Forget the notes made from these threads, and say how many; or `keep` them without the
        threads' names. Those kept in a file `beside` threads are left to their store."""
        ...
