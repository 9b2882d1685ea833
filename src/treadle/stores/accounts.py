"""The accounts of a store in memory: what was used, what is reserved, and who waits."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from ..core.account import (
    MINUTE_KEPT_S,
    MINUTE_S,
    Balance,
    Entry,
    Holder,
    accounts_in,
    counts_in_minute,
    fits,
    is_of_minute,
    thread_of,
)
from ..core.errors import AccountFull
from ..core.limits import NO_CEILING


@dataclass(frozen=True)
class _Request:
    """One model call of the last minute."""

    at: float
    thread_id: str
    tokens: int


@dataclass
class _Account:
    tokens: int = 0
    usd: float = 0.0
    held: dict[str, Entry] = field(default_factory=dict)
    """What is reserved, by thread: each makes one model call at a time."""
    minute: list[_Request] = field(default_factory=list)


class Accounts:
    def __init__(self) -> None:
        self._accounts: dict[str, _Account] = {}
        self._waiting: dict[str, tuple[str, tuple[str, ...]]] = {}
        """By thread, in the order in which they came: its claim, and the accounts it waits for."""

    def refuse_full(self, thread_id: str, entries: Sequence[Entry], at: float) -> None:
        """Raise AccountFull where one has no room, or others wait for it in front."""
        for entry in entries:
            if entry.change != "reserve" or entry.ceiling == NO_CEILING:
                continue
            ahead = self._find_ahead(thread_id, entry.account)
            balance = self.balance(entry.account, at)
            has_room = fits(entry, balance)
            if ahead or not has_room:
                again_s = None if has_room else self._find_again(entry.account, at)
                is_queued = self._waiting.get(thread_id, ("",))[0] == entry.claim
                raise AccountFull(entry.account, balance, ahead, again_s, is_queued=is_queued)

    def book(self, thread_id: str, entries: Sequence[Entry], at: float) -> None:
        """Change the accounts as these entries of one record say."""
        for entry in entries:
            account = self._accounts.setdefault(entry.account, _Account())
            if is_of_minute(entry.account):
                _count_in_minute(account.minute, thread_id, entry, at)
            elif entry.change == "reserve":
                account.held[thread_id] = entry
            else:
                if entry.change == "settle":
                    account.held.pop(thread_id, None)
                account.tokens += entry.tokens
                account.usd += entry.usd
        if accounts_in(entries):
            self._waiting.pop(thread_id, None)

    def balance(self, name: str, now: float) -> Balance:
        account = self._accounts.get(name, _Account())
        if is_of_minute(name):
            counted = [each for each in account.minute if counts_in_minute(each.at, now)]
            return Balance(sum(each.tokens for each in counted), 0.0, len(counted))
        held = account.held
        return Balance(
            account.tokens + sum(entry.tokens for entry in held.values()),
            account.usd + sum(entry.usd for entry in held.values()),
            holders=tuple(Holder(thread, entry.claim) for thread, entry in held.items()),
        )

    def waiting(self, name: str) -> tuple[Holder, ...]:
        """Who waits in line for the account, in order."""
        waiting = self._waiting.items()
        return tuple(Holder(each, claim) for each, (claim, names) in waiting if name in names)

    def queue(self, thread_id: str, claim: str, accounts: Sequence[str]) -> None:
        self._waiting[thread_id] = (claim, tuple(accounts))

    def leave_queue(self, thread_id: str, claim: str) -> None:
        if self._waiting.get(thread_id, ("",))[0] == claim:
            del self._waiting[thread_id]

    def forget(self, thread_id: str) -> None:
        """Of a thread that was deleted: what it had reserved counts as used."""
        self._waiting.pop(thread_id, None)
        for account in self._accounts.values():
            if entry := account.held.pop(thread_id, None):
                account.tokens += entry.tokens
                account.usd += entry.usd
        for name in [each for each in self._accounts if thread_of(each) == thread_id]:
            del self._accounts[name]

    def _find_ahead(self, thread_id: str, account: str) -> tuple[Holder, ...]:
        ahead: list[Holder] = []
        for each, (claim, accounts) in self._waiting.items():
            if each == thread_id:
                break
            if account in accounts:
                ahead.append(Holder(each, claim))
        return tuple(ahead)

    def _find_again(self, name: str, now: float) -> float | None:
        """Seconds until the oldest model call of a minute's account counts no longer."""
        if not is_of_minute(name):
            return None
        minute = self._accounts.get(name, _Account()).minute
        counted = [each.at for each in minute if counts_in_minute(each.at, now)]
        return min(counted) + MINUTE_S - now if counted else None


def _count_in_minute(minute: list[_Request], thread_id: str, entry: Entry, at: float) -> None:
    if entry.change == "reserve":
        minute[:] = [each for each in minute if each.at > at - MINUTE_KEPT_S]
        minute.append(_Request(at, thread_id, entry.tokens))
        return
    for index in reversed(range(len(minute))):
        if entry.change == "settle" and minute[index].thread_id == thread_id:
            minute[index] = replace(minute[index], tokens=entry.tokens)
            return
