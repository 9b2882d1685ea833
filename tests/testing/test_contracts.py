"""A store, a model and an embedder of somebody else's that break a promise fail the suite."""

import asyncio
import struct
from collections.abc import Callable
from typing import Any

import pytest
from msgspec.structs import replace

from treadle import MemoryStore, ScriptedModel, Usage
from treadle.core.account import Entry
from treadle.core.errors import ContextOverflow, ModelRejected, ModelUnavailable, SeqTaken
from treadle.notes.hash_embedder import HashEmbedder
from treadle.stores.store import Row
from treadle.testing.contract import Contract
from treadle.testing.embedder_contract import EmbedderContract
from treadle.testing.model_contract import ModelContract
from treadle.testing.store_contract import StoreContract


def failures(suite: type[Contract], make: Any, folder: Any) -> list[str]:
    """The tests of the suite that fail for what `make` makes."""
    tests = type("Tests", (suite,), {"make": make})()
    tests.folder = folder
    failed = []
    for name in dir(tests):
        if not name.startswith("test_"):
            continue
        try:
            getattr(tests, name)()
        except pytest.skip.Exception:
            continue
        except (Exception, pytest.fail.Exception):
            failed.append(name)
    return failed


class Small:
    """A store with the three methods of Store alone, and nothing beside."""

    def __init__(self) -> None:
        self.inner = MemoryStore()

    async def append(self, thread_id: str, rows: Any) -> None:
        await self.inner.append(thread_id, rows)

    async def read(self, thread_id: str, after_seq: int = 0) -> list[Row]:
        return await self.inner.read(thread_id, after_seq)

    async def threads(self, limit: int = 100, **filters: Any) -> list[Any]:
        return await self.inner.threads(limit, **filters)


class TakesAnySeq(Small):
    async def append(self, thread_id, rows):
        rows = list(rows)
        there = len(await self.inner.read(thread_id))
        numbered = [replace(row, seq=there + n) for n, row in enumerate(rows, 1)]
        await self.inner.append(thread_id, numbered)


class WritesHalf(Small):
    async def append(self, thread_id, rows):
        for row in rows:
            await self.inner.append(thread_id, [row])


class ReadsTheSeqToo(Small):
    async def read(self, thread_id, after_seq=0):
        return await self.inner.read(thread_id, max(0, after_seq - 1))


class ChecksThenWrites(Small):
    """Two that look at the same moment both write: the last one wins."""

    def __init__(self):
        super().__init__()
        self.logs = {}

    async def append(self, thread_id, rows):
        log = self.logs.setdefault(thread_id, [])
        if rows[0].seq != len(log) + 1:
            raise SeqTaken("taken")
        await asyncio.sleep(0)
        log[rows[0].seq - 1 :] = rows

    async def read(self, thread_id, after_seq=0):
        return [row for row in self.logs.get(thread_id, []) if row.seq > after_seq]


class LosesTheWork(Small):
    async def append(self, thread_id, rows):
        await self.inner.append(
            thread_id, [replace(row, worked_s=row.worked_s or 0.0) for row in rows]
        )


class KeepsTheCallersChecksum(Small):
    async def read(self, thread_id, after_seq=0):
        return [replace(row, checksum=5) for row in await self.inner.read(thread_id, after_seq)]


class ListsTheOldestFirst(Small):
    async def threads(self, limit=100, **filters):
        return (await self.inner.threads(10_000, **filters))[::-1][:limit]


class IgnoresFilters(Small):
    async def threads(self, limit=100, **filters):
        return await self.inner.threads(limit)


class BooksNothing(Small):
    async def append(self, thread_id, rows):
        await self.inner.append(thread_id, [replace(row, entries=()) for row in rows])


class KnowsNoDollars(Small):
    async def append(self, thread_id, rows):
        await self.inner.append(thread_id, [changed(row, of_tokens_alone) for row in rows])


class AddsNothing(Small):
    async def append(self, thread_id, rows):
        kept = [replace(row, entries=[x for x in row.entries if x.change != "add"]) for row in rows]
        await self.inner.append(thread_id, kept)


