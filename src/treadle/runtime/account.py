"""What pays for a thread's model calls besides its own limits, and how long they wait for it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from ..core.account import name_of_turn
from ..core.budget import Budget
from ..core.events import ChildStarted, UserSaid
from ..core.limits import LAST_RESULTS_TOKENS, LAST_WORD_TOKENS, Ceiling, has_account, worst_cost

if TYPE_CHECKING:
    from .log import Log
    from .settings import RunSettings


@dataclass(frozen=True)
class Account:
    """One account, as whoever drives a thread knows it: see core/account.py."""

    name: str
    find_ceiling: Callable[[], Ceiling]
    """What it may come to now: a person may raise that at any time."""
    waits: bool = False
    """Whether a thread that finds it used up waits until it is raised. Else its turn ends."""
    until: float | None = None
    """Seconds since the epoch when it begins anew; None: never."""
    unpriced: bool = False
    """It lets calls of unknown price pass."""


@dataclass(frozen=True)
class Payers:
    """What pays for the model calls of a thread besides its own limits and budgets."""

    accounts: tuple[Account, ...] = ()
    """Of the turns that it works for, the nearest first."""
    budgets: tuple[Budget, ...] = ()
    """Those of the agents and flows that it works for."""
    user: str = ""
    """Who has said what opened the turn above all; "" if that isn't known."""
    below_flow: bool = False
    """Whether it works for a flow, perhaps for an agent in between. Then it waits at limits that
    aren't its own or an agent's."""


def account_of_turn(log: "Log", settings: "RunSettings") -> Account | None:
    """The account of the open turn, for what works for it; None where it has no such limit.

    One that was opened stays open, also where its settings have lost their limits since.
    """
    turn = log.state.turn
    limits = settings.policy.limits
    if turn is None or not (turn.account or has_account(limits)):
        return None
    name = name_of_turn(log.thread_id, turn.opened_seq)
    find_ceiling = partial(_find_ceiling, log, settings)
    return Account(name, find_ceiling, turn.asks_no_model, unpriced=limits.unpriced)


def accounts_above(log: "Log", settings: "RunSettings") -> tuple[Account, ...]:
    """All that what works for the open turn is paid from, whatever models it asks."""
    own = account_of_turn(log, settings)
    found = [own] if own else []
    found += log.paid_by.accounts
    for budget in _find_budgets(log, settings):
        found += _accounts_of(budget, log)
    return tuple(found)


def payers_of_child(log: "Log", settings: "RunSettings", child: ChildStarted) -> Payers:
    """What pays for this child of the open turn."""
    accounts = log.paid_by.accounts
    own = account_of_turn(log, settings)
    if own and child.account == own.name:
        accounts = (own, *accounts)
    turn = log.state.turn
    below_flow = log.paid_by.below_flow or (turn is not None and turn.asks_no_model)
    return Payers(accounts, _find_budgets(log, settings), find_user(log), below_flow)


def find_accounts(log: "Log", settings: "RunSettings") -> list[Account]:
    """All that the next model call is paid from, besides its turn's own limits."""
    found: list[Account] = []
    turn = log.state.turn
    own = account_of_turn(log, settings)
    if turn and turn.account and own:
        # Of its own turn it may use all that is left, without leaving room for a last word.
        limits = settings.policy.limits
        found.append(Account(own.name, partial(Ceiling, limits.tokens, limits.cost_usd)))
    found += log.paid_by.accounts
    for budget in _find_budgets(log, settings):
        if budget.holds_for(settings.model.name):
            found += _accounts_of(budget, log)
    return found


def _accounts_of(budget: Budget, log: "Log") -> Iterator[Account]:
    for name, most, until in budget.ceilings(log.world.now()):
        find_ceiling = partial(Ceiling, most.tokens, most.usd, most.requests)
        yield Account(name, find_ceiling, log.paid_by.below_flow, until)


def _find_budgets(log: "Log", settings: "RunSettings") -> tuple[Budget, ...]:
    """The agent's own budgets and those of what it works for, each once."""
    if not settings.budgets:
        return log.paid_by.budgets
    own = [budget.of(settings.name, find_user(log)) for budget in settings.budgets]
    return tuple(dict.fromkeys((*own, *log.paid_by.budgets)))


def find_user(log: "Log") -> str:
    """Who has said what opened the turn above all; "" if that isn't known."""
    turn = log.state.turn
    said = log.records[turn.opened_seq - 1].event if turn else None
    return (said.by if isinstance(said, UserSaid) else "") or log.paid_by.user


def _find_ceiling(log: "Log", settings: "RunSettings") -> Ceiling:
    """What the turn and all that works for it may come to, without room for its last word."""
    limits = settings.with_raised(log.state).policy.limits
    turn = log.state.turn
    kept_tokens, kept_usd = 0, 0.0
    if limits.last_word and turn and turn.replied:
        shown = turn.replied.usage.total_tokens + LAST_RESULTS_TOKENS
        kept_tokens = shown + LAST_WORD_TOKENS
        kept_usd = worst_cost(settings.cost_usd, shown, LAST_WORD_TOKENS) or 0.0
    return Ceiling(limits.tokens, limits.cost_usd).less(kept_tokens, kept_usd)


@dataclass
class Idle:
    """The calls of one thread that run now, and those of them that only wait."""

    clock: Callable[[], float]
    leave_out: Callable[[float], None]
    """Is told since when nobody has worked, by the clock, once somebody does again."""
    above: "Idle | None" = None
    """That of the thread that this one works for."""
    _running: int = 0
    _waiting: int = 0
    _since: float | None = None
    """When the last of them began to wait; None while one works."""
    _waited_s: float = 0.0

    @contextmanager
    def running(self, waits: bool = False) -> Iterator[None]:
        """One more call runs, until the block is left; `waits`: it only waits."""
        self._change(1, int(waits))
        try:
            yield
        finally:
            self._change(-1, -int(waits))

    def waited_s(self) -> float:
        """For how long all of them have waited at the same time, in all."""
        if self._since is None:
            return self._waited_s
        return self._waited_s + self.clock() - self._since

    def _change(self, running: int, waiting: int) -> None:
        self._running += running
        self._waiting += waiting
        rests = self._running > 0 and self._waiting == self._running
        if rests and self._since is None:
            self._since = self.clock()
            if self.above:
                self.above._change(0, 1)
        elif not rests and self._since is not None:
            self._waited_s += self.clock() - self._since
            self.leave_out(self._since)
            self._since = None
            if self.above:
                self.above._change(0, -1)
