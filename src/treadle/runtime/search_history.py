"""The tool that searches the thread's own log, where all is that the prompt leaves out."""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing

import msgspec

from ..core import events as e
from ..core.context import Context
from ..core.errors import ToolError
from ..core.tool import Tool, make_tool
from ..stores.full_text import build_queries, remove_spacing, space_out_cjk
from ..stores.store import Store
from .origin import read_records

PASSAGE_CHARS = 1200
MAX_RESULTS = 10
SNIPPET_WORDS = 60

_CREATE = (
    "create virtual table said using fts5(text, tokenize='porter unicode61 remove_diacritics 2')"
)
_INSERT = "insert into said (rowid, text) values (?, ?)"
_SEARCH = (
    f"select rowid, snippet(said, 0, '', '', '…', {SNIPPET_WORDS}) from said where said match ?"
    " order by bm25(said), rowid limit ?"
)


class Passage(msgspec.Struct, frozen=True):
    """A piece of a conversation: of a message, or of a tool's result."""

    seq: int
    who: str
    text: str


def make_search_history_tool(logs: Store) -> Tool:
    """A search_history tool for agents that keep their threads in this store."""

    async def search_history(context: Context, query: str, max_results: int = 5) -> str:
        """Search this whole conversation: also what is not shown any more, and full tool results.

        Args:
            query: The words to look for; other forms of an English word are found too.
            max_results: How many places, at most 10.
        """
        passages = list(split_passages(await read_records(logs, context.thread_id)))
        found = search(passages, query, min(max(max_results, 1), MAX_RESULTS))
        if not found:
            return f"Nothing about {query!r} in this conversation; try fewer or other words."
        return "\n".join(f"[record {each.seq}, {each.who}] {each.text}" for each in found)

    return make_tool(search_history, read_only=True)


def split_passages(records: Sequence[e.Record]) -> Iterator[Passage]:
    """All that was said, oldest first, in pieces of PASSAGE_CHARS, without results of this tool."""
    names: dict[str, str] = {}
    for record in records:
        who, text = _said(record.event, names)
        for start in range(0, len(text), PASSAGE_CHARS):
            yield Passage(record.seq, who, text[start : start + PASSAGE_CHARS])


def search(passages: Sequence[Passage], query: str, count: int) -> list[Passage]:
    """The best matches, shortened: those with all words of the query before those with any.

    Raises ToolError for a query without words.
    """
    queries = [each for each in build_queries(query) if each]
    if not queries:
        raise ToolError("the query has no words; give a few words to look for")
    found: dict[int, str] = {}
    with closing(sqlite3.connect(":memory:")) as index:
        try:
            index.execute(_CREATE)
        except sqlite3.OperationalError as error:
            raise ToolError(
                f"search_history needs SQLite with FTS5, which this Python lacks ({error})"
            ) from None
        rows = [(number, space_out_cjk(each.text)) for number, each in enumerate(passages)]
        index.executemany(_INSERT, rows)
        for each in queries:
            for number, snippet in index.execute(_SEARCH, (each, count)):
                found.setdefault(number, remove_spacing(snippet))
            if len(found) >= count:
                break
    best = list(found.items())[:count]
    return [
        Passage(passages[number].seq, passages[number].who, snippet) for number, snippet in best
    ]


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
