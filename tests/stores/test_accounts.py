"""Accounts of every store: what fits is booked with the records, and whoever waits has a place in line."""

import asyncio
from contextlib import closing

import pytest

from treadle import MemoryStore, SQLiteStore
from treadle.core.account import Balance, Ceiling, Entry, Holder
from treadle.core.errors import AccountFull, SeqTaken
from treadle.stores.postgres import PostgresStore
from treadle.stores.store import Queued, Row

TREE = "turn:root#3"
TEAM = "minute:team"


@pytest.fixture(
    params=["memory", "sqlite", "full", pytest.param("postgres", marks=pytest.mark.postgres)]
)
def store(request, tmp_path):
    if request.param == "postgres":
        url = request.getfixturevalue("postgres").url
        with closing(PostgresStore(url, tenant=str(tmp_path))) as made:
            yield made
        return
    if request.param == "memory":
        yield MemoryStore()
        return
    durability = "full" if request.param == "full" else "process"
    made = SQLiteStore(tmp_path / "t.db", durability=durability)
    yield made
    made.close()


def reserve(used: int, used_usd: float = 0.0, account: str = TREE, **most) -> Entry:
    return Entry(account, used, used_usd, "reserve", Ceiling(**most), "claim")


def settle(tokens: int, usd: float = 0.0, account: str = TREE) -> Entry:
    return Entry(account, tokens, usd, "settle")


def row(seq: int, *entries: Entry, at: float = 0.0) -> Row:
    return Row(seq, at, b"{}", entries=entries)


async def append(store, thread: str, *rows: Row) -> None:
    await store.append(thread, rows)


def live(work):
    return asyncio.run(work)


def test_it_can_be_waited_for_in_line(store):
    assert isinstance(store, Queued)


def test_what_fits_is_reserved_and_what_was_used_takes_its_place(store):
    async def whole() -> None:
        await append(store, "a", row(1, reserve(60, 0.5, tokens=100, usd=1.0)))
        assert await store.balance(TREE, 0.0) == Balance(60, 0.5, 0, (Holder("a", "claim"),))
        await append(store, "a", row(2, settle(10, 0.125)))
        assert await store.balance(TREE, 0.0) == Balance(10, 0.125)
        await append(store, "a", row(3, Entry(TREE, -4, 0.0)))
        assert await store.balance(TREE, 0.0) == Balance(6, 0.125)

    live(whole())


@pytest.mark.parametrize("most", [{"tokens": 100}, {"usd": 1.0}])
def test_what_does_not_fit_writes_nothing_and_says_who_holds_the_rest(store, most):
    async def whole() -> None:
        await append(store, "a", row(1, reserve(60, 0.6, **most)))
        with pytest.raises(AccountFull) as full:
            await append(store, "b", row(1, reserve(41, 0.41, **most)))
        assert full.value.account == TREE
        assert full.value.balance.holders == (Holder("a", "claim"),)
        assert full.value.ahead == ()
        assert await store.read("b") == []
        await append(store, "a", row(2, settle(5, 0.05)))
        await append(store, "b", row(1, reserve(41, 0.41, **most)))
        assert (await store.balance(TREE, 0.0)).tokens == 46

    live(whole())


def test_sums_of_floats_do_not_refuse_what_fits_exactly(store):
    async def whole() -> None:
        for number in range(10):
            await append(store, str(number), row(1, reserve(0, 0.1, usd=1.0)))
        with pytest.raises(AccountFull):
            await append(store, "more", row(1, reserve(0, 0.001, usd=1.0)))

    live(whole())


def test_a_seq_that_is_taken_books_nothing(store):
    async def whole() -> None:
        await append(store, "a", row(1, reserve(60)))
        with pytest.raises(SeqTaken):
            await append(store, "a", row(1, reserve(30)))
        assert (await store.balance(TREE, 0.0)).tokens == 60

    live(whole())


