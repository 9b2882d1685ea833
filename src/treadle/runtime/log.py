"""One thread's log, open: an append is checked, stored, then told to the listeners."""

import asyncio
from collections.abc import Mapping, Sequence

from ..core import events as e
from ..core.deferred import waits_for_people
from ..core.errors import Fenced, IllegalEvent, SeqTaken, Stopped, StoreDamaged, ThreadDeleted
from ..core.limits import Ceiling
from ..core.prompt import Prompt
from ..core.state import State
from ..stores.group_commit import wait_to_the_end
from ..stores.rows import from_rows
from ..stores.store import Row, Store
from .account import Idle, Payers
from .listeners import Delta, Listener
from .make_rows import make_rows
from .one_turn import read_on
from .step_ids import refuse_in_flow
from .thread_name import check_thread_name, refuse_reserved
from .world import World


class Log:
    """A thread's records, with the state and the prompt that follow from them.

    All three hold only what is in the store: they change after a write, never before.
    """

    def __init__(self, thread_id: str, store: Store, world: World) -> None:
        self.thread_id = thread_id
        self.world = world
        self.decides_at = world.now
        """The time by which its driver decides what to do next."""
        self.records: list[e.Record] = []
        self.state = State()
        self._prompt = Prompt()
        self.listeners: tuple[Listener, ...] = ()
        """Called in the event loop's thread: they must be quick and raise nothing.
        `listeners.BackgroundListener` makes one of any others."""
        self.lost_reason = ""
        """Why whoever drives with this log must stop; "" while it need not.

        Another process has taken the thread, has ended its turn or has deleted it.
        """
        self.is_deleted = False
        self.turn_seq = 0
        """Of the one turn that it is read for: nothing after that is taken in. 0: all is."""
        self.above: Log | None = None
        """Its parent's log, while it is driven as a part of that one's turn."""
        self.lets_go = False
        """Whether a cancellation of its driver leaves the turn open, instead of ending it."""
        self.stop_asked = asyncio.Event()
        """Set when its driver is to begin nothing new."""
        self.paid_by = Payers()
        """What pays for its model calls besides its own limits."""
        self.store = store
        self._drives = False
        """False while it only reads and posts."""
        self.own_claim = ""
        """The claim under which its driver works: another one in the log means that it is lost."""
        self._deferred: e.ThreadClaimed | None = None
        """The driver's own claim, until its first append."""
        self._worked_from = 0.0
        """When its driver last wrote or waited, by the monotonic clock: it has worked since."""
        self._writing = asyncio.Lock()
        self.idle = Idle(world.monotonic, self.leave_out)

    @property
    def prompt(self) -> Prompt:
        """What the model gets to see of the records. Whoever never asks a model doesn't pay it."""
        for record in self.records[self._prompt.seq :]:
            self._prompt.add(record)
        return self._prompt

    async def refresh(self) -> None:
        """Take in what others have appended. Raises StoreDamaged, IllegalEvent for a broken log."""
        async with self._writing:
            await self._take_in()

    @property
    def is_ours(self) -> bool:
        """Whether it drives the thread, and nobody has claimed that since."""
        return self._drives and not self.is_deleted and self.state.claim == self.own_claim

    @property
    def is_child(self) -> bool:
        """Whether it is driven as a part of its parent's turn."""
        return self.above is not None

    @property
    def is_taken(self) -> bool:
        """Whether another process has the thread, or its parent's, whose turn goes on there."""
        if not self.state.is_open:
            return False
        if self._drives and self.state.claim != self.own_claim:
            return True
        return self.above is not None and self.above.is_taken

    @property
    def has_claimed(self) -> bool:
        """Whether its driver's claim is in the log."""
        return self._drives and self._deferred is None

    def lost_error(self) -> Fenced:
        """What whoever drives the thread must stop with, once there is a reason."""
        if self.is_deleted:
            return ThreadDeleted(self.lost_reason)
        return Fenced(self.lost_reason)

    def claim_with_next_append(self, claim: e.ThreadClaimed) -> None:
        """Drive the thread, and say so with the next append, or at `claim_now`.

        So who has nothing to do leaves no mark.
        """
        self._drives = True
        self.own_claim = self.state.claim
        self._deferred = claim
        self._worked_from = self.world.monotonic()

    async def claim_now(self) -> None:
        """Append the claim that waits for the next append, if any; raises as `append`.

        Before code runs that may kill the process: so that crashes there are counted.
        """
        if self._deferred:
            await self.append()

    async def append(
        self,
        *events: e.Event,
        after: int | None = None,
        ceilings: Mapping[str, Ceiling] | None = None,
    ) -> None:
        """Write all of these events or none, then tell the listeners.

        If another process has written meanwhile (an approval, say), its records are taken in first.
        Where the events follow from a certain state, give its seq as `after`: then SeqTaken is
        raised instead, so that the caller decides again. `ceilings` are those of the accounts that
        a model call is paid from. Raises IllegalEvent, Fenced, StoreErrors, AccountFull.
        """
        async with self._writing:
            while True:
                if self.lost_reason:
                    raise self.lost_error()
                if after is not None and after != self.state.seq:
                    raise SeqTaken(
                        f"record {after} is no longer the last of thread {self.thread_id}"
                    )
                claimed = (self._deferred, *events) if self._deferred else events
                if not claimed:
                    return  # another append has taken the claim with it
                records, rows, state = make_rows(
                    self.thread_id, self.state, claimed, self.world.now(), self._worked_s, ceilings
                )
                try:
                    await self.store.append(self.thread_id, rows)
                    break
                except asyncio.CancelledError:
                    # The store has come to the end of it: so the records may be there.
                    if await wait_to_the_end(asyncio.ensure_future(self._has_written(rows))):
                        self._keep_own(records, state)
                    raise
                except SeqTaken:
                    before = self.state.seq
                    await self._take_in()
                    if self._is_over(self.state):
                        raise Fenced(f"the turn of thread {self.thread_id} has ended") from None
                    if self.state.seq == before:  # or this would go round for ever
                        raise StoreDamaged(
                            f"thread {self.thread_id} has lost records that were written"
                        ) from None
            self._keep_own(records, state)

    async def _has_written(self, rows: Sequence[Row]) -> bool:
        there = await self.store.read(self.thread_id, rows[0].seq - 1)
        return [each.event for each in there[: len(rows)]] == [each.event for each in rows]

    def _keep_own(self, records: list[e.Record], state: State) -> None:
        for record in records:
            if isinstance(record.event, e.ThreadClaimed):
                self._drives = True
                self.own_claim = record.event.claim
                self._deferred = None
        self._worked_from = self.world.monotonic()
        self._keep(records, state)

    def leave_out(self, since: float) -> None:
        """Its driver has only waited, since then or its last record: that was no work."""
        self._worked_from += self.world.monotonic() - max(since, self._worked_from)

    def refuse_if_stopping(self) -> None:
        """Raise Stopped if its driver is to begin nothing new."""
        if self.stop_asked.is_set():
            raise Stopped(f"thread {self.thread_id} was let go: this process has been told to stop")

    async def release(self) -> None:
        """Append that nobody drives it any more, if it was claimed here and the turn is open.

        What was under way is for the next driver to judge, as after a crash. Raises as `append`.
        """
        if self.has_claimed and self.is_ours and self.state.is_open:
            await self.append(e.ThreadClaimed(self.own_claim, releases=True))

    def show(self, piece: str | e.Thinking) -> None:
        """Tell the listeners of a piece of what the model is writing. Nothing is written."""
        text = piece.text if isinstance(piece, e.Thinking) else piece
        self.tell(Delta(self.thread_id, text, thinking=piece is not text))

    def tell(self, what: e.Record | Delta) -> None:
        for listener in self.listeners:
            listener(what)

    def _worked_s(self, index: int) -> float | None:
        """For the record at this place of an append: the first has all of the work before it."""
        if index or not self._drives or waits_for_people(self.state.turn):
            return 0.0
        return max(0.0, self.world.monotonic() - self._worked_from)

    def _keep(self, records: list[e.Record], state: State) -> None:
        if waits_for_people(self.state.turn):
            self._worked_from = self.world.monotonic()
        self.state = state
        self.records += records
        for record in records:
            self.tell(record)

    def _is_over(self, state: State) -> bool:
        """Whether the turn that is driven or followed here has ended in this state.

        What comes after that is another turn: whoever is here for this one gets its result.
        """
        if state.turn is None or not state.turn.ended:
            return False
        is_driven = self._drives and state.claim == self.own_claim
        return is_driven or state.turn.opened_seq == self.turn_seq

    async def _take_in(self) -> None:
        """Read on from the last record that is known, which must still be there."""
        if self._is_over(self.state):
            return
        known = self.state.seq
        rows = await self.store.read(self.thread_id, max(0, known - 1))
        if known and (not rows or rows[0].at != self.state.at):
            await self._refuse_lost(rows)
        rows = rows[bool(known) :]
        if not rows:
            return
        new = from_rows(self.thread_id, rows)
        records, state = read_on(self.state, new, self._is_over, self._drives, self.turn_seq)
        if self._drives and state.claim != self.own_claim:
            self.lost_reason = (
                f"another process drives thread {self.thread_id} now; this one has stopped"
            )
        elif self._drives and self._is_over(state):
            self.lost_reason = (
                f"this turn of thread {self.thread_id} was ended from elsewhere; it has stopped"
            )
        self._keep(records, state)

    async def _refuse_lost(self, there: Sequence[Row]) -> None:
        """Raise ThreadDeleted, or StoreDamaged for a thread that has lost only some records."""
        if not there and await self.store.read(self.thread_id):
            raise StoreDamaged(f"thread {self.thread_id} has lost records that were written")
        self.lost_reason = f"thread {self.thread_id} was deleted; nothing more is written to it"
        self.is_deleted = True
        raise self.lost_error()


async def open_log(
    thread_id: str,
    store: Store,
    world: World,
    listeners: Sequence[Listener] = (),
    turn_seq: int = 0,
) -> Log:
    """The thread's log with all its records, or those up to the end of the turn that began there.

    It is empty where there is no such thread. The listeners hear only of what is new. Raises
    IllegalEvent, StoreErrors, UsageError for a name that no thread can have and in a flow's code.
    """
    check_thread_name(thread_id)
    refuse_in_flow(f"work on thread {thread_id}")
    log = Log(thread_id, store, world)
    log.turn_seq = turn_seq
    try:
        await log.refresh()
    except IllegalEvent as error:
        raise IllegalEvent(f"thread {thread_id} can't be read on: {error}") from error
    if not log.records:
        refuse_reserved(thread_id)
    log.listeners = tuple(listeners)
    return log
