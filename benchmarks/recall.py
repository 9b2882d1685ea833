"""How well notes are found again: by their words, by their meaning, by both. recall.jsonl has facts and questions.

    python benchmarks/recall.py                                  every offline model that is installed
    python benchmarks/recall.py --endpoint http://127.0.0.1:8000/v1#name        and one behind an endpoint
    python benchmarks/recall.py --misses                         what was not found among the first three

Questions are easy (they share words with the fact), hard (nearly none), or across (in another language). Nothing is
asserted: figures are for people. Both: reciprocal rank fusion, of all that the words found, or (covered) only of what
has words that carry at least COVERED of what the question's words tell.
"""

import argparse
import asyncio
import json
import math
import re
import sqlite3
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from recall_models import Embed, installed

from treadle.memory.embeddings import OpenAIEmbedder
from treadle.tools.docs import matches

SET = Path(__file__).with_name("recall.jsonl")
CANDIDATES = 30
"""How many each list gives to the fusion."""
K = 60
COVERED = 0.4


@dataclass(frozen=True)
class Question:
    text: str
    kind: str
    language: str
    places: frozenset[int]
    """Of the facts that answer it."""


def read() -> tuple[list[str], list[Question]]:
    rows = [json.loads(line) for line in SET.read_text("utf8").splitlines()]
    facts = [row for row in rows if "fact" in row]
    places = {row["fact"]: place for place, row in enumerate(facts)}
    asked = [row for row in rows if "question" in row]
    return [row["text"] for row in facts], [
        Question(row["question"], row["kind"], row["language"], frozenset(places[name] for name in row["facts"]))
        for row in asked
    ]


class Words:
    """Search by words: SQLite's FTS5."""

    def __init__(self, facts: Sequence[str]) -> None:
        self.count = len(facts)
        self.database = sqlite3.connect(":memory:")
        self.database.execute(
            "CREATE VIRTUAL TABLE facts USING fts5(text, tokenize='porter unicode61 remove_diacritics 2')"
        )
        self.database.executemany("INSERT INTO facts (rowid, text) VALUES (?, ?)", enumerate(facts))

    def ranked(self, question: str) -> list[int]:
        """What has all words, then what has some, then what has words that begin so."""
        found = [row for match in matches(question) for row in self._rows(match)]
        return list(dict.fromkeys(found))

    def covered(self, question: str) -> list[int]:
        """What has the question's telling words: those that few facts have count more."""
        words = dict.fromkeys(re.findall('"([^"]+)"', matches(question)[1]))
        told: dict[int, float] = {}
        whole = 0.0
        for word in words:
            rows = self._rows(f'"{word}"', self.count)
            weight = math.log(1 + (self.count - len(rows) + 0.5) / (len(rows) + 0.5))
            whole += weight
            for row in rows:
                told[row] = told.get(row, 0) + weight
        return sorted((row for row in told if told[row] >= COVERED * whole), key=lambda row: -told[row])

    def _rows(self, match: str, limit: int = CANDIDATES) -> list[int]:
        query = "SELECT rowid FROM facts WHERE facts MATCH ? ORDER BY bm25(facts), rowid LIMIT ?"
        return [row for (row,) in self.database.execute(query, (match, limit))]


def fused(*lists: Sequence[int]) -> list[int]:
    """Reciprocal rank fusion. Of equals the first list's first."""
    sums: dict[int, float] = {}
    for ranked in lists:
        for rank, row in enumerate(ranked, 1):
            sums[row] = sums.get(row, 0) + 1 / (K + rank)
    return sorted(sums, key=lambda row: -sums[row])