def test_whoever_came_first_is_served_first_even_where_the_next_would_fit(store):
    async def whole() -> None:
        await append(store, "a", row(1, reserve(60, tokens=100)))
        with pytest.raises(AccountFull):
            await append(store, "large", row(1, reserve(90, tokens=100)))
        await store.queue("large", "of large", (TREE,))
        with pytest.raises(AccountFull) as full:
            await append(store, "small", row(1, reserve(10, tokens=100)))
        assert full.value.ahead == (Holder("large", "of large"),)
        await store.queue("small", "of small", (TREE,))
        await append(store, "elsewhere", row(1, reserve(10, account="turn:other#1", tokens=100)))
        await append(store, "a", row(2, settle(5)))
        with pytest.raises(AccountFull):
            await append(store, "small", row(1, reserve(10, tokens=100)))
        await append(store, "large", row(1, reserve(90, tokens=100)))
        await append(store, "large", row(2, settle(9)))
        await append(store, "small", row(1, reserve(10, tokens=100)))

    live(whole())


def test_one_that_leaves_the_line_holds_nobody_up(store):
    async def whole() -> None:
        await store.queue("gone", "claim", (TREE,))
        await store.queue("gone", "another claim", (TREE,))
        await store.leave_queue("gone", "another claim")
        await append(store, "a", row(1, reserve(10, tokens=100)))

    live(whole())


def test_all_accounts_of_a_call_are_charged_or_none(store):
    async def whole() -> None:
        await append(store, "a", row(1, reserve(60, account="day:d:team", tokens=100)))
        both = (reserve(50, tokens=100), reserve(50, account="day:d:team", tokens=100))
        with pytest.raises(AccountFull) as full:
            await append(store, "b", row(1, *both))
        assert full.value.account == "day:d:team"
        assert (await store.balance(TREE, 0.0)).tokens == 0

    live(whole())


def test_a_minute_counts_what_began_in_the_last_sixty_seconds(store):
    async def whole() -> None:
        for number in range(2):
            entry = reserve(30, account=TEAM, requests=2, tokens=100)
            await append(store, "a", row(2 * number + 1, entry, at=10.0 * number))
            await append(store, "a", row(2 * number + 2, settle(5, account=TEAM), at=10.0 * number))
        assert await store.balance(TEAM, 20.0) == Balance(10, 0.0, 2)
        third = reserve(1, account=TEAM, requests=2)
        with pytest.raises(AccountFull) as full:
            await append(store, "b", row(1, third, at=20.0))
        assert full.value.again_s == pytest.approx(40.0)
        with pytest.raises(AccountFull):
            await append(store, "b", row(1, reserve(91, account=TEAM, tokens=100), at=20.0))
        await append(store, "b", row(1, reserve(1, account=TEAM, requests=2), at=60.5))

    live(whole())


def test_a_deleted_thread_leaves_what_it_has_used(store):
    async def whole() -> None:
        await append(store, "root", row(1))
        await append(store, "root", row(2, reserve(50), reserve(50, account="day:d:team")))
        await append(store, "root", row(3, settle(20), settle(20, account="day:d:team")))
        await append(store, "root", row(4, reserve(30, account="day:d:team")))
        await store.queue("root", "claim", (TREE,))
        await store.delete({"root": 4})
        assert await store.balance("day:d:team", 0.0) == Balance(50)
        assert await store.balance(TREE, 0.0) == Balance()
        await append(store, "a", row(1, reserve(1, tokens=1)))

    live(whole())


def test_a_driver_takes_only_itself_out_of_the_line(store):
    async def whole() -> None:
        await append(store, "a", row(1, reserve(60, tokens=100)))
        await store.queue("large", "zombie", (TREE,))
        await store.queue("large", "claim", (TREE,))
        await store.leave_queue("large", "zombie")
        with pytest.raises(AccountFull) as full:
            await append(store, "large", row(1, reserve(90, tokens=100)))
        assert full.value.is_queued
        with pytest.raises(AccountFull) as full:
            await append(store, "b", row(1, reserve(90, tokens=100)))
        assert not full.value.is_queued
        await store.leave_queue("large", "claim")
        await append(store, "b", row(1, reserve(40, tokens=100)))

    live(whole())


def test_whoever_waits_for_one_account_holds_nobody_up_in_another(store):
    async def whole() -> None:
        await append(store, "a", row(1, reserve(60, account="turn:part#3", tokens=100)))
        both = (reserve(60, account="turn:part#3", tokens=100), reserve(60, tokens=1000))
        with pytest.raises(AccountFull) as full:
            await append(store, "b", row(1, *both))
        assert full.value.account == "turn:part#3"
        await store.queue("b", "claim", (full.value.account,))
        await append(store, "c", row(1, reserve(60, tokens=1000)))

    live(whole())


