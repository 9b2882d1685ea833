"""Looks at the children that a waiting thread waits for."""

import asyncio
import math
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

from msgspec.structs import replace

from ..core import events as e
from ..core.account import is_of_dollars
from ..core.due import next_moment
from ..core.links import is_child_in
from ..core.policy import Policy
from ..core.state import State
from ..core.waits import find_tree_waits
from ..stores.store import Queued
from .account import Account, accounts_above
from .log import Log, open_log
from .watch import start_watching, stop_watching
from .world import wait_for_any

if TYPE_CHECKING:
    from .settings import RunSettings

RAISED_ABOVE = "the limit above"
"""As `by`: the thread only tries again."""


async def refresh_children(log: Log, settings: "RunSettings") -> bool:
    """Append what the children wait for now, where it isn't what the log says.

    A child that nothing keeps waiting any more, since somebody has decided, goes on then; so does
    this thread itself, where a limit above it was raised. Returns whether anything was appended.
    Raises as `Log.append`, and StoreErrors.
    """
    accounts = accounts_above(log, settings)
    if await _may_try_again(log.state, log, accounts):
        await log.append(e.LimitRaised(RAISED_ABOVE))
        return True
    found = await read_waiting_children(log)
    states: dict[str, State] = {}
    for name, state in found.items():
        states[name] = state
        if state.turn and await _may_try_again(state, log, accounts):
            states[name] = replace(state, turn=replace(state.turn, held=None))
    changed: list[e.Event] = []
    for call in log.state.calls.values():
        if call.status == "child" and call.child and call.child.thread_id in states:
            waiting = find_tree_waits(call.child.thread_id, states, now=log.world.now())
            if waiting != call.waiting:
                changed.append(e.ChildWaits(call.id, waiting))
    if changed:
        await log.append(*changed, after=log.state.seq)
    return bool(changed)


class ChildWatch:
    """Tells a driver that is at work meanwhile when its waiting children may go on."""

    def __init__(self, log: Log) -> None:
        self.grown = asyncio.Event()
        """Set when somebody has written to a thread that is waited for."""
        self._log = log
        self._logs: dict[str, Log] = {}
        self._looked_at = -math.inf

    async def has_news(self) -> bool:
        """Whether somebody has written there since the last look, or a time there has come."""
        waits = [each for call in self._log.state.calls.values() for each in call.waiting]
        self._watch({each.thread_id for each in waits} - {self._log.thread_id})
        before, self._looked_at = self._looked_at, self._log.world.now()
        times = [each.until for each in waits if each.until is not None]
        is_due = any(before < each <= self._looked_at for each in times)
        if not self.grown.is_set():
            return is_due
        self.grown.clear()
        logs = list(self._logs.values())
        seqs = [log.state.seq for log in logs]
        for log in logs:
            await log.refresh()
        return is_due or seqs != [log.state.seq for log in logs]

    def _watch(self, names: set[str]) -> None:
        for name in self._logs.keys() - names:
            stop_watching(self._logs.pop(name))
        for name in names - self._logs.keys():
            log = self._logs[name] = Log(name, self._log.store, self._log.world)
            start_watching(log, self.grown)

    async def wait(
        self, looked_at: float, grown: asyncio.Event, tasks: Collection["asyncio.Task[None]"] = ()
    ) -> None:
        """Wait until somebody has written there or has set `grown`, one of the tasks has ended, or
        a time has come that the log waited for when it was `looked_at`."""
        due = next_moment(self._log.state, looked_at)
        due_s = due and due - self._log.world.now()
        await wait_for_any(self._log.world, (grown, self.grown), due_s, tasks)

    def close(self) -> None:
        self._watch(set())


def was_raised(held: e.LimitReached, accounts: Sequence[Account]) -> bool:
    """Whether this limit, of a thread above or a budget, is higher by now."""
    for account in accounts:
        if account.name == held.account:
            ceiling = account.find_ceiling()
            most = ceiling.usd if is_of_dollars(held.limit) else ceiling.tokens
            return most is None or most > held.allowed
    return False


async def _may_try_again(state: State, log: Log, accounts: Sequence[Account]) -> bool:
    """Whether the limit that the thread waits for was raised, or less is used by now.

    That is so once a driver that was taken for dead has told what its call has really used.
    """
    held = state.turn.held if state.turn else None
    if held is None:
        return False
    if was_raised(held, accounts):
        return True
    if not isinstance(log.store, Queued):
        return False
    balance = await log.store.balance(held.account, log.world.now())
    used = balance.usd if is_of_dollars(held.limit) else balance.tokens
    return used < held.used


async def read_tree_waits(
    log: Log, policy: Policy | None = None, now: float | None = None
) -> tuple[e.PendingDecision, ...]:
    """As `find_tree_waits`, of the logs as they are now."""
    states = {**await read_waiting_children(log), log.thread_id: log.state}
    return find_tree_waits(log.thread_id, states, policy, now)


async def read_waiting_children(top: Log) -> dict[str, State]:
    """By thread id, the children at every depth that this thread's open turn waits for."""
    states: dict[str, State] = {}
    logs = [top]
    while logs:
        log = logs.pop()
        for call in log.state.calls.values():
            if call.status == "child" and call.child and call.child.thread_id not in states:
                child = await open_log(call.child.thread_id, log.store, log.world)
                if is_child_in(log.records, call.child, child.records):
                    states[child.thread_id] = child.state
                    logs.append(child)
    return states
