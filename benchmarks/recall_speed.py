"""How long a search of many notes takes, by words and by words with meaning, while others write.

    python benchmarks/recall_speed.py                      5,000 and 20,000 notes
    python benchmarks/recall_speed.py --notes 1000

The notes are sentences of recall_chats.jsonl with numbers in them. Their vectors are random ones of 512 numbers, as the
offline model's are: what they mean doesn't matter to the time, and making them would take minutes. CPU is that of the
process. "The loop waits" is the longest time for which the event loop couldn't run anything else during a search. Another connection writes a note before each search.
"""

import argparse
import asyncio
import statistics
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy
import recall_chats

from treadle.notes.embeddings import to_unit_vector
from treadle.notes.note import Note
from treadle.notes.note_store import NoteStore
from treadle.notes.search import Query, search

DIMENSIONS = 512
RANDOM = numpy.random.default_rng(1)
SEARCHES = 40


class Random:
    """An embedder of vectors that mean nothing."""

    name = "random"

    async def embed(self, texts: Sequence[str]) -> list[bytes]:
        return [to_unit_vector(numbers) for numbers in RANDOM.normal(size=(len(texts), DIMENSIONS))]


async def longest_pause(until: asyncio.Event) -> float:
    """The longest time between two turns of the event loop, in seconds, until the event is set."""
    longest, last = 0.0, time.perf_counter()
    while not until.is_set():
        await asyncio.sleep(0)
        now = time.perf_counter()
        longest, last = max(longest, now - last), now
    return longest


async def measure(count: int, path: Path) -> None:
    chats = recall_chats.read()
    lines = [message.line for chat in chats for message in chat.messages]
    questions = [text for chat in chats for text, _ in chat.questions]
    store, other, embedder = NoteStore(path), NoteStore(path), Random()
    for number in range(count):
        text = f"{lines[number % len(lines)]} ({number})"
        place = (f"t{number // 50}", number % 50)
        note = Note("", text, "user", "", "user", *place, float(number))
        await store.write(note, key=str(number), now=0.0)
    for name, model in (("words", None), ("words and meaning", embedder)):
        began = time.perf_counter()
        await search(store, model, Query("warm up", None, 0.0, 1))  # makes the vectors
        await search(other, model, Query("warm up", None, 0.0, 1))
        first = time.perf_counter() - began
        took, pauses, cpu = [], [], []
        for number in range(SEARCHES):
            new = Note("", f"written meanwhile, {name} {number}", "user", at=0.0)
            await other.write(new, key=f"{name} {number}", now=0.0)
            question = Query(questions[number * 7 % len(questions)], None, 0.0, 10)
            began, used = time.perf_counter(), time.process_time()
            await search(store, model, question)
            took.append(1000 * (time.perf_counter() - began))
            cpu.append(1000 * (time.process_time() - used))
            ended = asyncio.Event()
            pause = asyncio.create_task(longest_pause(ended))
            await search(store, model, question)
            ended.set()
            pauses.append(1000 * await pause)
        took.sort()
        print(
            f"| {count:,} | {name} | {statistics.median(took):.1f} ms | {took[-2]:.1f} ms"
            f" | {statistics.median(cpu):.1f} ms | {statistics.median(pauses):.1f} ms"
            f" | {first:.1f} s |",
            flush=True,
        )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--notes", type=int, nargs="+", default=[5_000, 20_000])
    print("| notes | found by | median | 95 of 100 | CPU | the loop waits | vectors, read once |")
    print("|---|---|---|---|---|---|---|")
    for count in parser.parse_args().notes:
        with tempfile.TemporaryDirectory() as folder:
            asyncio.run(measure(count, Path(folder) / "notes.db"))


if __name__ == "__main__":
    main()