def test_a_clock_that_is_set_back_locks_no_minute_and_frees_it_once(store):
    async def whole() -> None:
        one = reserve(10, account=TEAM, requests=1)
        await append(store, "a", row(1, one, at=100_000.0))
        for back_s in (0.0, 5.0, 59.0):
            with pytest.raises(AccountFull) as full:
                await append(store, "b", row(1, one, at=100_000.0 - back_s))
            assert full.value.again_s == pytest.approx(60.0 + back_s)
        await append(store, "b", row(1, one, at=96_400.0))
        with pytest.raises(AccountFull):
            await append(store, "c", row(1, one, at=96_410.0))
        await append(store, "c", row(1, one, at=96_461.0))

    live(whole())


def test_in_a_minute_the_last_call_of_a_thread_is_settled_whatever_the_clock_says(store):
    async def whole() -> None:
        await append(store, "a", row(1, reserve(100, account=TEAM), at=100.0))
        await append(store, "a", row(2, settle(5, account=TEAM), at=100.0))
        await append(store, "a", row(3, reserve(100, account=TEAM), at=95.0))
        await append(store, "a", row(4, settle(7, account=TEAM), at=95.0))
        assert await store.balance(TEAM, 100.0) == Balance(12, 0.0, 2)
        await append(store, "a", row(5, reserve(100, account=TEAM), at=100.0))
        assert (await store.balance(TEAM, 100.0)).requests == 3

    live(whole())


def test_what_is_too_much_for_an_empty_minute_is_no_matter_of_time(store):
    async def whole() -> None:
        with pytest.raises(AccountFull) as full:
            await append(store, "a", row(1, reserve(101, account=TEAM, tokens=100)))
        assert full.value.again_s is None

    live(whole())


def test_of_those_written_in_one_transaction_only_what_fits_is_booked(store):
    async def whole() -> None:
        written = [append(store, str(n), row(1, reserve(40, tokens=100))) for n in range(5)]
        came = await asyncio.gather(*written, return_exceptions=True)
        assert [type(each) for each in came].count(AccountFull) == 3
        assert (await store.balance(TREE, 0.0)).tokens == 80
        assert [len(await store.read(str(n))) for n in range(5)].count(1) == 2

    live(whole())


def test_a_deleted_thread_takes_no_account_of_one_whose_name_begins_like_its_own(store):
    async def whole() -> None:
        for thread in ("a", "a#1", "a#1#3"):
            used = Entry(f"turn:{thread}#1", 7, 0.5)
            await append(store, thread, row(1, used, Entry(f"turn:{thread}#22", 3, 0.0)))
        await store.delete({"a": 1})
        for thread, left in (
            ("a", Balance()),
            ("a#1", Balance(7, 0.5)),
            ("a#1#3", Balance(7, 0.5)),
        ):
            assert await store.balance(f"turn:{thread}#1", 0.0) == left
        assert await store.balance("turn:a#22", 0.0) == Balance()
        await store.delete({"a#1": 1, "a#1#3": 1})
        assert await store.balance("turn:a#1#3#1", 0.0) == Balance()

    live(whole())


def test_a_deleted_thread_frees_no_request_of_its_minute(store):
    async def whole() -> None:
        await append(store, "a", row(1, reserve(60, account=TEAM, tokens=100, requests=1)))
        await append(store, "a", row(2, settle(50, account=TEAM)))
        await store.delete({"a": 2})
        assert await store.balance(TEAM, 1.0) == Balance(50, 0.0, 1)
        with pytest.raises(AccountFull):
            await append(store, "a", row(1, reserve(1, account=TEAM, requests=1), at=1.0))
        if not isinstance(store, MemoryStore):
            store.repair_list()
            assert await store.balance(TEAM, 1.0) == Balance(50, 0.0, 1)
        await append(store, "a", row(1, reserve(1, account=TEAM, requests=1), at=61.0))

    live(whole())


def test_what_has_no_ceiling_waits_behind_nobody(store):
    """As what is restored from a backup: it was used already."""

    async def whole() -> None:
        await store.queue("dead", "gone", (TREE, TEAM))
        await append(store, "a", row(1, reserve(60), reserve(5, account=TEAM)))
        with pytest.raises(AccountFull):
            await append(store, "b", row(1, reserve(1, tokens=10**6)))
        assert await store.balance(TREE, 0.0) == Balance(
            60, 0.0, 0, (Holder("a", "claim"),), (Holder("dead", "gone"),)
        )

    live(whole())