class HasNoMinutes(Small):
    """An account of a minute is one like any other."""

    async def append(self, thread_id, rows):
        await self.inner.append(thread_id, [changed(row, of_any_kind) for row in rows])


class KeepsNoLine(MemoryStore):
    async def queue(self, thread_id, claim, accounts):
        pass


class DeletesHalf(MemoryStore):
    async def delete(self, ends, *, notes=False):
        erased = [await super(DeletesHalf, self).delete({name: ends[name]}) for name in ends]
        return erased[0]


def changed(row: Row, change: Callable[[Entry], Entry]) -> Row:
    return replace(row, entries=tuple(map(change, row.entries)))


def of_tokens_alone(entry: Entry) -> Entry:
    return replace(entry, ceiling=replace(entry.ceiling, usd=None))


def of_any_kind(entry: Entry) -> Entry:
    return replace(entry, account=entry.account.replace("minute:", "day:2026-01-31:"))


class WritesTextAgain(Small):
    async def append(self, thread_id, rows):
        rows = [replace(row, event=row.event.replace(b" ", b"")) for row in rows]
        await self.inner.append(thread_id, rows)


class ComparesNamesAsManyDatabasesDo(Small):
    """Without case, and without blanks at the end."""

    async def append(self, thread_id, rows):
        await self.inner.append(thread_id.rstrip().lower(), rows)

    async def read(self, thread_id, after_seq=0):
        return await self.inner.read(thread_id.rstrip().lower(), after_seq)


class CutsNames(Small):
    async def append(self, thread_id, rows):
        await self.inner.append(thread_id[:255], rows)

    async def read(self, thread_id, after_seq=0):
        return await self.inner.read(thread_id[:255], after_seq)


class GivesItsOwnList(Small):
    def __init__(self):
        super().__init__()
        self.given = {}

    async def read(self, thread_id, after_seq=0):
        rows = self.given.setdefault(thread_id, [])
        rows[:] = await self.inner.read(thread_id)
        return rows[after_seq:] if after_seq else rows


STORES = [
    ComparesNamesAsManyDatabasesDo,
    CutsNames,
    GivesItsOwnList,
    TakesAnySeq,
    WritesHalf,
    ReadsTheSeqToo,
    ChecksThenWrites,
    LosesTheWork,
    KeepsTheCallersChecksum,
    ListsTheOldestFirst,
    IgnoresFilters,
    BooksNothing,
    WritesTextAgain,
    KnowsNoDollars,
    AddsNothing,
    HasNoMinutes,
    KeepsNoLine,
    DeletesHalf,
]


@pytest.mark.parametrize("kind", STORES)
def test_a_broken_store_is_found(kind, tmp_path):
    assert failures(StoreContract, lambda self: kind(), tmp_path)


def test_a_store_with_the_three_methods_alone_passes(tmp_path):
    assert failures(StoreContract, lambda self: Small(), tmp_path) == []


class Emits(ScriptedModel):
    """Emits other text than it gives."""

    async def reply(self, request, emit):
        return await super().reply(request, lambda piece: emit(str(piece).strip()))


class EmitsNothing(ScriptedModel):
    async def reply(self, request, emit):
        return await super().reply(request, lambda piece: None)


class Retries(ScriptedModel):
    async def reply(self, request, emit):
        try:
            return await super().reply(request, emit)
        except ModelUnavailable:
            return await super().reply(request, emit)


class HidesErrors(ScriptedModel):
    async def reply(self, request, emit):
        try:
            return await super().reply(request, emit)
        except Exception as error:
            raise ModelUnavailable(str(error)) from error


class RaisesItsClientsErrors(ScriptedModel):
    async def reply(self, request, emit):
        try:
            return await super().reply(request, emit)
        except ModelUnavailable as error:
            raise ConnectionError(str(error)) from error


