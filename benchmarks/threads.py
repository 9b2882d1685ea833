"""What a long thread costs: to fold, to load, to render as a prompt; what each step writes; how long an append takes.

    python benchmarks/threads.py                     threads of up to 5,000 steps (some 20,000 records)
    python benchmarks/threads.py --steps 10 100

A step is a model call and one tool call with a result of 2 KB. Nothing is asserted: times are for people.
"""

import argparse
import asyncio
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Literal

from treadle import Record, SQLiteStore, Usage
from treadle.core import events as e
from treadle.core.codec import encode_event
from treadle.core.prompt import messages
from treadle.core.state import State, apply, fold
from treadle.runtime.log import open_log
from treadle.runtime.world import World
from treadle.stores.store import Row

RESULT = "x" * 2000


def steps(count: int) -> Iterator[list[e.Event]]:
    """The appends of a thread of one turn with that many steps, as the loop makes them."""
    yield [
        e.ThreadStarted("agent", "0123456789abcdefghj"),
        e.ThreadClaimed("0123456789abcdefghj"),
        e.UserSaid("go"),
    ]
    seq = 3
    for number in range(count):
        call_id, arguments = f"c{seq + 1:05}000", f'{{"n":{number}}}'
        yield [
            e.ModelCalled(
                "openai:gpt-5-mini", "0123456789abcdef", 1000 * number, 4096, reserved_usd=0.01
            )
        ]
        reply = e.ModelReplied(
            (e.Call(call_id, "lookup", arguments),), Usage(1000 * number, 20), 1.234567
        )
        yield [reply]
        yield [e.ToolStarted(call_id, "0123456789abcdef0123456789abcdef")]
        yield [e.ToolReturned(call_id, RESULT, 0.123456)]
        seq += 4


def timed(work: Callable[[], Any], repeats: int = 5) -> float:
    """The best of some runs, in seconds of CPU."""
    found = []
    for _ in range(repeats):
        began = time.process_time()
        work()
        found.append(time.process_time() - began)
    return min(found)


async def written(store: SQLiteStore, count: int) -> tuple[list[Record], list[int], list[float]]:
    """Append such a thread.

    Its records, the bytes of each append's events, and the seconds that each took.
    """
    records: list[Record] = []
    sizes, took = [], []
    for events in steps(count):
        made = [
            Record("t", len(records) + 1 + index, 1e9 + len(records), event, 0.001)
            for index, event in enumerate(events)
        ]
        rows = [
            Row(record.seq, record.at, encode_event(record.event), record.worked_s)
            for record in made
        ]
        began = time.perf_counter()
        await store.append("t", rows)
        took.append(time.perf_counter() - began)
        sizes.append(sum(len(row.event) for row in rows))
        records += made
    return records, sizes, took


def size(store: SQLiteStore) -> int:
    """Of the file, once it has taken in its write-ahead log."""
    store.close()
    return store.path.stat().st_size


def table(title: str, head: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    print(f"\n{title}\n")
    cells = [list(map(str, row)) for row in [head, *rows]]
    widths = [max(len(row[index]) for row in cells) for index in range(len(head))]
    for row in cells:
        print("  " + "  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)))


def lengths(counts: Sequence[int], folder: Path) -> None:
    rows = []
    for count in counts:
        store = SQLiteStore(folder / f"{count}.db")
        records, sizes, _ = asyncio.run(written(store, count))
        last = sizes[-4:]
        in_file = size(store)
        folded = timed(lambda records=records: fold(records))
        loaded = timed(lambda store=store: asyncio.run(open_log("t", store, World())))
        shown = timed(lambda records=records: messages(records, "s"))
        one_more = timed(lambda records=records: apply_last(records))
        store.close()
        times = [f"{seconds * 1000:.1f}" for seconds in (folded, loaded, shown)]
        per_step = f"{in_file / count:,.0f}"
        rows.append(
            (
                f"{count:,}",
                f"{len(records):,}",
                *times,
                f"{one_more * 1e6:.0f}",
                sum(last),
                per_step,
                f"{in_file / 1e6:.2f}",
            )
        )
    head = (
        "steps",
        "records",
        "fold ms",
        "load ms",
        "render ms",
        "apply us",
        "last step B",
        "file B/step",
        "file MB",
    )
    table(
        "A thread of one turn, results of 2,000 bytes (load = read from SQLite, decode, fold, render)",
        head,
        rows,
    )


def apply_last(records: Sequence[Record]) -> State:
    """One more record on the state before it: what each append costs in the fold.

    Timed apart from that state.
    """
    state = _before.get(len(records))
    if state is None:
        state = _before[len(records)] = fold(records[:-1])
    return apply(state, records[-1])


_before: dict[int, State] = {}


def latencies(folder: Path, count: int) -> None:
    rows = []
    durabilities: tuple[Literal["process", "full"], ...] = ("process", "full")
    for durability in durabilities:
        store = SQLiteStore(folder / f"{durability}.db", durability=durability)
        _, _, took = asyncio.run(written(store, count))
        store.close()
        cuts = statistics.quantiles(took[1:], n=100)
        values = (statistics.median(took[1:]), cuts[94], cuts[98], max(took[1:]))
        rows.append((durability, len(took) - 1, *(f"{value * 1e6:,.0f}" for value in values)))
    table(
        "One append (a record) to SQLite",
        ("durability", "appends", "median us", "p95 us", "p99 us", "max us"),
        rows,
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--steps", type=int, nargs="+", default=[10, 100, 1000, 2500, 5000])
    parser.add_argument(
        "--appends", type=int, default=500, help="steps of the thread whose appends are timed"
    )
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        lengths(chosen.steps, Path(folder))
        latencies(Path(folder), chosen.appends)


if __name__ == "__main__":
    main()
