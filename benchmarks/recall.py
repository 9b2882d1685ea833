"""How well notes are found again: by their words, by their meaning, by both. recall.jsonl has facts and questions about
them; recall_chats.py adds what is found of long chats.

    python benchmarks/recall.py                                  every offline model that is installed
    python benchmarks/recall.py --endpoint http://127.0.0.1:8000/v1#name        and one behind an endpoint
    python benchmarks/recall.py --misses                         what was not found among the first three

Questions are easy (they share words with the fact), hard (nearly none), or across (in another language). Nothing is
asserted: figures are for people. The search is the one that agents use.
"""

import argparse
import asyncio
import json
import math
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import recall_chats
from recall_models import Embed, installed

from treadle.notes.embeddings import OpenAIEmbedder
from treadle.notes.note import Note
from treadle.notes.note_store import NoteStore
from treadle.notes.search import Query, search

SET = Path(__file__).with_name("recall.jsonl")
NOW = 1_000.0


@dataclass(frozen=True)
class Question:
    text: str
    kind: str
    language: str
    facts: frozenset[str]
    """The texts that answer it."""


def read() -> tuple[list[str], list[Question]]:
    rows = [json.loads(line) for line in SET.read_text("utf8").splitlines()]
    facts = {row["fact"]: row["text"] for row in rows if "fact" in row}
    return list(facts.values()), [
        Question(
            row["question"],
            row["kind"],
            row["language"],
            frozenset(facts[name] for name in row["facts"]),
        )
        for row in rows
        if "question" in row
    ]


class Asked:
    """A model of the comparison as an Embedder. Some of them must be told what is a question."""

    def __init__(self, name: str, embed: Embed, questions: Iterable[str]) -> None:
        self.name = name
        self._embed = embed
        self._questions = set(questions)

    async def embed(self, texts: Sequence[str]) -> list[bytes]:
        return await self._embed(texts, texts[0] in self._questions)


async def noted(facts: Sequence[str]) -> NoteStore:
    store = NoteStore(":memory:")
    for number, fact in enumerate(facts):
        await store.write(Note("", fact, "user", at=float(number)), key=str(number), now=NOW)
    return store


Ranked = list[str]


async def find_all(
    store: NoteStore, model: Asked | None, questions: Sequence[Question]
) -> list[Ranked]:
    """The texts found for each question, the best first."""
    found = []
    for question in questions:
        hits = (await search(store, model, Query(question.text, None, NOW, 12))).hits
        found.append([hit.note.text for hit in hits])
    return found


def rank(ranked: Ranked, question: Question) -> float:
    return next((place for place, text in enumerate(ranked, 1) if text in question.facts), math.inf)


def line(name: str, questions: Sequence[Question], answers: Sequence[Ranked]) -> None:
    ranks = [rank(ranked, question) for ranked, question in zip(answers, questions, strict=True)]

    def share(within: int, chosen: Callable[[Question], bool] = lambda question: True) -> str:
        some = [found for found, question in zip(ranks, questions, strict=True) if chosen(question)]
        return f"{sum(found <= within for found in some) / len(some):.3f}"

    cells = [
        share(1),
        share(3),
        f"{sum(1 / found for found in ranks) / len(ranks):.3f}",
        *(
            share(3, lambda question, kind=kind: question.kind == kind)
            for kind in ("easy", "hard", "across")
        ),
        share(3, lambda question: question.language != "en"),
    ]
    print(f"| {name} | {' | '.join(cells)} |", flush=True)


def misses(name: str, questions: Sequence[Question], answers: Sequence[Ranked]) -> None:
    for question, ranked in zip(questions, answers, strict=True):
        if rank(ranked, question) > 3:
            print(f"\n{name}: {question.text}\n  should find: {sorted(question.facts)}")
            print("  found:", *[f"\n    {text}" for text in ranked[:3]])


async def compare(models: dict[str, Callable[[], Embed]], show_misses: bool) -> None:
    facts, questions = read()
    store = await noted(facts)
    kinds = {
        kind: sum(question.kind == kind for question in questions)
        for kind in ("easy", "hard", "across")
    }
    print(
        f"{len(facts)} facts, {len(questions)} questions: {kinds}; hit@3 where nothing else is said\n"
    )
    print("| found by | hit@1 | hit@3 | MRR | easy | hard | across | asked not in English |")
    print("|---|---|---|---|---|---|---|---|")
    line("words", questions, await find_all(store, None, questions))
    costs = []
    for name, make in models.items():
        began = time.perf_counter()
        model = Asked(name, make(), (question.text for question in questions))
        await search(store, model, Query("warm up", None, NOW, 1))
        ready = time.perf_counter()
        found = await find_all(store, model, questions)
        a_search = 1000 * (time.perf_counter() - ready) / len(questions)
        costs.append(
            f"{name}: loaded, and all facts embedded, in {ready - began:.2f} s; {a_search:.1f} ms a search"
        )
        line(f"words and meaning ({name})", questions, found)
        if show_misses:
            misses(name, questions, found)
    print("", *costs, sep="\n")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--endpoint", help="base URL # model")
    parser.add_argument("--misses", action="store_true", help="show what was not found")
    chosen = parser.parse_args()
    models = installed()
    if chosen.endpoint:
        url, _, model = chosen.endpoint.partition("#")
        embedder = OpenAIEmbedder(model, base_url=url)
        models[embedder.name] = lambda: lambda texts, asking: embedder.embed(texts)
    asyncio.run(compare(models, chosen.misses))
    questions = [text for chat in recall_chats.read() for text, _ in chat.questions]
    in_chats = {name: Asked(name, make(), questions) for name, make in models.items()}
    asyncio.run(recall_chats.compare(in_chats))


if __name__ == "__main__":
    main()
