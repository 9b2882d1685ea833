"""Searching notes: by their words, by their meaning where an embedding model is there, and by both."""

from collections.abc import Sequence
from typing import Any

import msgspec

from ..core.errors import StoreError, UsageError
from ..stores.full_text import build_queries, query_words, quote_word
from .note import Note
from .note_store import NoteStore
from .ranking import by_idf, reciprocal_rank_fusion
from .vectors import Embedder

EMBED_BATCH = 64
"""Texts that are embedded at once."""
MIN_COSINE = 0.1
"""Vectors further apart have nothing to do with each other, by any model that was tried."""
ALL = 1_000_000
OVERSAMPLING = 4
"""How many times the wanted number each ranking gives, so that what both have in the middle comes to the top."""


class Query(msgspec.Struct, frozen=True):
    text: str
    scopes: Sequence[str] | None
    """None: all."""
    now: float
    limit: int = 5


class Hit(msgspec.Struct, frozen=True):
    note: Note
    score: float
    ranks: dict[str, int]
    """Its place by "words" and by "meaning", from 1, in those that have it."""


class Found(msgspec.Struct, frozen=True):
    hits: tuple[Hit, ...]
    """The best first."""
    fallback_reason: str = ""
    """Why meaning had no part in it, where it should have had one."""


async def search_words(store: NoteStore, query: Query) -> list[Note]:
    """Notes with all words of the query, then with any, then with words that begin so; the best first."""
    found: dict[str, Note] = {}
    for match in filter(None, build_queries(query.text)):  # none for a text without words
        for note in await store.matching(match, query.scopes, query.now, query.limit):
            found.setdefault(note.id, note)
        if len(found) >= query.limit:
            break
    return list(found.values())[: query.limit]


async def search_by_idf(store: NoteStore, query: Query) -> list[Note]:
    """Notes whose words carry most of what the query asks for, the best first: what is exact, beside meaning."""
    notes: dict[str, Note] = {}
    having: dict[str, list[str]] = {}
    for word in dict.fromkeys(query_words(query.text)):
        found = await store.matching(quote_word(word), query.scopes, query.now, ALL)
        having[word] = [note.id for note in found]
        notes |= {note.id: note for note in found}
    count = len(await store.notes(query.scopes, query.now))
    return [notes[each] for each in by_idf(having, count)[: query.limit]]


async def search_meaning(store: NoteStore, embedder: Embedder, query: Query) -> list[Note]:
    """Notes whose vectors point the query's way, the nearest first. Notes without a vector get one first.

    Raises what the embedder raises, and UsageError where numpy is missing.
    """
    if not query.text.strip():
        return []
    [wanted] = await _embedded(embedder, [query.text])
    known = await store.vectors(embedder.name, query.scopes, query.now)
    vectors = {
        note.id: vector
        for note, vector in known
        if vector is not None and len(vector) == len(wanted)
    }
    missing = [note for note, _ in known if note.id not in vectors]
    for start in range(0, len(missing), EMBED_BATCH):
        batch = missing[start : start + EMBED_BATCH]
        made = await _embedded(embedder, [note.text for note in batch])
        new = dict(zip((note.id for note in batch), made, strict=True))
        await store.save_vectors(embedder.name, new)
        vectors |= new
    cosines = _cosines(wanted, [vectors[note.id] for note, _ in known])
    near = [
        (cosine, note)
        for cosine, (note, _) in zip(cosines, known, strict=True)
        if cosine >= MIN_COSINE
    ]
    return [note for _, note in sorted(near, key=lambda each: -each[0])[: query.limit]]


async def search(store: NoteStore, embedder: Embedder | None, query: Query) -> Found:
    """The best notes for the query, by words and by meaning; by words alone where the embedder fails, and why.

    Raises UsageError, as the embedder does for a setting that can't be.
    """
    deep = msgspec.structs.replace(query, limit=query.limit * OVERSAMPLING)
    found: dict[str, list[Note]] = {}
    without = ""
    if embedder is not None:
        try:
            found["meaning"] = await search_meaning(store, embedder, deep)
            found["words"] = await search_by_idf(store, deep)
        except (UsageError, StoreError):
            raise
        except Exception as error:  # a network is in between, and somebody else's code: words are better than nothing
            without = f"{embedder.name} failed, so notes were searched by words alone: {type(error).__name__}: {error}"
    if "meaning" not in found:
        found["words"] = await search_words(store, deep)
    notes = {note.id: note for ranking in found.values() for note in ranking}
    ranked = reciprocal_rank_fusion(
        {name: [note.id for note in ranking] for name, ranking in found.items()}
    )
    hits = tuple(Hit(notes[each.id], each.score, each.ranks) for each in ranked[: query.limit])
    return Found(hits, without)


async def _embedded(embedder: Embedder, texts: Sequence[str]) -> list[bytes]:
    vectors = await embedder.embed(texts)
    if (
        len(vectors) != len(texts)
        or len({len(vector) for vector in vectors}) != 1
        or len(vectors[0]) % 4
    ):
        raise ValueError(
            f"{len(texts)} texts were sent, and {len(vectors)} vectors came, or they are uneven"
        )
    return vectors


def _cosines(wanted: bytes, vectors: Sequence[bytes]) -> Sequence[float]:
    if not vectors:
        return []
    try:
        import numpy
    except ImportError:
        raise UsageError(
            "searching by meaning needs numpy: pip install 'treadle[embeddings]'"
        ) from None
    matrix: Any = numpy.frombuffer(b"".join(vectors), "<f4").reshape(len(vectors), -1)
    cosines: list[float] = (matrix @ numpy.frombuffer(wanted, "<f4")).tolist()
    return cosines
