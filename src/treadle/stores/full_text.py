"""Prepares text and queries for SQLite's full-text search (FTS5). Pure.

A user's query is plain text, not FTS5's query language: so each term is quoted.
"""

import re

_CJK = r"\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af"
_INVISIBLE = "\u200b"
_STOP_WORDS = re.compile(
    "a|an|and|are|as|at|be|by|can|do|does|for|from|how|i|in|is|it|me|my|of|on|or|our|show|tell|that|the"
    "|there|this|to|was|we|what|when|where|which|who|why|will|with|you|your",
    re.IGNORECASE,
)


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
    words = query_words(query)
    return [
        " AND ".join(quote_word(term) for term in terms),
        " OR ".join(quote_word(word) for word in words),
        " OR ".join(f"{quote_word(word)}*" for word in words),
    ]


def query_words(query: str) -> list[str]:
    """The words of a query in their order, without stop words."""
    words: list[str] = []
    for term in _terms(query):
        for word in re.findall(r"\w+", term):
            words.extend([word, *_pairs(word)])
    return words


def quote_word(word: str) -> str:
    """An FTS5 query for exactly this word."""
    return f'"{space_out_cjk(word)}"'


def _terms(query: str) -> list[str]:
    terms = re.findall(r"\w+(?:['\u2019.+/-]\w+)*", query)[:32]
    return [term for term in terms if not _STOP_WORDS.fullmatch(term)] or terms


def _pairs(word: str) -> list[str]:
    """Each two neighbouring characters of a long run of Chinese, Japanese or Korean.

    Such a run is several words, and nothing says where one ends.
    """
    pairs: list[str] = []
    for run in re.findall(f"[{_CJK}]{{3,}}", word):
        pairs.extend(run[at : at + 2] for at in range(len(run) - 1))
    return pairs
