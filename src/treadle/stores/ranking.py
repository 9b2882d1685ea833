"""Ranks texts by the words that they share with a query, and by what was said beside them. Pure.

1. A word counts the more, the fewer of the texts have it. All counts are of the texts that may be
   found: texts that the searcher may not see change nothing.
2. A question is rarely the answer. Questions count half, and most of what a question shares with
   the query goes to what was said next.
3. The answer often stands beside what shares the words, so a text also gets a part of what its
   neighbours have.

Decision 004 has the figures behind the numbers.
"""

import math
import re
from collections.abc import Callable, Collection, Iterable, Mapping

import msgspec

QUESTION_WEIGHT = 0.5
"""How much a question counts, beside 1 for a statement."""
BESIDE = 0.25
"""The part of a text's score that goes to the texts before and after it."""
AFTER_QUESTION = 0.5
"""The part that goes to the text after it if it ends in a question."""

_SENTENCE_END = re.compile(
    r"""(?<=[.!?\u2026])["')\]\u201d\u00bb]*\s+|(?<=[\u3002\uff01\uff1f])(?=\S)"""
)
_ABBREVIATION = re.compile(
    r"(?:^|[\s(])(?:[^\W\d_]|\w+\.\w+|Dr|Mrs?|Ms|St|Prof|[JS]r|vs|etc|ca|bzw|Nr|Str)\.$"
)
"""A dot that ends no sentence: of a title, of "e.g.", of an initial."""
_QUESTION_END = re.compile(r"""[?\uff1f][!?"')\]\u201d\u00bb\s]*$""")
_SPEAKER = re.compile(r"[^\W\d_][\w .'-]{0,40}: +")


class Asks(msgspec.Struct, frozen=True):
    """How far a text is a question."""

    share: float = 0.0
    """The share of its sentences that are questions."""
    at_end: bool = False
    """Whether its last sentence is one."""


Neighbours = tuple[int | None, int | None]
"""The text before, and the text after; None at the edge."""


def split_sentences(text: str) -> list[str]:
    """The sentences of a text; at least one.

    The name at the beginning of "Ann: I went home. It rained." stands before each of them.
    """
    speaker = _SPEAKER.match(text)
    name = speaker[0] if speaker else ""
    sentences: list[str] = []
    for piece in _SENTENCE_END.split(text[len(name) :]):
        piece = piece.strip()
        if sentences and piece and _ABBREVIATION.search(sentences[-1]):
            sentences[-1] += f" {piece}"
        elif piece:
            sentences.append(piece)
    return [name + sentence for sentence in sentences] or [text]


def is_question(sentence: str) -> bool:
    """Whether a sentence ends in a question mark."""
    return _QUESTION_END.search(sentence) is not None


def read_asks(text: str) -> Asks:
    """How far this text is a question."""
    questions = [is_question(sentence) for sentence in split_sentences(text)]
    return Asks(sum(questions) / len(questions), questions[-1])


def find_coverage(
    ids_by_word: Mapping[str, Collection[int]], weights: Mapping[str, float], count: int
) -> dict[int, float]:
    """For each id, the share that it has of what the query asks for: 0 to 1.

    `ids_by_word` says for each word of the query which of the `count` texts have it; a word weighs
    its own weight times its IDF. Ids that have only common words, of a weight below 1, are left
    out.
    """
    coverage: dict[int, float] = {}
    total = 0.0
    for word in sorted(ids_by_word, key=lambda word: -weights[word]):
        ids = ids_by_word[word]
        worth = weights[word] * math.log(1 + (count - len(ids) + 0.5) / (len(ids) + 0.5))
        total += worth
        for each in ids:
            if weights[word] == 1 or each in coverage:
                coverage[each] = coverage.get(each, 0.0) + worth
    return {each: worth / total for each, worth in coverage.items()}


def discount_question(score: float, asks: Asks) -> float:
    """A score by words, less the part that questions don't count."""
    return score * (1 - (1 - QUESTION_WEIGHT) * asks.share)


def add_neighbours(
    scores: Mapping[int, float],
    found: Mapping[int, float],
    neighbours: Callable[[int], Neighbours],
    asks: Callable[[int], Asks],
) -> dict[int, float]:
    """The scores, with what the texts that were found give to their neighbours.

    `scores` are the texts' own; `found` is what each has before questions are discounted.
    """
    whole = dict(scores)
    for each, score in found.items():
        before, after = neighbours(each)
        if before is not None:
            whole[before] = whole.get(before, 0.0) + BESIDE * score
        if after is not None:
            part = AFTER_QUESTION if asks(each).at_end else BESIDE
            whole[after] = whole.get(after, 0.0) + part * score
    return whole


def find_by_words(
    query_words: Iterable[str], find: Callable[[str, bool], Collection[int]]
) -> dict[str, Collection[int]]:
    """For each word the ids that `find` gives for it; if it gives none, for its beginnings.

    The second argument of `find` says whether words that begin with the word count too.
    """
    return {word: find(word, False) or find(word, True) for word in query_words}
