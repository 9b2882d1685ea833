"""Prepares text and queries for SQLite's full-text search (FTS5). Pure.

A user's query is plain text, not FTS5's query language: so each term is quoted.
"""

import re

from .common_words import find_common_words

_CJK = r"\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af"
_INVISIBLE = "\u200b"
_CLITIC = re.compile("(?:n['\u2019]t|['\u2019](?:s|ll|re|ve|d|m))$", re.IGNORECASE)
"""What English writes at the end of a word and doesn't mean as one: the 's of "Ann's"."""

MAX_TERMS = 32
"""How many terms of a query count, from its beginning."""
COMMON_WEIGHT = 0.25
"""How much a word that is common in its language weighs, beside 1 for any other."""


def space_out_cjk(text: str) -> str:
    """The text with an invisible space around each Chinese, Japanese or Korean character.

    These scripts have no spaces between words, and SQLite would take a whole sentence for one word.
    """
    if text.isascii():
        return text
    return re.sub(f"([{_CJK}])", f"{_INVISIBLE}\\1{_INVISIBLE}", text)


def remove_spacing(text: str) -> str:
    """Undoes `space_out_cjk`, and puts the text on one line."""
    return " ".join(text.replace(_INVISIBLE, "").split())


def build_queries(query: str) -> list[str]:
    """FTS5 queries, the strictest first: all terms; any word; any word as a prefix.

    A term such as max_chars or read-only stands for its words side by side.
    """
    terms = _terms(query)
    words = [word for term in terms for word in _split(term)]
    return [
        " AND ".join(quote_word(term) for term in terms),
        " OR ".join(quote_word(word) for word in words),
        " OR ".join(f"{quote_word(word)}*" for word in words),
    ]


def weigh_words(query: str, alone: bool = True) -> dict[str, float]:
    """The words of a query in lower case, each with its weight: common ones weigh less than 1.

    With `alone`, all weigh 1 if all are common.
    """
    words = dict.fromkeys(word.lower() for term in _all_terms(query) for word in _split(term))
    common = find_common_words(words)
    if alone and common.issuperset(words):
        return dict.fromkeys(words, 1.0)
    return {word: COMMON_WEIGHT if word in common else 1.0 for word in words}


def quote_word(word: str, or_longer: bool = False) -> str:
    """An FTS5 query for exactly this word, or also for those that begin with it."""
    star = "*" * or_longer
    return f'"{space_out_cjk(word)}"{star}'


def _terms(query: str) -> list[str]:
    terms = _all_terms(query)
    common = find_common_words(term.lower() for term in terms)
    return [term for term in terms if term.lower() not in common] or terms


def _all_terms(query: str) -> list[str]:
    terms = re.findall(r"\w+(?:['\u2019.+/-]\w+)*", query)[:MAX_TERMS]
    return [_CLITIC.sub("", term) for term in terms]


def _split(term: str) -> list[str]:
    words: list[str] = []
    for word in re.findall(r"\w+", term):
        words.extend([word, *_pairs(word)])
    return words


def _pairs(word: str) -> list[str]:
    """Each two neighbouring characters of a long run of Chinese, Japanese or Korean.

    Such a run is several words, and nothing says where one ends.
    """
    pairs: list[str] = []
    for run in re.findall(f"[{_CJK}]{{3,}}", word):
        pairs.extend(run[at : at + 2] for at in range(len(run) - 1))
    return pairs