class CallsATooLongPromptWrong(ScriptedModel):
    async def reply(self, request, emit):
        try:
            return await super().reply(request, emit)
        except ContextOverflow as error:
            raise ModelRejected(str(error)) from error


class DropsTheSecondCall(ScriptedModel):
    async def reply(self, request, emit):
        reply = await super().reply(request, emit)
        return replace(reply, content=reply.calls[:1]) if len(reply.calls) > 1 else reply


class SaysStopForCalls(ScriptedModel):
    async def reply(self, request, emit):
        return replace(await super().reply(request, emit), finish_reason="stop")


class CountsNothing(ScriptedModel):
    async def reply(self, request, emit):
        return replace(await super().reply(request, emit), usage=NOTHING)


class MixesUp(ScriptedModel):
    """Keeps what it writes on itself, so that two at once write into one another."""

    text = ""

    async def reply(self, request, emit):
        reply = await super().reply(request, lambda piece: None)
        self.text = reply.text
        await asyncio.sleep(0)
        if self.text:
            emit(self.text)
        return reply


class TakesMoreThanItHolds(ScriptedModel):
    def __init__(self, script):
        super().__init__(script, context_tokens=100, max_output_tokens=4096)


class PaysBack(ScriptedModel):
    def cost_usd(self, usage):
        return -float(usage.total_tokens)


NOTHING = Usage()
MODELS = [
    Emits,
    EmitsNothing,
    Retries,
    HidesErrors,
    RaisesItsClientsErrors,
    CallsATooLongPromptWrong,
    DropsTheSecondCall,
    SaysStopForCalls,
    CountsNothing,
    MixesUp,
    TakesMoreThanItHolds,
    PaysBack,
]


@pytest.mark.parametrize("kind", MODELS)
def test_a_broken_model_is_found(kind, tmp_path):
    assert failures(ModelContract, lambda self, *answers: kind(answers), tmp_path)


class OtherSizes(HashEmbedder):
    async def embed(self, texts):
        return [
            vector[: -4 * n] if n else vector for n, vector in enumerate(await super().embed(texts))
        ]


class NotOfLengthOne(HashEmbedder):
    async def embed(self, texts):
        return [struct.pack("<2f", len(text), 1.0) for text in texts]


class Sorted(HashEmbedder):
    async def embed(self, texts):
        return await super().embed(sorted(texts))


class FailsForNothing(HashEmbedder):
    async def embed(self, texts):
        if not texts:
            raise ValueError("no texts")
        return await super().embed(texts)


class SkipsEmptyTexts(HashEmbedder):
    async def embed(self, texts):
        return await super().embed([text for text in texts if text.strip()])


class AtMostAHundred(HashEmbedder):
    async def embed(self, texts):
        return await super().embed(texts[:100])


class BigEndian(HashEmbedder):
    async def embed(self, texts):
        vectors = await super().embed(texts)
        return [
            struct.pack(f">{len(v) // 4}f", *struct.unpack(f"<{len(v) // 4}f", v)) for v in vectors
        ]


class AlwaysTheSame(HashEmbedder):
    async def embed(self, texts):
        return await super().embed(["x" for _ in texts])


class EmptiesItsList(HashEmbedder):
    async def embed(self, texts):
        vectors = await super().embed(texts)
        if isinstance(texts, list):
            texts.clear()
        return vectors


EMBEDDERS = [
    OtherSizes,
    NotOfLengthOne,
    Sorted,
    FailsForNothing,
    SkipsEmptyTexts,
    AtMostAHundred,
    BigEndian,
    AlwaysTheSame,
    EmptiesItsList,
]


@pytest.mark.parametrize("kind", EMBEDDERS)
def test_a_broken_embedder_is_found(kind, tmp_path):
    assert failures(EmbedderContract, lambda self: kind(), tmp_path)


@pytest.mark.parametrize("suite", [StoreContract, ModelContract, EmbedderContract])
def test_a_suite_without_make_says_what_it_needs(suite):
    with pytest.raises(NotImplementedError, match="needs a method make"):
        suite().make()
