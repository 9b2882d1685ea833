"""The labels of benchmarks/recall.jsonl and recall_chats.jsonl say what they say."""

import json
import re
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from treadle.tools.docs import build_queries


def rows(name: str) -> list[dict[str, Any]]:
    path = Path(__file__).parents[2] / "benchmarks" / name
    return [json.loads(line) for line in path.read_text("utf8").splitlines()]


ROWS = rows("recall.jsonl")
FACTS = {row["fact"]: row for row in ROWS if "fact" in row}
QUESTIONS = [row for row in ROWS if "question" in row]


def shared(question: str, fact: str) -> int:
    """How many of the question's words, the commonest apart, full-text search finds in the fact."""
    words = dict.fromkeys(re.findall('"([^"]+)"', build_queries(question)[1]))
    with sqlite3.connect(":memory:") as database:
        database.execute(
            "CREATE VIRTUAL TABLE f USING fts5(t, tokenize='porter unicode61 remove_diacritics 2')"
        )
        database.execute("INSERT INTO f VALUES (?)", (fact,))
        found = [
            database.execute("SELECT count(*) FROM f WHERE f MATCH ?", (f'"{word}"',)).fetchone()
            for word in words
        ]
    database.close()
    return sum(count for (count,) in found)


def test_there_are_enough_facts_and_questions_and_none_twice():
    assert len(FACTS) + len(QUESTIONS) == len(ROWS)
    assert len(FACTS) >= 100
    assert len({row["question"] for row in QUESTIONS}) == len(QUESTIONS) >= 100
    assert sum(row["language"] != "en" for row in FACTS.values()) >= 12


@pytest.mark.parametrize("row", QUESTIONS, ids=lambda row: row["question"])
def test_a_question_names_its_facts_and_shares_words_as_its_kind_says(row):
    words = [shared(row["question"], FACTS[name]["text"]) for name in row["facts"]]
    languages = {FACTS[name]["language"] for name in row["facts"]}
    assert words
    assert row["kind"] in ("easy", "hard", "across")
    assert min(words) >= 1 if row["kind"] == "easy" else max(words) <= 2
    assert (languages != {row["language"]}) == (row["kind"] == "across")


def test_each_question_about_a_chat_names_messages_of_that_chat():
    found = rows("recall_chats.jsonl")
    halves = {row["chat"]: row["half"] for row in found if "half" in row}
    said = [(row["chat"], row["message"]) for row in found if "message" in row]
    asked = [row for row in found if "question" in row]
    assert sorted(halves.values()) == ["held out"] * 3 + ["tuned"] * 3
    assert len(set(said)) == len(said) > 1_600
    assert len({row["question"] for row in asked}) == len(asked) > 120
    for row in asked:
        assert row["messages"]
        assert {(row["chat"], number) for number in row["messages"]} <= set(said)
    for chat in halves:
        times = [row["at"] for row in found if "message" in row and row["chat"] == chat]
        assert times == sorted(times)
