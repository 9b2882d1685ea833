"""What every store promises of accounts, as tests: `core/account.py` says it in words."""

from typing import Any

import pytest

from ..core import events as e
from ..core.account import Entry
from ..core.codec import encode_event
from ..core.errors import AccountFull
from ..core.limits import Ceiling
from ..stores.store import Queued, Row, Store
from .contract import Contract, against, require

TREE = "turn:root#3"
DAY = "day:2026-01-31:team"
MINUTE = "minute:team"
SAID = encode_event(e.UserSaid("x"))


def reserve(used: int, used_usd: float = 0.0, account: str = TREE, **most: Any) -> Entry:
    return Entry(account, used, used_usd, "reserve", Ceiling(**most), "claim")


def settle(tokens: int, usd: float = 0.0, account: str = TREE) -> Entry:
    return Entry(account, tokens, usd, "settle")


async def write(store: Store, thread: str, seq: int, *entries: Entry, at: float = 0.0) -> None:
    await store.append(thread, [Row(seq, at, SAID, entries=entries)])


async def refuse(store: Store, thread: str, seq: int, *entries: Entry, at: float = 0.0) -> None:
    with pytest.raises(AccountFull):
        await write(store, thread, seq, *entries, at=at)
    assert len(await store.read(thread)) == seq - 1, "a row was written that doesn't fit"


class AccountContract(Contract):
    """Tests of a store's accounts, which every store has."""

    @against()
    async def test_dollars_are_reserved_and_settled_as_tokens_are(self, store: Store) -> None:
        await write(store, "a", 1, reserve(0, 0.6, usd=1.0))
        await refuse(store, "b", 1, reserve(0, 0.41, usd=1.0))
        await write(store, "a", 2, settle(0, 0.25))
        await write(store, "b", 1, reserve(0, 0.75, usd=1.0))
        await refuse(store, "c", 1, reserve(0, 0.01, usd=1.0))

    @against()
    async def test_what_is_added_besides_counts_and_a_correction_makes_room(
        self, store: Store
    ) -> None:
        await write(store, "a", 1, Entry(TREE, 90, 0.0))
        await refuse(store, "b", 1, reserve(20, tokens=100))
        await write(store, "a", 2, Entry(TREE, -40, 0.0))
        await write(store, "b", 1, reserve(20, tokens=100))

    @against()
    async def test_all_accounts_of_a_model_call_are_charged_or_none(self, store: Store) -> None:
        await write(store, "a", 1, reserve(60, account=DAY, tokens=100))
        both = (reserve(50, tokens=100), reserve(50, account=DAY, tokens=100))
        await refuse(store, "b", 1, *both)
        await write(store, "c", 1, reserve(100, tokens=100))

    @against()
    async def test_a_minute_counts_what_has_begun_in_the_last_sixty_seconds(
        self, store: Store
    ) -> None:
        one = reserve(30, account=MINUTE, requests=2, tokens=100)
        await write(store, "a", 1, one, at=1000.0)
        await write(store, "a", 2, settle(5, account=MINUTE), at=1001.0)
        await write(store, "b", 1, one, at=1010.0)
        await refuse(store, "c", 1, reserve(1, account=MINUTE, requests=2), at=1059.0)
        await refuse(store, "c", 1, reserve(66, account=MINUTE, tokens=100), at=1059.0)
        await write(store, "c", 1, reserve(1, account=MINUTE, requests=2), at=1060.5)

    @against()
    async def test_whoever_came_first_is_served_first(self, store: Any) -> None:
        require(store, Queued)
        await write(store, "a", 1, reserve(60, tokens=100))
        await refuse(store, "large", 1, reserve(90, tokens=100))
        await store.queue("large", "claim", (TREE,))
        await refuse(store, "small", 1, reserve(10, tokens=100))
        await write(store, "elsewhere", 1, reserve(10, account=DAY, tokens=100))
        await store.leave_queue("large", "of another driver")
        await refuse(store, "small", 1, reserve(10, tokens=100))
        await store.leave_queue("large", "claim")
        await write(store, "small", 1, reserve(10, tokens=100))
