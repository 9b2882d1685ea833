"""Searches notes by their words, by their meaning if there is an embedding model, or by both.

1. A note's score by words is the share that it has of the query's words, rare ones counting more.
   A date that the query names is a word that all notes of that time have.
2. Its score by meaning is the cosine of the query and the nearest of its sentences. Both are added;
   words count the less, the fewer of them even the best note has (WORDS_WEIGHT).
3. What stands beside a hit in its thread gets a part of its score (stores/ranking.py).
4. All counts are of the notes that may be found: notes of other scopes change nothing.
"""

import heapq
import sqlite3
from collections.abc import Mapping, Sequence
from functools import partial

import msgspec
from msgspec.structs import replace

from ..core.errors import ContextOverflow, ModelRejected, StoreError, UsageError
from ..models.known_secrets import redact_known
from ..runtime.border import contain
from ..stores.common_words import ENGLISH
from ..stores.full_text import COMMON_WEIGHT, quote_word, weigh_words
from ..stores.named_dates import match_dates
from ..stores.ranking import (
    add_neighbours,
    discount_question,
    find_by_words,
    find_coverage,
    split_sentences,
)
from .embedder import Embedder
from .note import Note
from .note_index import NoteIndex
from .note_store import NoteStore
from .note_table import find_matching
from .vector_block import FLOAT_BYTES

MAX_QUERY_CHARS = 4000
"""How much of a query's text counts, from its beginning: a thread's first message may be a book."""
EMBED_BATCH = 64
"""Notes that are embedded at once."""
MIN_COSINE = 0.05
"""Below this cosine, two texts have nothing to do with each other."""
WORDS_WEIGHT = 2.0
"""How much the share of a query's words counts beside a cosine, if a note has all of them.

It counts less by the square of the best share: where even the best note has only a third of what
the query asks for, the words are hardly those that matter.
"""
CANDIDATES = 200
"""Of so many notes, the best by their own, it is looked at what stands beside them."""


class Query(msgspec.Struct, frozen=True):
    """What to search for, where, and as of when."""

    text: str
    scopes: Sequence[str] | None
    """None: all."""
    now: float
    limit: int = 5
    guess: bool = True
    """Whether a date may find something alone, and common words if no other word does."""


class Hit(msgspec.Struct, frozen=True):
    """A note that was found."""

    note: Note
    score: float
    ranks: dict[str, int]
    """Its rank by "words" and by "meaning", from 1, in those that found it.

    Empty for a note that only stands beside one that was found.
    """
    number: int = 0
    """Of two notes of the same time, the one that was written later has the higher number."""


class Found(msgspec.Struct, frozen=True):
    """The result of a search."""

    hits: tuple[Hit, ...]
    """The best first."""
    fallback_reason: str = ""
    """Why only words were searched, if meaning should have been searched too."""

    @property
    def oldest_first(self) -> list[Hit]:
        """The hits in the order in which they were said."""
        return sorted(self.hits, key=lambda hit: (hit.note.at, hit.number))


async def search(store: NoteStore, embedder: Embedder | None, query: Query) -> Found:
    """The best notes for the query by words and meaning; by words alone if the embedder fails.

    Notes that the search may find and that have no vectors get theirs. If that fails, those that
    have some are found by meaning all the same. Raises UsageError, as the embedder does for a wrong
    setting.
    """
    query = replace(query, text=query.text[:MAX_QUERY_CHARS])
    wanted = b""
    fallback_reason = ""
    if embedder is not None and query.text.strip():
        try:
            whose = f"the embedder {embedder.name}"
            [wanted] = await contain(_embed(embedder, [query.text]), whose)
            await contain(_embed_missing(store, embedder, query, len(wanted)), whose)
        except (UsageError, StoreError):
            raise
        except Exception as error:  # the network or somebody else's code: words still help
            which = "notes that have no vectors yet" if wanted else "notes"
            fallback_reason = (
                f"{embedder.name} failed, so {which} were searched by words alone:"
                f" {type(error).__name__}: {redact_known(str(error))}"
            )
    model = embedder.name if embedder else ""
    hits = await store.search(partial(_find_hits, query=query, model=model, wanted=wanted))
    return Found(hits, fallback_reason)


