"""A store that keeps a second account of everything, from the logs alone, and compares at each append."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Any, NoReturn

from fakes import Died
from treadle import Limits, MemoryStore
from treadle.core import events as e
from treadle.core.account import Entry, entries_of, find_entries, thread_of
from treadle.core.state import State, apply
from treadle.stores.rows import from_rows
from treadle.stores.store import Row

ROUNDING_USD = 1e-7
FindLimits = Callable[[str], Limits]
"""The limits of the agent or flow that this thread was begun with."""


class Ledger:
    """What the accounts have come to, and may come to, by the logs."""

    def __init__(self, find_limits: FindLimits) -> None:
        self.find_limits = find_limits
        self.logs: dict[str, list[e.Record]] = {}
        self.states: dict[str, State] = {}
        self.used: dict[str, tuple[int, float]] = {}
        self.held: dict[tuple[str, str], tuple[int, float]] = {}
        """By account and thread."""
        self.raised: dict[str, tuple[int, float]] = {}
        """By account."""
        self.changed: set[str] = set()
        """The accounts that have changed since somebody has last looked."""
        self.claims: dict[tuple[str, str], str] = {}
        """By account and thread, the claim that has reserved."""

    def take(self, thread_id: str, rows: Sequence[Row]) -> None:
        """Book what was appended; an account may not come to more than it may."""
        for record in from_rows(thread_id, rows):
            state = self.states.get(thread_id, State())
            entries = find_entries(state.turn, state.claim, record)
            self.states[thread_id] = apply(state, record)
            self.logs.setdefault(thread_id, []).append(record)
            if isinstance(record.event, e.LimitRaised) and state.turn:
                name = f"turn:{thread_id}#{state.turn.opened_seq}"
                tokens, usd = self.raised.get(name, (0, 0.0))
                raised = record.event
                self.raised[name] = (tokens + raised.tokens, usd + raised.cost_usd)
            for entry in entries:
                self._book(thread_id, entry)

    def _book(self, thread_id: str, entry: Entry) -> None:
        name, place = entry.account, (entry.account, thread_id)
        if name.startswith("minute:"):
            return
        if entry.change == "reserve":
            assert place not in self.held, f"{place} reserves twice"
            self.changed.add(name)
            self.held[place] = (entry.tokens, entry.usd)
            self.claims[place] = entry.claim
            self.check(name)
            return
        if entry.change == "settle":
            self.held.pop(place)
        self.changed.add(name)
        tokens, usd = self.used.get(name, (0, 0.0))
        self.used[name] = (tokens + entry.tokens, usd + entry.usd)

    def check(self, name: str) -> None:
        """It has come to no more than it may."""
        thread = thread_of(name)
        if not thread:
            return
        limits, raised = self.find_limits(thread), self.raised.get(name, (0, 0.0))
        tokens, usd = self.balance(name)
        if limits.tokens is not None:
            most = limits.tokens + raised[0]
            assert tokens <= most, f"{name} has come to {tokens} tokens of {most}"
        if limits.cost_usd is not None:
            most_usd = limits.cost_usd + raised[1]
            assert usd <= most_usd + ROUNDING_USD, f"{name} has come to {usd} of {most_usd}"

    def balance(self, name: str) -> tuple[int, float]:
        tokens, usd = self.used.get(name, (0, 0.0))
        held = [each for (account, _), each in self.held.items() if account == name]
        return tokens + sum(each[0] for each in held), usd + sum(each[1] for each in held)

    @property
    def names(self) -> set[str]:
        return {*self.used, *(name for name, _ in self.held)}

    def check_anew(self) -> None:
        """The whole logs give the same as their records one by one."""
        used: dict[str, tuple[int, float]] = {}
        held: dict[tuple[str, str], tuple[int, float]] = {}
        for thread, records in self.logs.items():
            for entries in entries_of(records):
                for entry in entries:
                    place = (entry.account, thread)
                    if entry.change == "reserve":
                        held[place] = (entry.tokens, entry.usd)
                        continue
                    if entry.change == "settle":
                        del held[place]
                    tokens, usd = used.get(entry.account, (0, 0.0))
                    used[entry.account] = (tokens + entry.tokens, usd + entry.usd)
        assert held == self.held
        for name in used.keys() | self.used.keys():
            assert_near(used.get(name, (0, 0.0)), self.used.get(name, (0, 0.0)))


def assert_near(one: tuple[int, float], other: tuple[int, float]) -> None:
    assert one[0] == other[0]
    assert abs(one[1] - other[1]) < ROUNDING_USD


class Watched(MemoryStore):
    """Compares its accounts with the logs at each append."""

    def __init__(self, find_limits: FindLimits) -> None:
        super().__init__()
        self.ledger = Ledger(find_limits)
        self.limits = 0
        """How often an account had no room."""

    async def append(self, thread_id: str, rows: Sequence[Row]) -> None:
        await super().append(thread_id, rows)
        self.ledger.take(thread_id, rows)
        for record in self.ledger.logs[thread_id][-len(rows) :]:
            if isinstance(record.event, e.LimitReached) and record.event.account:
                self.limits += 1
                await self._check_limit(record.event)
        for name in self.ledger.names:
            balance = await self.balance(name, 0.0)
            assert_near((balance.tokens, balance.usd), self.ledger.balance(name))

    async def _check_limit(self, reached: e.LimitReached) -> None:
        """Nobody is refused who could have waited."""
        balance = await self.balance(reached.account, 0.0)
        alive = [each for each in balance.holders if self.find_beat(each.claim) is not None]
        assert not alive, f"{reached} while {alive} could have settled"


class Life:
    """One process's way to a store. It dies as it makes its nth append, before that or after."""

    def __init__(self, inner: MemoryStore, appends: int | None = None, after: bool = False) -> None:
        self.inner = inner
        self.left = appends
        self.after = after
        self.is_dead = False

    def die(self) -> NoReturn:
        self.is_dead = True
        raise Died

    async def append(self, thread_id: str, rows: Sequence[Row]) -> None:
        if self.is_dead:
            raise Died
        if self.left is not None:
            self.left -= 1
            if self.left < 0:
                if self.after:
                    await self.inner.append(thread_id, rows)
                self.die()
        await self.inner.append(thread_id, rows)

    def _alive(self) -> MemoryStore:
        if self.is_dead:
            raise Died
        return self.inner

    async def read(self, thread_id: str, after_seq: int = 0) -> list[Row]:
        return await self._alive().read(thread_id, after_seq)

    async def threads(self, limit: int = 100, **filters: Any) -> Any:
        return await self._alive().threads(limit, **filters)

    async def queue(self, thread_id: str, claim: str, accounts: Sequence[str]) -> None:
        await self._alive().queue(thread_id, claim, accounts)

    async def leave_queue(self, thread_id: str, claim: str) -> None:
        await self._alive().leave_queue(thread_id, claim)

    async def balance(self, account: str, now: float) -> Any:
        return await self._alive().balance(account, now)

    def attend(self, claim: str) -> AbstractContextManager[None]:
        return self.inner.attend(claim)

    def find_beat(self, claim: str) -> int | None:
        return self.inner.find_beat(claim)

    def version(self) -> int:
        return self._alive().version()

    def last_seqs(self, thread_ids: Any) -> dict[str, int]:
        return self._alive().last_seqs(thread_ids)