async def by_meaning(
    make: Callable[[], Embed], facts: Sequence[str], questions: Sequence[Question]
) -> tuple[list[list[int]], str]:
    """Each question's facts, the nearest first; and what it cost."""
    import numpy as np

    began = time.perf_counter()
    embed = make()
    await embed(["warm up"], True)
    ready = time.perf_counter()
    table = np.array([np.frombuffer(vector, "<f4") for vector in await embed(facts, False)])
    noted = time.perf_counter()
    asked = [np.frombuffer((await embed([question.text], True))[0], "<f4") for question in questions]
    done = time.perf_counter()
    a_fact, a_question = 1000 * (noted - ready) / len(facts), 1000 * (done - noted) / len(questions)
    cost = (
        f"{table.shape[1]} numbers; ready in {ready - began:.2f} s; {a_fact:.1f} ms a fact, {a_question:.1f} a question"
    )
    return [np.argsort(-(table @ vector), kind="stable").tolist() for vector in asked], cost


def rank(ranked: Sequence[int], question: Question) -> float:
    return next((place for place, row in enumerate(ranked, 1) if row in question.places), math.inf)


def line(name: str, questions: Sequence[Question], answers: Sequence[Sequence[int]]) -> None:
    ranks = [rank(ranked, question) for ranked, question in zip(answers, questions, strict=True)]

    def share(within: int, chosen: Callable[[Question], bool] = lambda question: True) -> str:
        some = [found for found, question in zip(ranks, questions, strict=True) if chosen(question)]
        return f"{sum(found <= within for found in some) / len(some):.3f}"

    cells = [
        share(1),
        share(3),
        f"{sum(1 / found for found in ranks) / len(ranks):.3f}",
        *(share(3, lambda question, kind=kind: question.kind == kind) for kind in ("easy", "hard", "across")),
        share(3, lambda question: question.language != "en"),
    ]
    print(f"| {name} | {' | '.join(cells)} |", flush=True)


def misses(name: str, facts: Sequence[str], questions: Sequence[Question], answers: Sequence[Sequence[int]]) -> None:
    for question, ranked in zip(questions, answers, strict=True):
        if rank(ranked, question) > 3:
            print(f"\n{name}: {question.text}\n  should find: {[facts[row] for row in sorted(question.places)]}")
            print("  found:", *[f"\n    {facts[row]}" for row in ranked[:3]])


async def compare(models: dict[str, Callable[[], Embed]], show_misses: bool) -> None:
    facts, questions = read()
    words = Words(facts)
    ranked = [words.ranked(question.text) for question in questions]
    covered = [words.covered(question.text)[:CANDIDATES] for question in questions]
    kinds = {kind: sum(question.kind == kind for question in questions) for kind in ("easy", "hard", "across")}
    print(f"{len(facts)} facts, {len(questions)} questions: {kinds}; hit@3 where nothing else is said\n")
    print("| found by | hit@1 | hit@3 | MRR | easy | hard | across | asked not in English |")
    print("|---|---|---|---|---|---|---|---|")
    line("words", questions, ranked)
    costs = []
    for name, make in models.items():
        near, cost = await by_meaning(make, facts, questions)
        costs.append(f"{name}: {cost}")
        line(f"meaning ({name})", questions, near)
        line("both, all that the words found", questions, [fused(*p) for p in pairs(ranked, near)])
        line("both, covered", questions, [fused(*p) for p in pairs(covered, near)])
        if show_misses:
            misses(name, facts, questions, near)
    print("", *costs, sep="\n")


def pairs(words: Sequence[list[int]], near: Sequence[list[int]]) -> list[tuple[list[int], list[int]]]:
    return [(one, other[:CANDIDATES]) for one, other in zip(words, near, strict=True)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--endpoint", help="base URL # model")
    parser.add_argument("--misses", action="store_true", help="show what the vectors did not find")
    chosen = parser.parse_args()
    models = installed()
    if chosen.endpoint:
        url, _, model = chosen.endpoint.partition("#")
        embedder = OpenAIEmbedder(model, base_url=url)
        models[embedder.name] = lambda: lambda texts, asking: embedder.embed(texts)
    asyncio.run(compare(models, chosen.misses))


if __name__ == "__main__":
    main()
