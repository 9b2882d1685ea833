"""The tool that searches the thread's own log, where all is that the prompt leaves out."""

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing

import msgspec

from ..core import events as e
from ..core.context import Context
from ..core.errors import ToolError
from ..core.function_tool import make_tool
from ..core.judged import as_judged
from ..core.tool import Tool
from ..stores.full_text import quote_word, remove_spacing, space_out_cjk, weigh_words
from ..stores.named_dates import match_dates
from ..stores.ranking import (
    Neighbours,
    add_neighbours,
    discount_question,
    find_by_words,
    find_coverage,
    read_asks,
)
from ..stores.store import Store
from .origin import read_labelled

PASSAGE_CHARS = 1200
MAX_RESULTS = 10
SNIPPET_WORDS = 60

_CREATE = (
    "create virtual table said using fts5(text, tokenize='porter unicode61 remove_diacritics 2')"
)
_INSERT = "insert into said (rowid, text) values (?, ?)"
_FIND = "select rowid from said where said match ?"
_SNIPPET = (
    f"select snippet(said, 0, '', '', '…', {SNIPPET_WORDS}) from said"  # noqa: S608  # a number of this file
    " where said match ? and rowid = ?"
)


class Passage(msgspec.Struct, frozen=True):
    """A piece of a conversation: of a message, or of a tool's result."""

    seq: int
    who: str
    text: str
    at: float = 0.0
    """When it was said, in seconds since the epoch, UTC."""


def make_search_history_tool(logs: Store) -> Tool:
    """A search_history tool for agents that keep their threads in this store."""

    async def search_history(context: Context, query: str, max_results: int = 5) -> str:
        """Search this whole conversation: also what is not shown any more, and full tool results.

        Args:
            query: The words to look for; other forms of an English word are found too. A date in
                it, such as "in May", finds what was said then.
            max_results: How many places, at most 10.
        """
        passages = list(split_passages(await read_labelled(logs, context.thread_id)))
        found = search(passages, query, min(max(max_results, 1), MAX_RESULTS))
        if not found:
            return f"Nothing about {query!r} in this conversation; try fewer or other words."
        return "\n".join(f"[record {each.seq}, {each.who}] {each.text}" for each in found)

    return make_tool(search_history, read_only=True)


def split_passages(records: Sequence[e.Record]) -> Iterator[Passage]:
    """All that was said, oldest first, in pieces of PASSAGE_CHARS, without results of this tool."""
    names: dict[str, str] = {}
    for record in as_judged(records):
        who, text = _said(record.event, names)
        for start in range(0, len(text), PASSAGE_CHARS):
            yield Passage(record.seq, who, text[start : start + PASSAGE_CHARS], record.at)


def search(passages: Sequence[Passage], query: str, count: int) -> list[Passage]:
    """The best matches, shortened: those with most of the query's rare words, and what is beside.

    Raises ToolError for a query without words.
    """
    weights = weigh_words(query)
    if not weights:
        raise ToolError("the query has no words; give a few words to look for")
    with closing(sqlite3.connect(":memory:")) as index:
        try:
            index.execute(_CREATE)
        except sqlite3.OperationalError as error:
            raise ToolError(
                f"search_history needs SQLite with FTS5, which this Python lacks ({error})"
            ) from None
        rows = [(number, space_out_cjk(each.text)) for number, each in enumerate(passages)]
        index.executemany(_INSERT, rows)
        ids_by_word = find_by_words(
            weights, lambda word, longer: _find(index, quote_word(word, longer))
        )
        dates = match_dates(query, range(len(passages)), lambda number: passages[number].at)
        ids_by_word |= dates
        weights |= dict.fromkeys(dates, 1.0)
        best = _rank(passages, find_coverage(ids_by_word, weights, len(passages)))[:count]
        match = " OR ".join(quote_word(word, True) for word in weights if word not in dates)
        return [_shorten(index, match, number, passages[number]) for number in best]


def _find(index: sqlite3.Connection, match: str) -> list[int]:
    return [number for (number,) in index.execute(_FIND, (match,))]


def _rank(passages: Sequence[Passage], coverage: Mapping[int, float]) -> list[int]:
    """The numbers of the passages that match or stand beside one that does, the best first."""
    asks = {number: read_asks(passages[number].text) for number in coverage}
    own = {number: discount_question(coverage[number], asks[number]) for number in coverage}

    def neighbours(number: int) -> Neighbours:
        before = number - 1 if number else None
        after = number + 1 if number + 1 < len(passages) else None
        return before, after

    scores = add_neighbours(own, coverage, neighbours, asks.__getitem__)
    return sorted(scores, key=lambda number: (-scores[number], number))


def _shorten(index: sqlite3.Connection, match: str, number: int, passage: Passage) -> Passage:
    """The passage, cut to what is around the words, or to its beginning if it has none of them."""
    found = index.execute(_SNIPPET, (match, number)).fetchone()
    if found:
        text = remove_spacing(found[0])
    else:
        words = passage.text.split()
        text = " ".join(words[:SNIPPET_WORDS]) + "…" * (len(words) > SNIPPET_WORDS)
    return Passage(passage.seq, passage.who, text, passage.at)


def _said(event: e.Event, names: dict[str, str]) -> tuple[str, str]:
    """Who said what in this event. `names` collects the names of calls by id."""
    match event:
        case e.UserSaid(text=text):
            return "user", text
        case e.ModelReplied(text=text, calls=calls):
            names |= {call.id: call.name for call in calls}
            return "assistant", text
        case e.ToolReturned() | e.OutcomeDecided():
            name = names.get(event.call_id, "a tool")
            if name == "search_history":
                return "", ""
            return f"result of {name}", event.content
        case e.ToolFailed(call_id=call_id, message=text, retry_after_s=None):
            return f"error of {names.get(call_id, 'a tool')}", text
        case _:
            return "", ""
