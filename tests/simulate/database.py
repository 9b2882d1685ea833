"""The database of a simulation: one for all of its processes, slow, busy and failing as the seed says.

1. A commit is one step: nothing happens in the middle of it. What may happen is before it and after it.
2. A process that is paused within a transaction keeps the write lock, as with SQLite.
3. A claim is attended while its drive runs in a process that lives; its beat counts while that is awake.
"""

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from simulate.process import OPERATION, Process
from treadle import MemoryStore
from treadle.core.account import Balance
from treadle.core.errors import AccountFull, StoreError
from treadle.stores.store import Row, Store, ThreadInfo, Waking

if TYPE_CHECKING:
    from simulate.simulation import Simulation

BUSY_S = 30.0
"""How long an append waits for another process's transaction."""

LAST_CALLED: ContextVar[tuple[str, int] | None] = ContextVar("last_called", default=None)
"""The place of the ModelCalled that this task has written last."""


@dataclass
class StoreFaults:
    """How often the store does what, each a chance of one operation."""

    waits: float = 0.0
    """It waits a moment before or after a commit."""
    busy: float = 0.0
    """Somebody else is at work for seconds."""
    refuses: float = 0.0
    """An error, and nothing was written."""
    breaks: float = 0.0
    """An error, after the commit."""
    read_fails: float = 0.0
    look_fails: float = 0.0
    """`version` and `last_seqs` fail."""


class Database:
    """What the processes share: rows, the write lock, who attends which claim."""

    def __init__(self, simulation: "Simulation", rows: Store | None = None) -> None:
        self.simulation = simulation
        self.rows: Any = rows or MemoryStore()
        self.faults = StoreFaults()
        self.attended: dict[str, Process] = {}
        self.has_attendance = True
        self.waits_to_the_end = True
        """An append whose caller is cancelled is written all the same, as SQLiteStore does it."""
        self.locked_by: Process | None = None
        self.has_failed = False
        self.places: dict[str, list[Process]] = {}
        """By name, who holds a place; the dead hold none."""
        self.hopeless: dict[str, bool] = {}
        """By thread, whether nobody was alive who could give it the room that it was refused."""

    def connect(self, process: Process) -> "Connection":
        if self.has_attendance:
            return AttendedConnection(self, process)
        return Connection(self, process)

    def lock(self, process: Process) -> None:
        self.locked_by = self.locked_by or process

    def release(self, process: Process) -> None:
        if self.locked_by is process:
            self.locked_by = None

    def is_attended(self, claim: str) -> bool:
        return claim in self.attended and not self.attended[claim].dead

    def find_standing(self) -> list[Process]:
        """The paused processes that hold a place."""
        return [each for held in self.places.values() for each in held if each.paused]

    def may_give_room(self, full: AccountFull) -> bool:
        """Whether time, or somebody alive, may give room in the account."""
        others = (*full.balance.holders, *full.ahead)
        return full.again_s is not None or any(self.is_attended(each.claim) for each in others)

    def meets(self, chance: float) -> bool:
        return chance > 0.0 and self.simulation.chance.random() < chance

    def fail(self, process: Process, words: str) -> StoreError:
        operation = OPERATION.get()
        if operation:
            operation.faults += 1
        self.has_failed = True
        self.simulation.note(process, f"its store fails: {words}")
        return StoreError(words)


