"""Text as SQLite's full-text search wants it: what is indexed, and what is asked. Pure.

What somebody asks is text, not a query in FTS5's language: each term is quoted.
"""

import re

_CJK = r"\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af"
_INVISIBLE = "\u200b"
_STOPPED = re.compile(
    "a|an|and|are|as|at|be|by|can|do|does|for|from|how|i|in|is|it|me|my|of|on|or|our|show|tell|that|the|there|this|to"
    "|was|we|what|when|where|which|who|why|will|with|you|your",
    re.IGNORECASE,
)


def space_out_cjk(text: str) -> str:
    """With an invisible space around each Chinese, Japanese or Korean character: SQLite takes a run for one word."""
    return text if text.isascii() else re.sub(f"([{_CJK}])", f"{_INVISIBLE}\\1{_INVISIBLE}", text)


def remove_spacing(text: str) -> str:
    """On one line, and without what `spaced` put in."""
    return " ".join(text.replace(_INVISIBLE, "").split())


def build_queries(query: str) -> list[str]:
    """What to ask FTS5, the strictest first: all terms; any word; any word that begins so. Pure.

    A term such as max_chars or read-only stands for its words side by side.
    """
    terms, words = _terms(query), query_words(query)
    return [
        " AND ".join(f'"{space_out_cjk(term)}"' for term in terms),
        " OR ".join(f'"{space_out_cjk(word)}"' for word in words),
        " OR ".join(f'"{space_out_cjk(word)}"*' for word in words),
    ]


def query_words(query: str) -> list[str]:
    """The words of a query that say something, in their order."""
    return [
        part for term in _terms(query) for word in re.findall(r"\w+", term) for part in _parts(word)
    ]


def quote_word(word: str) -> str:
    """What to ask FTS5 for this word and no other."""
    return f'"{space_out_cjk(word)}"'


def _terms(query: str) -> list[str]:
    terms = re.findall(r"\w+(?:['\u2019.+/-]\w+)*", query)[:32]
    return [term for term in terms if not _STOPPED.fullmatch(term)] or terms


def _parts(word: str) -> list[str]:
    """The word; of a long run of Chinese, Japanese or Korean, which is several words, also each two characters."""
    runs = re.findall(f"[{_CJK}]{{3,}}", word)
    return [word, *(run[at : at + 2] for run in runs for at in range(len(run) - 1))]
