"""Finds tools by the words of their names, descriptions and parameters. Knows no model.

Words are taken from the query as from one for notes: common ones don't count unless there are no
others, and where no tool has a word, longer ones that begin with it do. SQLite ranks: the fewer of
the tools have a word, the more it counts (BM25), and a word in a name counts twice.
"""

import re
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from ..core.tool import Tool
from ..stores.full_text import build_queries, space_out_cjk

MAX_SCHEMA_TEXTS = 200
"""How many names and descriptions of parameters are read of one tool."""

_TABLE = "create virtual table tool using fts5(name, about, tokenize='porter unicode61')"
_FIND = "select rowid from tool where tool match ? order by bm25(tool, 2.0, 1.0), rowid limit ?"
_WORD_EDGE = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|[_\-.]+")


def find_tools(tools: Sequence[Tool], query: str, limit: int) -> list[Tool]:
    """The tools that fit the query best, the best first; of equal ones, the one given first."""
    db = sqlite3.connect(":memory:")
    try:
        db.execute(_TABLE)
        rows = [(split_name(tool.name), space_out_cjk(_describe(tool))) for tool in tools]
        db.executemany("insert into tool (name, about) values (?, ?)", rows)
        for any_word in build_queries(split_name(query))[1:]:
            found = db.execute(_FIND, (any_word, limit)).fetchall() if any_word else []
            if found:
                return [tools[number - 1] for (number,) in found]
    finally:
        db.close()
    return []


def split_name(name: str) -> str:
    """The words in a name such as getWeather, get_weather or time__convert."""
    return _WORD_EDGE.sub(" ", name)


def _describe(tool: Tool) -> str:
    texts = [tool.description]
    for text in _texts_of(tool.parameters, split_name):
        if len(texts) > MAX_SCHEMA_TEXTS:
            break
        texts.append(text)
    return "\n".join(texts)


def _texts_of(schema: Any, read_name: Callable[[str], str]) -> Iterator[str]:
    """The names and descriptions of its properties, and the values that they may have."""
    waiting = [schema]
    while waiting:
        part = waiting.pop(0)
        if isinstance(part, list):
            waiting += part
        if not isinstance(part, dict):
            continue
        for key, value in part.items():
            if key == "properties" and isinstance(value, dict):
                yield from map(read_name, value)
                waiting += value.values()
            elif key == "description" and isinstance(value, str):
                yield value
            elif key == "enum" and isinstance(value, list):
                yield from (each for each in value if isinstance(each, str))
            elif key in ("items", "anyOf", "oneOf", "allOf", "$defs"):
                waiting += value.values() if key == "$defs" else [value]