class Connection:
    """The store as one process has it; without attendance, as on a disk that knows no locks."""

    def __init__(self, database: Database, process: Process) -> None:
        self._database = database
        self._process = process
        self.extras: dict[str, Any] = {}

    async def append(self, thread_id: str, rows: Sequence[Row]) -> None:
        if b'"ModelCalled"' in rows[-1].event:
            LAST_CALLED.set((thread_id, rows[-1].seq))
        database = self._database
        if database.locked_by is None and not database.meets(database.faults.waits):
            await self._commit(thread_id, rows)
        elif database.waits_to_the_end:
            await _wait_to_the_end(asyncio.ensure_future(self._append_slowly(thread_id, rows)))
        else:
            await self._append_slowly(thread_id, rows)

    async def _append_slowly(self, thread_id: str, rows: Sequence[Row]) -> None:
        database = self._database
        await self._wait()
        until = database.simulation.loop.time() + BUSY_S
        while database.locked_by not in (None, self._process):
            if database.simulation.loop.time() > until:
                raise database.fail(self._process, "the database is busy; nothing was written")
            await asyncio.sleep(0.05)
        await self._commit(thread_id, rows)
        await self._wait()

    async def _wait(self) -> None:
        database, chance = self._database, self._database.simulation.chance
        if database.meets(database.faults.busy):
            await asyncio.sleep(chance.uniform(0.5, 6.0))
        else:
            await asyncio.sleep(chance.choice((0.0, 0.0, 0.01, 0.2)))

    async def _commit(self, thread_id: str, rows: Sequence[Row]) -> None:
        database = self._database
        if database.meets(database.faults.refuses):
            raise database.fail(self._process, "the disk is full; nothing was written")
        try:
            await database.rows.append(thread_id, rows)
        except AccountFull as full:
            database.hopeless[thread_id] = not database.may_give_room(full)
            raise
        database.simulation.appended(self._process, thread_id, rows)
        await database.simulation.check.compare_accounts(database.rows)
        if database.meets(database.faults.breaks):
            raise database.fail(self._process, "the connection broke after the commit")

    async def read(self, thread_id: str, after_seq: int = 0) -> list[Row]:
        database = self._database
        if database.meets(database.faults.waits):
            await self._wait()
        if database.meets(database.faults.read_fails):
            raise database.fail(self._process, "the disk can't be read")
        rows: list[Row] = await database.rows.read(thread_id, after_seq)
        database.simulation.check.was_read(thread_id)
        if database.meets(database.faults.waits):
            await self._wait()
        return rows

    async def queue(self, thread_id: str, claim: str, accounts: Sequence[str]) -> None:
        await self._meet_trouble()
        if self._database.has_attendance and self._database.hopeless.get(thread_id):
            words = f"{thread_id} waits for {accounts}"
            self._database.simulation.violate("nobody waits for the dead", words)
        await self._database.rows.queue(thread_id, claim, accounts)

    async def leave_queue(self, thread_id: str, claim: str) -> None:
        await self._meet_trouble()
        await self._database.rows.leave_queue(thread_id, claim)

    async def balance(self, account: str, now: float) -> Balance:
        await self._meet_trouble()
        found: Balance = await self._database.rows.balance(account, now)
        return found

    async def _meet_trouble(self) -> None:
        database = self._database
        if database.meets(database.faults.waits):
            await self._wait()
        if database.meets(database.faults.refuses):
            raise database.fail(self._process, "the disk is full; nothing was written")

    async def threads(self, limit: int = 100, **filters: Any) -> list[ThreadInfo]:
        found: list[ThreadInfo] = await self._database.rows.threads(limit, **filters)
        return found

    def version(self) -> Any:
        database = self._database
        if database.meets(database.faults.look_fails):
            raise database.fail(self._process, "the database is busy")
        return database.rows.version()

    def last_seqs(self, thread_ids: Sequence[str]) -> dict[str, int]:
        database = self._database
        if database.meets(database.faults.look_fails):
            raise database.fail(self._process, "the database is busy")
        seqs: dict[str, int] = database.rows.last_seqs(thread_ids)
        return seqs


class TimedConnection(Connection):
    """As above, and it finds threads by their times and handles."""

    async def find_waking(self, now: float) -> list[Waking]:
        found: list[Waking] = await self._database.rows.find_waking(now)
        return found

    async def find_handle(self, handle: str) -> list[str]:
        found: list[str] = await self._database.rows.find_handle(handle)
        return found

    async def postpone(self, thread_id: str, seq: int, due: float) -> None:
        await self._database.rows.postpone(thread_id, seq, due)


class AttendedConnection(TimedConnection):
    """As above, and others see which claims its process drives."""

    @contextmanager
    def attend(self, claim: str) -> Iterator[None]:
        self._database.attended[claim] = self._process
        try:
            yield
        finally:
            self._database.attended.pop(claim, None)

    def find_beat(self, claim: str) -> int | None:
        if not self._database.is_attended(claim):
            return None
        return self._database.attended[claim].beat

    @contextmanager
    def take_place(self, name: str, most: int) -> Iterator[bool]:
        places = self._database.places.setdefault(name, [])
        is_free = sum(not each.dead for each in places) < most
        if is_free:
            places.append(self._process)
        try:
            yield is_free
        finally:
            if is_free:
                places.remove(self._process)

    def is_gone(self, claim: str) -> bool:
        return not self._database.is_attended(claim)


async def _wait_to_the_end(writing: "asyncio.Future[None]") -> None:
    """Wait for the write, also while cancelled; the cancellation is raised afterwards."""
    cancelled = False
    while not writing.done():
        try:
            await asyncio.shield(writing)
        except asyncio.CancelledError:
            cancelled = True
        except StoreError:
            break
    writing.result()
    if cancelled:
        raise asyncio.CancelledError
