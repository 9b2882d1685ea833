"""One thread's log, open: append = check, store, tell the listeners."""

import asyncio
from collections.abc import Sequence

from ..core import events as e
from ..core.codec import decode_event, encode_event
from ..core.context import ParentContext
from ..core.errors import Fenced, IllegalEvent, SeqTaken, StoreDamaged, UnknownThread
from ..core.prompt import Prompt
from ..core.state import State, apply
from ..stores.store import Row, Store
from .listeners import Delta, Listener
from .world import World


class Log:
    """The records so far, and what was worked out from them: `state` and `prompt` are never ahead of the store."""

    def __init__(self, thread_id: str, store: Store, world: World) -> None:
        self.thread_id = thread_id
        self.world = world
        self.records: list[e.Record] = []
        self.state = State()
        self.prompt = Prompt()
        self.listeners: tuple[Listener, ...] = ()
        """Called on the loop's own thread: they must be quick and raise nothing (see listeners.BackgroundListener)."""
        self.lost = ""
        """Why whoever drives by this log must stop: another process has taken the thread, or ended its turn."""
        self.below = False
        """Whoever drives it here does so for a thread above it."""
        self.store = store
        self._claim = ""
        self._writing = asyncio.Lock()

    async def refresh(self) -> None:
        """Take in what others have appended. Raises StoreDamaged or IllegalEvent for a log that can't be."""
        async with self._writing:
            await self._take_in()

    async def append(self, *events: e.Event, after: int | None = None) -> None:
        """Write these facts, all or none, then tell the listeners. Raises IllegalEvent, Fenced or a StoreError.

        If another process has written in between (an approval, say), its records are taken in first. Facts that were
        decided by a state say which one, by its seq in `after`: then SeqTaken is raised instead, to decide again.
        """
        async with self._writing:
            while True:
                if self.lost:
                    raise Fenced(self.lost)
                if after is not None and after != self.state.seq:
                    raise SeqTaken(
                        f"record {after} is no longer the last of thread {self.thread_id}"
                    )
                records, state = self._checked(events)
                try:
                    await self.store.append(
                        self.thread_id, [Row(r.seq, r.at, encode_event(r.event)) for r in records]
                    )
                    break
                except SeqTaken:
                    before = self.state.seq
                    await self._take_in()
                    if self.state.seq == before:  # or this would go round for ever
                        raise StoreDamaged(
                            f"thread {self.thread_id} has lost records that were written"
                        ) from None
            for event in events:
                if isinstance(event, e.ThreadClaimed):
                    self._claim = event.worker
            self._keep(records, state)

    def show(self, text: str) -> None:
        """Tell the listeners of a piece of text that the model is writing. Nothing is written."""
        self.tell(Delta(self.thread_id, text))

    def tell(self, what: e.Record | Delta) -> None:
        for listener in self.listeners:
            listener(what)

    def _checked(self, events: Sequence[e.Event]) -> tuple[list[e.Record], State]:
        state, at = self.state, self.world.now()
        records: list[e.Record] = []
        for event in events:
            records.append(e.Record(self.thread_id, state.seq + 1, at, event))
            state = apply(state, records[-1])
        return records, state

    def _keep(self, records: list[e.Record], state: State) -> None:
        self.state = state
        self.records += records
        for record in records:
            self.prompt.add(record)
        for record in records:
            self.tell(record)

    async def _take_in(self) -> None:
        rows = await self.store.read(self.thread_id, self.state.seq)
        if not rows:
            return
        state = self.state
        records = [
            e.Record(self.thread_id, row.seq, row.at, decode_event(row.event)) for row in rows
        ]
        for record in records:
            state = apply(state, record)
        if self._claim and state.worker != self._claim:
            self.lost = f"another process drives thread {self.thread_id} now; this one has stopped"
        elif self._claim and any(isinstance(record.event, e.TurnEnded) for record in records):
            self.lost = (
                f"this turn of thread {self.thread_id} was ended from elsewhere; it has stopped"
            )
        self._keep(records, state)


async def open_child_log(above: ParentContext) -> Log:
    """The log of the thread that works for another, which hears of it; to be driven for that one."""
    log = await open_log(above.child.thread_id, above.store, above.world, [above.tell])
    log.below = True
    return log


async def require_log(thread_id: str, store: Store, world: World) -> Log:
    """As `opened`, of a thread that is there. Raises UnknownThread."""
    log = await open_log(thread_id, store, world)
    if not log.records:
        raise UnknownThread(f"there is no thread {thread_id!r} in this store")
    return log


async def open_log(
    thread_id: str, store: Store, world: World, listeners: Sequence[Listener] = ()
) -> Log:
    """The thread's log with all its records; an empty one where there is no such thread. Listeners hear what is new."""
    log = Log(thread_id, store, world)
    try:
        await log.refresh()
    except IllegalEvent as error:
        raise IllegalEvent(f"thread {thread_id} can't be read on: {error}") from error
    log.listeners = tuple(listeners)
    return log
