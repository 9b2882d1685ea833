"""Finds models under a limit of dollars whose price is unknown: such a limit can't hold."""

from collections.abc import Sequence

from ..core import events as e
from ..core.errors import UsageError
from ..core.limits import tightest_limit
from .account import Account
from .price import price_of
from .settings import RunSettings


def refuse_unpriced(settings: RunSettings, accounts: Sequence[Account] = ()) -> None:
    """Raise UsageError for a cost limit on a model whose price is unknown.

    `accounts` are those of the turns that the thread works for.
    """
    if name := find_unpriced(settings, accounts):
        raise UsageError(
            f"a limit of cost_usd can't hold: no price is known for {name}."
            " Give its prices (RemoteModel(prices=...)), limit tokens instead, or say"
            " Limits(unpriced=True) to let calls of unknown price pass"
        )


def find_unpriced(settings: RunSettings, accounts: Sequence[Account] = ()) -> str:
    """The name of a model that is under a cost limit and has no known price; "" if none is.

    It may be that of an agent that the thread can be handed to, or of one that works for it: all
    must be known before anything is paid.
    """
    ceilings_usd = [each.find_ceiling().usd for each in accounts if not each.unpriced]
    top_usd = tightest_limit(*ceilings_usd)
    waiting = [(each, top_usd) for each in settings.everybody()]
    seen: set[int] = set()
    while waiting:
        settings, above_usd = waiting.pop()
        limits = settings.policy.limits
        budgets_usd = [budget.usd_a_day for budget in settings.budgets]
        limit_usd = tightest_limit(above_usd, limits.cost_usd, *budgets_usd)
        is_free = limit_usd is None or limits.unpriced
        for model in settings.models or (settings.model,):
            if not is_free and price_of(model, e.Usage(1, 1)) is None:
                return model.name
        for tool in settings.policy.tools.values():
            child = tool.child
            if child is None or child.agent is None or id(child.agent) in seen:
                continue
            below_usd = tightest_limit(limit_usd, child.limits.cost_usd)
            if below_usd is not None:  # else its model needn't even be made
                seen.add(id(child.agent))
                waiting += [(each, below_usd) for each in child.agent.run_settings.everybody()]
    return ""