async def _embed_missing(
    store: NoteStore, embedder: Embedder, query: Query, size_bytes: int
) -> None:
    """Make the vectors of the notes that the search may find and that have none.

    Raises what the embedder raises, and UsageError if numpy is missing.
    """

    def find_missing(db: sqlite3.Connection, index: NoteIndex) -> list[Note]:
        block = index.use_vectors(db, embedder.name, size_bytes // FLOAT_BYTES)
        live = index.find_live(query.scopes, query.now)
        return [index.notes[number] for number in sorted(live, reverse=True) if number not in block]

    missing = await store.search(find_missing)
    for start in range(0, len(missing), EMBED_BATCH):
        await _embed_notes(store, embedder, missing[start : start + EMBED_BATCH], size_bytes)


async def _embed_notes(
    store: NoteStore, embedder: Embedder, notes: Sequence[Note], size_bytes: int
) -> None:
    """Make and save the vectors of these notes.

    One that the model refuses, as it is too long for it, say, keeps no other from its vectors. It
    gets vectors that nothing is near to, so that it isn't sent again.
    """
    sentences = [split_sentences(note.text) for note in notes]
    try:
        made = await _embed(embedder, [text for texts in sentences for text in texts])
    except (ModelRejected, ContextOverflow):
        middle = len(notes) // 2
        if middle:
            await _embed_notes(store, embedder, notes[:middle], size_bytes)
            await _embed_notes(store, embedder, notes[middle:], size_bytes)
            return
        made = [bytes(size_bytes)] * len(sentences[0])
    if len(made[0]) != size_bytes:
        raise ValueError(f"vectors of {len(made[0])} and of {size_bytes} bytes came")
    vectors = iter(made)
    joined = {
        note.id: b"".join(next(vectors) for _ in texts)
        for note, texts in zip(notes, sentences, strict=True)
    }
    await store.save_vectors(embedder.name, joined)


def _find_hits(
    db: sqlite3.Connection, index: NoteIndex, query: Query, model: str, wanted: bytes
) -> tuple[Hit, ...]:
    live = index.find_live(query.scopes, query.now)
    coverage = _find_coverage(db, index, live, query, or_longer=not wanted)
    cosines: dict[int, float] = {}
    if wanted:
        block = index.use_vectors(db, model, len(wanted) // FLOAT_BYTES)
        near = block.find_cosines(wanted, MIN_COSINE)
        cosines = {number: cosine for number, cosine in near.items() if number in live}
    scores = _score(index, live, coverage, cosines)
    best = heapq.nlargest(
        query.limit, scores, key=lambda number: (scores[number], index.notes[number].at, number)
    )
    ranks = {"meaning": _rank(cosines), "words": _rank(coverage)}
    return tuple(
        Hit(
            index.notes[number],
            scores[number],
            {way: places[number] for way, places in ranks.items() if number in places},
            number,
        )
        for number in best
    )


def _find_coverage(
    db: sqlite3.Connection, index: NoteIndex, live: set[int], query: Query, or_longer: bool
) -> dict[int, float]:
    """What each note has of the query's words, and of the dates that it names.

    `or_longer`: of a word that no note has, words that begin with it count. Beside meaning, which
    knows the word, they would only be in the way.
    """
    weights = weigh_words(query.text, alone=query.guess)

    def find(word: str, longer: bool) -> set[int]:
        if longer and not or_longer:
            return set()
        return live.intersection(find_matching(db, quote_word(word, longer)))

    ids_by_word = find_by_words(weights, find)
    dates = match_dates(query.text, live, lambda number: index.notes[number].at)
    weight = 1.0 if query.guess else COMMON_WEIGHT
    weights |= dict.fromkeys(dates, weight)
    coverage = find_coverage(ids_by_word | dates, weights, len(live))
    if coverage or not query.guess:
        return coverage
    guesses = {word: ids for word, ids in ids_by_word.items() if word not in ENGLISH}
    return find_coverage(guesses, dict.fromkeys(guesses, 1.0), len(live))


def _score(
    index: NoteIndex, live: set[int], coverage: Mapping[int, float], cosines: Mapping[int, float]
) -> dict[int, float]:
    """The score of each note that was found or stands beside one that was."""
    found = dict(coverage)
    if cosines:
        worth = WORDS_WEIGHT * max(coverage.values(), default=0.0) ** 2
        found = {number: worth * share for number, share in coverage.items()}
    words = found.copy()
    for number, cosine in cosines.items():
        found[number] = found.get(number, 0.0) + cosine
    best = {number: found[number] for number in _take_best(found)}
    own: dict[int, float] = {}
    for number, score in best.items():
        by_words = words.get(number, 0.0)
        own[number] = score - by_words + discount_question(by_words, index.read_asks(number))
    whole = add_neighbours(own, best, index.find_neighbours, index.read_asks)
    return {number: score for number, score in whole.items() if number in live}


def _take_best(scores: Mapping[int, float]) -> list[int]:
    """The CANDIDATES best, in order; of equal ones, the later written is first."""
    return heapq.nlargest(CANDIDATES, scores, key=lambda number: (scores[number], number))


def _rank(scores: Mapping[int, float]) -> dict[int, int]:
    """The place of each of the best by its score, from 1."""
    return {number: place for place, number in enumerate(_take_best(scores), 1)}


async def _embed(embedder: Embedder, texts: Sequence[str]) -> list[bytes]:
    vectors = await embedder.embed(texts)
    sizes = {len(vector) for vector in vectors}
    if len(vectors) != len(texts) or len(sizes) != 1 or len(vectors[0]) % FLOAT_BYTES:
        raise ValueError(
            f"{len(texts)} texts were sent, and {len(vectors)} vectors came, or they are uneven"
        )
    return vectors
