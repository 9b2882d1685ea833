"""One thread's log, open: append = check, store, tell the listeners."""

import warnings
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from . import events as e
from .codec import decode_event, encode_event
from .errors import Fenced, IllegalEvent, SeqTaken
from .memory.prompt import Prompt
from .state import State, apply
from .stores.store import Row, Store
from .world import World


@dataclass(frozen=True)
class Delta:
    """A piece of the text that the model is writing. Shown, never logged: the reply will hold it all."""

    thread_id: str
    text: str


Listener = Callable[[e.Record | Delta], None]
"""Watches, and can't steer: what it returns or raises changes nothing."""


class Log:
    """The records so far, and what was worked out from them: `state` and `prompt` are never ahead of the store."""

    def __init__(self, thread_id: str, store: Store, world: World, listeners: Iterable[Listener] = ()) -> None:
        self.thread_id = thread_id
        self.world = world
        self.records: list[e.Record] = []
        self.state = State()
        self.prompt = Prompt()
        self._store = store
        self._listeners = tuple(listeners)

    async def refresh(self) -> None:
        """Take in what others have appended. Raises StoreDamaged or IllegalEvent for a log that can't be."""
        for row in await self._store.read(self.thread_id, self.state.seq):
            record = e.Record(self.thread_id, row.seq, row.at, decode_event(row.event))
            self.state = apply(self.state, record)
            self._keep(record)

    async def append(self, *events: e.Event) -> None:
        """Write these facts, all or none, then tell the listeners. Raises IllegalEvent, Fenced or a StoreError.

        If another process has written in between (an approval, a cancel), its records are taken in first.
        """
        while True:
            records, state = self._checked(events)
            try:
                await self._store.append(self.thread_id, [Row(r.seq, r.at, encode_event(r.event)) for r in records])
                break
            except SeqTaken:
                await self._overtaken()
        self.state = state
        for record in records:
            self._keep(record)
        for record in records:
            self.tell(record)

    def tell(self, what: e.Record | Delta) -> None:
        for listener in self._listeners:
            try:
                listener(what)
            except Exception as error:  # a watcher's fault is its own
                warnings.warn(f"listener {listener!r} raised {error!r}; the turn goes on", RuntimeWarning, stacklevel=2)

    def _checked(self, events: Iterable[e.Event]) -> tuple[list[e.Record], State]:
        state, at = self.state, self.world.now()
        records: list[e.Record] = []
        for event in events:
            records.append(e.Record(self.thread_id, state.seq + 1, at, event))
            state = apply(state, records[-1])
        return records, state

    def _keep(self, record: e.Record) -> None:
        self.records.append(record)
        self.prompt.add(record)

    async def _overtaken(self) -> None:
        worker, ended = self.state.worker, self.state.phase == "idle"
        await self.refresh()
        if worker and self.state.worker != worker:
            raise Fenced(
                f"another process ({self.state.worker}) drives thread {self.thread_id} now; this one has stopped"
            )
        if self.state.phase == "idle" and not ended:
            raise Fenced(f"another process has ended this turn of thread {self.thread_id}; this one has stopped")


async def opened(thread_id: str, store: Store, world: World, listeners: Iterable[Listener] = ()) -> Log:
    """The thread's log with all its records; an empty one where there is no such thread."""
    log = Log(thread_id, store, world, listeners)
    try:
        await log.refresh()
    except IllegalEvent as error:
        raise IllegalEvent(f"thread {thread_id} can't be read on: {error}") from error
    return log
