"""Deletes threads: which ones go together, who keeps them from it, and that nobody drives them.

1. A thread goes with all of its children. A child alone isn't deleted: its parent would do again
   what it has done.
2. A fork has copies of the records that it shares, and keeps them. The children of which those
   records speak exist once: they stay as long as one fork needs them, and go with the last one.
3. What somebody alive drives isn't deleted, unless it is to be stopped first.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace

from ..core import events as e
from ..core.errors import IllegalEvent, SeqTaken, StoreDamaged, UnknownThread, UsageError
from ..core.waits import find_tree_waits
from ..stores.store import Store
from .agent_notes import AgentNotes
from .deletion_tree import Found, Tree, read_tree, require_erasable
from .drives import find_beat_of
from .end_turn import end_turn
from .log import open_log
from .resume import FROZEN_S, LOOK_S
from .step_ids import refuse_in_flow
from .thread_name import check_thread_name
from .world import World

DELETED = "the thread is deleted"


@dataclass(frozen=True)
class Deletion:
    """What a deletion takes, or has taken, and what it leaves."""

    threads: tuple[str, ...]
    """Those that were named, then their children at every depth."""
    records: int
    forks: tuple[str, ...] = ()
    """Threads that were forked from these: they keep copies of the records that they share."""
    kept: tuple[str, ...] = ()
    """Children that stay, since forks speak of them."""
    driven: tuple[str, ...] = ()
    """Those of the threads that somebody alive drives."""
    waiting: tuple[e.PendingDecision, ...] = ()
    """What people were to decide in them."""
    notes: int = 0
    """How many notes have gone with them."""
    left: str = ""
    """Why bytes of them are still in a file; "" where none are. The next deletion removes them."""


async def plan_deletion(store: Store, threads: Sequence[str]) -> Deletion:
    """What `delete_threads` would delete. Raises UnknownThread, and UsageError for a child."""
    return _describe(await read_tree(store, threads), store)


async def delete_threads(
    store: Store,
    threads: Sequence[str],
    kept_elsewhere: AgentNotes | None = None,
    *,
    notes: bool = False,
    stop: bool = False,
) -> Deletion:
    """Delete these threads with their children, all of it or nothing; what was deleted.

    No byte of them is left in a file of the store. `notes` deletes the notes made from them, too,
    also where those are `kept_elsewhere`; `stop` cancels the turns that somebody drives, and waits
    until they have let go. Raises UnknownThread; UsageError for a child, for what somebody
    alive drives, and in a flow's code; StoreErrors.
    """
    for name in threads:
        check_thread_name(name)
        refuse_in_flow(f"delete of thread {name}")
    erasable = require_erasable(store)
    stopped = False
    while True:
        try:
            tree = await read_tree(store, threads)
        except UnknownThread:
            await erasable.delete({})  # the rest of a deletion that was cut off
            raise
        plan = _describe(tree, store)
        if plan.driven and not stop:
            raise UsageError(
                f"thread {tree.roots[0]} wasn't deleted: somebody alive drives {plan.driven[0]} at"
                " this moment. Wait until its turn has ended, cancel it, or delete it with stop"
            )
        if plan.driven and not stopped:
            await _stop(store, tree)
            stopped = True  # who doesn't let go finds the thread deleted
            continue
        names = list(tree.threads)
        # First these: where it is cut off here, the threads still tell which notes are theirs.
        forgotten = 0
        if kept_elsewhere:
            forgotten = await kept_elsewhere.forget_threads(names, store, keep=not notes)
        try:
            erased = await erasable.delete({each.thread_id: each.end for each in tree}, notes=notes)
        except SeqTaken:
            continue  # somebody has written to it meanwhile: it is judged anew
        done = replace(plan, threads=erased.threads, records=erased.records)
        return replace(done, notes=forgotten + erased.notes, left=erased.left)


def _describe(tree: Tree, store: Store) -> Deletion:
    states = {each.thread_id: each.state for each in tree if each.state}
    waiting: list[e.PendingDecision] = []
    for root in tree.roots:
        if root in states:
            waiting += find_tree_waits(root, states)
    return Deletion(
        threads=tuple(each.thread_id for each in tree),
        records=sum(each.end for each in tree),
        forks=tuple(tree.forks),
        kept=tuple(tree.kept),
        driven=tuple(each.thread_id for each in tree if _is_driven(store, each)),
        waiting=tuple(waiting),
    )


def _is_driven(store: Store, found: Found) -> bool:
    state = found.state
    return bool(state and find_beat_of(store, found.thread_id, state.claim) is not None)


async def _stop(store: Store, tree: Tree) -> None:
    """Cancel the turns, and wait until their drivers have let go, or show no sign of life."""
    for root in tree.roots:
        try:
            log = await open_log(root, store, World())
            await end_turn(log, e.TurnEnded("cancelled", DELETED))
        except (IllegalEvent, StoreDamaged):  # it has ended at the same moment, or is damaged
            continue
    waited_s = 0.0
    while waited_s < FROZEN_S and any(_is_driven(store, each) for each in tree):
        await asyncio.sleep(LOOK_S)
        waited_s += LOOK_S
