"""Accounts in a simulation: never overshot, and the same by the logs and in the store."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from accounts.ledger import Ledger, assert_near
from simulate.process import Process
from treadle import Limits
from treadle.core import events as e
from treadle.core.account import is_of_minute
from treadle.stores.store import Row

if TYPE_CHECKING:
    from simulate.simulation import Simulation

SURELY_S = 15.0
"""A driver that has been awake for so long is known to be alive."""


class AccountCheck:
    """What the accounts have come to by the logs, as these grow."""

    def __init__(self, simulation: "Simulation", find_limits: Callable[[str], Limits]) -> None:
        self._simulation = simulation
        self.ledger = Ledger(find_limits)
        self.minutes: dict[str, list[tuple[float, str, int]]] = {}
        """By account, when each call began, its thread and its tokens."""
        self.called: dict[str, e.ModelCalled] = {}
        """By thread, its last model call: another agent's may be paid from other accounts."""

    def appended(self, process: Process, thread_id: str, rows: Sequence[Row]) -> None:
        try:
            self.ledger.take(thread_id, rows)
        except AssertionError as error:
            self._simulation.violate("accounts are never overshot", str(error))
        for record in self.ledger.logs[thread_id][-len(rows) :]:
            if isinstance(record.event, e.ModelCalled):
                self.called[thread_id] = record.event
                self._count_minute(thread_id, record.event, record.at)
            elif isinstance(record.event, e.ModelReplied | e.ModelFailed):
                self._settle_minute(thread_id, record.event)
            elif isinstance(record.event, e.LimitReached) and record.event.account:
                self._check_limit(record.event)

    def _count_minute(self, thread_id: str, called: e.ModelCalled, now: float) -> None:
        tokens = called.prompt_tokens + called.max_output_tokens
        for name in filter(is_of_minute, called.accounts):
            minute = self.minutes.setdefault(name, [])
            minute.append((now, thread_id, tokens))
            last = [each for each in minute if abs(each[0] - now) < 60.0]
            if any(map(self._is_off, self._simulation.processes)):
                return  # no clock is right: what counts then is that nobody waits for ever
            for budget in self._simulation.plan.settings.budgets:
                most, used = budget.requests_a_minute, sum(each[2] for each in last)
                if most is not None and len(last) > most:
                    self._violate(f"{len(last)} calls in a minute")
                if budget.tokens_a_minute is not None and used > budget.tokens_a_minute:
                    self._violate(f"{used} tokens in a minute")

    def _is_off(self, process: Process) -> bool:
        """Whether its clock is off, or was in this minute: one that was ahead has begun another."""
        return bool(process.skew_s) or self._simulation.loop.time() - process.jumped_at < 60.0

    def _settle_minute(self, thread_id: str, event: e.ModelReplied | e.ModelFailed) -> None:
        if getattr(event, "claim", ""):
            return  # a minute isn't corrected
        for name in filter(is_of_minute, self.called[thread_id].accounts):
            minute = self.minutes[name]
            places = [place for place, each in enumerate(minute) if each[1] == thread_id]
            if places:
                at, thread, _ = minute[places[-1]]
                minute[places[-1]] = (at, thread, event.usage.total_tokens)

    def _check_limit(self, reached: e.LimitReached) -> None:
        """Nobody is refused while somebody alive could still settle."""
        database, now = self._simulation.database, self._simulation.loop.time()
        if not database.has_attendance:
            return
        for (name, thread), claim in self.ledger.claims.items():
            if name != reached.account or (name, thread) not in self.ledger.held:
                continue
            process = database.attended.get(claim)
            since = self.ledger.logs[thread][-1].at
            is_old = process and process.world.now() - since > SURELY_S
            if process is None or process.dead or process.paused:
                continue
            if is_old and process.last_paused_at < now - SURELY_S:
                self._violate(f"{reached} while {thread} is at work", "nobody is starved")

    def _violate(self, words: str, promise: str = "accounts are never overshot") -> None:
        self._simulation.violate(promise, words)

    async def compare(self, rows: Any) -> None:
        for name in self.ledger.changed:
            balance = await rows.balance(name, 0.0)
            try:
                assert_near((balance.tokens, balance.usd), self.ledger.balance(name))
            except AssertionError as error:
                self._violate(f"{name}: {error}", "accounts are what the logs say")
        self.ledger.changed.clear()
