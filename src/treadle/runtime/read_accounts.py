"""Reads what a thread's model calls are paid from: what is used and reserved, by whom, who waits.

1. What was used is the store's, as it books it. How much that may be is in no store: it is taken
   from the settings given, from what the log says of the agent, or from a limit that was reached.
2. A model call whose driver is gone counts at its worst case: nobody knows what it has used.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from ..core import events as e
from ..core.account import Holder, thread_of
from ..core.budget import name_now
from ..core.late import worst_tokens
from ..core.limits import Ceiling, Limits, raise_limits
from ..core.waits import recorded_policy
from ..stores.store import Queued, Store
from .account import find_user
from .children import open_parent, open_tree
from .drives import find_beat_of
from .log import Log, open_log
from .settings import RunSettings


@dataclass(frozen=True)
class Charge:
    """What a model call that has no reply yet, or never got one, counts as: its worst case."""

    thread_id: str
    tokens: int
    usd: float
    in_flight: bool = False
    """It is reserved. Else it counts as used: its thread was taken over meanwhile."""
    has_driver: bool = False
    """Somebody alive works on it, and writes what it has really used."""


@dataclass(frozen=True)
class AccountInfo:
    """An account that a thread's model calls are paid from, as it stands."""

    name: str
    tokens: int
    """Used or reserved."""
    usd: float
    requests: int
    """Of a minute's account: model calls of the last 60 seconds."""
    most: Ceiling | None
    """What it may come to; None where only the code of an agent or a flow says it."""
    charges: tuple[Charge, ...]
    waits_in_line: tuple[str, ...]
    """The threads whose model calls wait until others have ended."""
    waits_for_limit: tuple[str, ...]
    """The threads that wait until the limit is raised, or the account begins anew."""


Known = Mapping[str, RunSettings]
"""By the agent's or flow's name, the settings that are known here."""


async def read_accounts(log: Log, known: Known) -> list[AccountInfo]:
    """The accounts that the thread's last turn is paid from, the nearest first.

    None where the turn has no child and no budget. Raises StoreErrors.
    """
    store = log.store
    if not isinstance(store, Queued):
        return []
    above = [log]
    while parent := await open_parent(above[-1]):
        above.append(parent)
    tree = await open_tree(above[-1])
    now = log.world.now()
    given = dict(_given_by_budgets(above, known, now))
    named = [
        *(each.state.turn.account for each in above if each.state.turn),
        *given,
        *(name_now(name, now) for each in await open_tree(log) for name in _find_budgets(each)),
    ]
    found: list[AccountInfo] = []
    for name in dict.fromkeys(filter(None, named)):
        balance = await store.balance(name, now)
        most = given.get(name) or _find_most(name, tree, known)
        charges = await _find_charges(name, tree, balance.holders)
        found.append(
            AccountInfo(
                name,
                balance.tokens,
                balance.usd,
                balance.requests,
                most,
                charges,
                tuple(each.thread_id for each in balance.waiting if _has_driver(store, each)),
                tuple(each.thread_id for each in tree if _waits_for(each, name, most)),
            )
        )
    return found


def find_turn_limits(log: Log, known: Known) -> Limits | None:
    """The limits of the thread's last turn, as raised; None where only its code says them."""
    state = log.state
    if state.agent in known:
        return known[state.agent].in_charge(state).policy.limits
    if state.agent not in state.described:
        return None
    raised = state.turn.raised if state.turn else None
    return raise_limits(recorded_policy(state).limits, raised)


def _given_by_budgets(
    above: Sequence[Log], known: Known, now: float
) -> Iterator[tuple[str, Ceiling]]:
    """Of the budgets of these threads' agents, as far as they are known, what each may come to."""
    user = find_user(above[-1])
    for log in above:
        agent = log.state.agent
        for budget in known[agent].budgets if agent in known else ():
            if budget.per == "user" and not user:
                continue
            for name, most, _ in budget.of(agent, user).ceilings(now):
                yield name, most


def _find_budgets(log: Log) -> Iterator[str]:
    """The accounts of budgets that the thread's last turn names."""
    opened_seq = log.state.turn.opened_seq if log.state.turn else 0
    for record in log.records[opened_seq:]:
        named: tuple[str, ...] = ()
        match record.event:
            case e.ModelCalled(accounts=accounts):
                named = accounts
            case e.LimitReached(account=account):
                named = (account,)
        for name in named:
            if name and not thread_of(name):
                yield name


def _find_most(name: str, tree: Sequence[Log], known: Known) -> Ceiling | None:
    """What the account may come to, as far as it is known here."""
    for log in tree:
        if log.thread_id == thread_of(name):
            limits = find_turn_limits(log, known)
            if limits:
                return Ceiling(limits.tokens, limits.cost_usd)
    return _most_in_logs(name, tree)


def _most_in_logs(name: str, tree: Sequence[Log]) -> Ceiling | None:
    """What it might come to when its limit was last reached, and what was added since."""
    reached = [
        (record.at, record.event)
        for log in tree
        for record in log.records
        if isinstance(record.event, e.LimitReached) and record.event.account == name
    ]
    if not reached:
        return None
    at, last = max(reached, key=lambda each: each[0])
    raised = [
        record.event
        for log in tree
        for record in log.records
        if log.thread_id == thread_of(name)
        and isinstance(record.event, e.LimitRaised)
        and record.at > at
    ]
    if "usd" in last.limit:
        return Ceiling(usd=last.allowed + sum(each.cost_usd for each in raised))
    if "tokens" in last.limit:
        return Ceiling(int(last.allowed) + sum(each.tokens for each in raised))
    return Ceiling(requests=int(last.allowed))


async def _find_charges(
    name: str, tree: Sequence[Log], holders: Sequence[Holder]
) -> tuple[Charge, ...]:
    """The calls of this tree, and those in flight of others, that count at their worst case."""
    store, world = tree[0].store, tree[0].world
    found = [_lost(log.thread_id, each) for log in tree for each in _lost_calls(log, name)]
    logs = {log.thread_id: log for log in tree}
    for holder in holders:
        log = logs.get(holder.thread_id) or await open_log(holder.thread_id, store, world)
        called = log.state.turn.called if log.state.turn else None
        if called and name in called.accounts:
            charge = _lost(holder.thread_id, called)
            found.append(replace(charge, in_flight=True, has_driver=_has_driver(store, holder)))
    return tuple(found)


def _lost_calls(log: Log, name: str) -> list[e.ModelCalled]:
    lost = log.state.turn.lost.values() if log.state.turn else ()
    return [called for called in lost if name in called.accounts]


def _lost(thread_id: str, called: e.ModelCalled) -> Charge:
    return Charge(thread_id, worst_tokens(called), called.reserved_usd)


def _waits_for(log: Log, name: str, most: Ceiling | None) -> bool:
    """Whether the thread waits for the limit, and that wasn't raised since."""
    turn = log.state.turn
    if turn is None or turn.ended or turn.held is None or turn.held.account != name:
        return False
    now = None
    if most:
        now = most.usd if "usd" in turn.held.limit else most.tokens
    return now is None or now <= turn.held.allowed


def _has_driver(store: Store, holder: Holder) -> bool:
    return find_beat_of(store, holder.thread_id, holder.claim) is not None
