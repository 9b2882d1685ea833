"""Searches notes by their words, by their meaning if there is an embedding model, or by both."""

from collections.abc import Sequence
from typing import Any

import msgspec

from ..core.errors import StoreError, UsageError
from ..models.known_secrets import redact_known
from ..runtime.border import contain
from ..stores.full_text import build_queries, query_words, quote_word
from .embedder import Embedder
from .note import Note
from .note_store import NoteStore
from .ranking import by_idf, reciprocal_rank_fusion

EMBED_BATCH = 64
"""Texts that are embedded at once."""
MIN_COSINE = 0.1
"""Below this cosine, two texts had nothing to do with each other with any model that was tried."""
ALL = 1_000_000
OVERSAMPLING = 4
"""Each ranking gives this many times the wanted hits: a note in the middle of both may win."""


class Query(msgspec.Struct, frozen=True):
    """What to search for, where, and as of when."""

    text: str
    scopes: Sequence[str] | None
    """None: all."""
    now: float
    limit: int = 5


class Hit(msgspec.Struct, frozen=True):
    """A note that was found."""

    note: Note
    score: float
    ranks: dict[str, int]
    """Its rank by "words" and by "meaning", from 1, in those that found it."""


class Found(msgspec.Struct, frozen=True):
    """The result of a search."""

    hits: tuple[Hit, ...]
    """The best first."""
    fallback_reason: str = ""
    """Why only words were searched, if meaning should have been searched too."""


async def search_words(store: NoteStore, query: Query) -> list[Note]:
    """Notes with all words of the query, then with any, then with words that begin with one."""
    found: dict[str, Note] = {}
    for match in filter(None, build_queries(query.text)):  # a text without words has no queries
        for note in await store.matching(match, query.scopes, query.now, query.limit):
            found.setdefault(note.id, note)
        if len(found) >= query.limit:
            break
    return list(found.values())[: query.limit]


async def search_by_idf(store: NoteStore, query: Query) -> list[Note]:
    """Notes that match the rare words of the query, best first. Completes a search by meaning."""
    notes: dict[str, Note] = {}
    ids_by_word: dict[str, list[str]] = {}
    for word in dict.fromkeys(query_words(query.text)):
        found = await store.matching(quote_word(word), query.scopes, query.now, ALL)
        ids_by_word[word] = [note.id for note in found]
        notes |= {note.id: note for note in found}
    count = len(await store.notes(query.scopes, query.now))
    return [notes[each] for each in by_idf(ids_by_word, count)[: query.limit]]


async def search_meaning(store: NoteStore, embedder: Embedder, query: Query) -> list[Note]:
    """Notes whose meaning is near the query's, nearest first. Notes without a vector get one.

    Raises what the embedder raises, and UsageError if numpy is missing.
    """
    if not query.text.strip():
        return []
    [wanted] = await _embed(embedder, [query.text])
    known = await store.vectors(embedder.name, query.scopes, query.now)
    vectors: dict[str, bytes] = {}
    missing: list[Note] = []
    for note, vector in known:
        if vector is not None and len(vector) == len(wanted):
            vectors[note.id] = vector
        else:
            missing.append(note)
    for start in range(0, len(missing), EMBED_BATCH):
        batch = missing[start : start + EMBED_BATCH]
        made = await _embed(embedder, [note.text for note in batch])
        new = dict(zip((note.id for note in batch), made, strict=True))
        await store.save_vectors(embedder.name, new)
        vectors |= new
    notes = [note for note, _ in known]
    cosines = _compute_cosines(wanted, [vectors[note.id] for note in notes])
    near = [pair for pair in zip(cosines, notes, strict=True) if pair[0] >= MIN_COSINE]
    near.sort(key=lambda pair: -pair[0])
    return [note for _, note in near[: query.limit]]


async def search(store: NoteStore, embedder: Embedder | None, query: Query) -> Found:
    """The best notes for the query by words and meaning; by words alone if the embedder fails.

    Raises UsageError, as the embedder does for a wrong setting.
    """
    deep = msgspec.structs.replace(query, limit=query.limit * OVERSAMPLING)
    rankings: dict[str, list[Note]] = {}
    fallback_reason = ""
    if embedder is not None:
        try:
            rankings["meaning"] = await contain(
                search_meaning(store, embedder, deep), f"the embedder {embedder.name}"
            )
            rankings["words"] = await search_by_idf(store, deep)
        except (UsageError, StoreError):
            raise
        except Exception as error:  # the network or somebody else's code: words still help
            fallback_reason = (
                f"{embedder.name} failed, so notes were searched by words alone:"
                f" {type(error).__name__}: {redact_known(str(error))}"
            )
    if "meaning" not in rankings:
        rankings["words"] = await search_words(store, deep)
    notes: dict[str, Note] = {}
    ids: dict[str, list[str]] = {}
    for name, ranking in rankings.items():
        ids[name] = [note.id for note in ranking]
        notes |= {note.id: note for note in ranking}
    best = reciprocal_rank_fusion(ids)[: query.limit]
    hits = tuple(Hit(notes[each.id], each.score, each.ranks) for each in best)
    return Found(hits, fallback_reason)


async def _embed(embedder: Embedder, texts: Sequence[str]) -> list[bytes]:
    vectors = await embedder.embed(texts)
    sizes = {len(vector) for vector in vectors}
    if len(vectors) != len(texts) or len(sizes) != 1 or len(vectors[0]) % 4:
        raise ValueError(
            f"{len(texts)} texts were sent, and {len(vectors)} vectors came, or they are uneven"
        )
    return vectors


def _compute_cosines(wanted: bytes, vectors: Sequence[bytes]) -> Sequence[float]:
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
