"""What a thread's model calls are paid from besides its own limits."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..core.account import name_of_turn
from ..core.budget import Budget
from ..core.ceiling import Ceiling
from ..core.events import ChildStarted, UserSaid
from ..core.limits import LAST_RESULTS_TOKENS, LAST_WORD_TOKENS, worst_cost
from ..core.turn import Turn

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


def account_of_turn(log: "Log", settings: "RunSettings") -> Account | None:
    """The account of the open turn, for what works for it; None where it has no such limit."""
    turn = log.state.turn
    limits = settings.policy.limits
    if turn is None or (limits.tokens is None and limits.cost_usd is None):
        return None
    name = name_of_turn(log.thread_id, turn.opened_seq)
    return Account(
        name, lambda: _find_ceiling(log, settings), turn.asks_no_model, unpriced=limits.unpriced
    )


def accounts_for_child(
    log: "Log", settings: "RunSettings", child: ChildStarted
) -> tuple[Account, ...]:
    """What this child of the open turn is paid from, the nearest first."""
    own = account_of_turn(log, settings)
    if own and child.account == own.name:
        return (own, *log.accounts)
    return log.accounts


def find_accounts(log: "Log", settings: "RunSettings") -> list[Account]:
    """All that the next model call is paid from, besides its turn's own limits."""
    found: list[Account] = []
    turn = log.state.turn
    own = account_of_turn(log, settings)
    if turn and turn.account and own:
        # Of its own turn it may use all that is left, without leaving room for a last word.
        limits = settings.policy.limits
        found.append(Account(own.name, lambda: Ceiling(limits.tokens, limits.cost_usd)))
    found += log.accounts
    for budget in budgets_of(log, settings):
        if budget.holds_for(settings.model.name):
            for name, ceiling, until in budget.ceilings(log.world.now()):
                found.append(Account(name, lambda most=ceiling: most, log.is_below_flow, until))  # type: ignore[misc]
    return found


def budgets_of(log: "Log", settings: "RunSettings") -> tuple[Budget, ...]:
    """The agent's own budgets and those of what it works for, each once."""
    if not settings.budgets:
        return log.budgets
    own = [budget.of(settings.name, user_of(log)) for budget in settings.budgets]
    return tuple(dict.fromkeys((*own, *log.budgets)))


def user_of(log: "Log") -> str:
    """Who has said what opened the turn above all; "" if that isn't known."""
    turn = log.state.turn
    said = log.records[turn.opened_seq - 1].event if turn else None
    return (said.by if isinstance(said, UserSaid) else "") or log.user


def is_below_flow(log: "Log") -> bool:
    """Whether what works for this turn works for a flow."""
    turn = log.state.turn
    return log.is_below_flow or (turn is not None and turn.asks_no_model)


def _find_ceiling(log: "Log", settings: "RunSettings") -> Ceiling:
    """What the turn and all that works for it may come to, without room for its last word."""
    limits = settings.with_raised(log.state).policy.limits
    turn = log.state.turn
    kept_tokens, kept_usd = 0, 0.0
    if limits.last_word and turn and turn.replied:
        shown, answer = _last_word_tokens(turn)
        kept_tokens = shown + answer
        kept_usd = worst_cost(settings.cost_usd, shown, answer) or 0.0
    tokens, usd = limits.tokens, limits.cost_usd
    return Ceiling(
        tokens if tokens is None else max(0, tokens - kept_tokens),
        usd if usd is None else max(0.0, usd - kept_usd),
    )


def _last_word_tokens(turn: Turn) -> tuple[int, int]:
    """Of a last word now: the prompt's tokens, and those of the answer."""
    assert turn.replied
    return turn.replied.usage.total_tokens + LAST_RESULTS_TOKENS, LAST_WORD_TOKENS
