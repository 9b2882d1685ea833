"""The tool that searches the thread's own log: what the prompt leaves out is still there."""

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


class Passage(msgspec.Struct, frozen=True):
    """Some of what was said in a thread."""

    seq: int
    who: str
    text: str


def make_search_history_tool(logs: Store) -> Tool:
    """A search_history tool for agents that keep their threads there."""

    async def search_history(context: Context, query: str, max_results: int = 5) -> str:
        """Search this whole conversation, also what is not shown any more: what was said, and results of tools in full.

        Args:
            query: The words to look for; other forms of an English word are found too.
            max_results: How many places, at most 10.
        """
        said = list(split_passages(await read_records(logs, context.thread_id)))
        found = search(said, query, min(max(max_results, 1), MAX_RESULTS))
        lines = [f"[record {each.seq}, {each.who}] {each.text}" for each in found]
        return (
            "\n".join(lines)
            or f"Nothing about {query!r} in this conversation; try fewer or other words."
        )

    return make_tool(search_history, read_only=True)


def split_passages(records: Sequence[e.Record]) -> Iterator[Passage]:
    """All that was said, oldest first, in pieces of at most 1,200 characters; not what search_history found. Pure."""
    names: dict[str, str] = {}
    for record in records:
        who, text = _said(record.event, names)
        for start in range(0, len(text), PASSAGE_CHARS):
            yield Passage(record.seq, who, text[start : start + PASSAGE_CHARS])


def search(said: Sequence[Passage], query: str, count: int) -> list[Passage]:
    """The best passages, each as an extract: with all words of the query, then with any. Raises ToolError."""
    if not (asked := [match for match in build_queries(query) if match]):
        raise ToolError("the query has no words; give a few words to look for")
    with closing(sqlite3.connect(":memory:")) as index:
        try:
            index.execute(
                "create virtual table said using fts5(text, tokenize='porter unicode61 remove_diacritics 2')"
            )
        except sqlite3.OperationalError as error:
            raise ToolError(
                f"search_history needs SQLite with FTS5, which this Python lacks ({error})"
            ) from None
        rows = [(number, space_out_cjk(each.text)) for number, each in enumerate(said)]
        index.executemany("insert into said (rowid, text) values (?, ?)", rows)
        found: dict[int, str] = {}
        for match in asked:
            query_rows = index.execute(
                f"select rowid, snippet(said, 0, '', '', '…', {SNIPPET_WORDS}) from said where said match ?"
                " order by bm25(said), rowid limit ?",
                (match, count),
            )
            for number, extract in query_rows:
                found.setdefault(number, remove_spacing(extract))
            if len(found) >= count:
                break
    return [
        Passage(said[n].seq, said[n].who, extract) for n, extract in list(found.items())[:count]
    ]


def _said(event: e.Event, names: dict[str, str]) -> tuple[str, str]:
    match event:
        case e.UserSaid(text=text):
            return "user", text
        case e.ModelReplied(text=text, calls=calls):
            names |= {call.id: call.name for call in calls}
            return "assistant", text
        case (
            e.ToolReturned(call_id=call_id, content=text)
            | e.OutcomeDecided(call_id=call_id, content=text)
        ):
            name = names.get(call_id, "a tool")
            return f"result of {name}", "" if name == "search_history" else text
        case e.ToolFailed(call_id=call_id, message=text, retry_after_s=None):
            return f"error of {names.get(call_id, 'a tool')}", text
        case _:
            return "", ""
