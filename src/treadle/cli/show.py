"""`treadle show` and `treadle tail`: the records of a thread, for people and for programs."""

import sys
import time
from collections.abc import Sequence

from ..core import events as e
from ..core.codec import decode_event, encode_record
from ..core.errors import IllegalEvent, StoreDamaged, UsageError
from ..core.result import make_summary
from ..core.state import fold
from ..observe.timeline import Line, Timeline
from ..observe.turns import split_turns
from ..observe.visible import make_visible, visible_line
from ..runtime.sync import run_sync
from ..stores.store import Store
from .agents import choose_store, load_target
from .session import EXIT_CODES, FAILED
from .turn_printer import format_totals
from .show_prompt import show_prompt
from .tables import format_time
from .terminal import print_json, print_line
from .thread_options import ShowOptions, TailOptions
from .thread_tree import Depths, child_ids, merge_by_time
from .threads import read_thread, resolve_thread
from .print_tree import print_tree

POLL_S = 0.1
"""How often `tail` looks for new records."""


def show(settings: ShowOptions) -> int:
    """What happened in a thread: every record, by turns, with what each took."""
    store = choose_store(settings, load_target(settings.agent) if settings.agent else None)
    if settings.raw:
        for row in run_sync(store.read(resolve_thread(store, settings.thread))):
            print_json(row.event)
        return 0
    if settings.prompt is not None:
        return show_prompt(read_thread(store, settings.thread), settings)
    records = _read(store, resolve_thread(store, settings.thread), 0)
    if settings.picture:
        return _picture(records, settings.agent)
    try:
        if settings.json:
            fold(records)  # a log that can't be has no output, but for --raw
            for record in records:
                print_json(encode_record(record))
        else:
            _show(records, settings.full)
            print_tree(store, records)
    except IllegalEvent as error:
        raise IllegalEvent(
            f"thread {records[0].thread_id} can't be read on: {error}; see treadle show --raw"
        ) from None
    return 0


def tail(settings: TailOptions) -> int:
    """Follow a thread as its records come, from whatever process; Ctrl-C leaves. Begins with the last turn."""
    store = choose_store(settings)
    thread_id = resolve_thread(store, settings.thread)
    timeline, depths, read = Timeline(), Depths(thread_id), dict[str, int]()
    new = _news(store, thread_id, read)
    said = [
        r
        for r in new
        if isinstance(r.event, e.UserSaid) and r.thread_id == thread_id and not r.event.answers
    ]
    begin = [*new[:1], *said][-1]
    while True:
        for record in new:
            depths.learn(record)
            line = timeline.line(record)
            if record.seq >= begin.seq if record.thread_id == thread_id else record.at >= begin.at:
                print_json(encode_record(record)) if settings.json else print_line(
                    _line(line, depths), line.tone
                )
        sys.stdout.flush()
        ends = [record.event for record in new if record.thread_id == thread_id]
        if settings.until_end and ends and isinstance(last := ends[-1], e.TurnEnded):
            return EXIT_CODES.get(last.status, FAILED)
        time.sleep(POLL_S)
        new = _news(store, thread_id, read)


def _news(store: Store, thread_id: str, read: dict[str, int]) -> list[e.Record]:
    """What hasn't been read of the thread and those below it; `read` holds how far each has been."""
    waiting, new = (
        [thread_id, *(each for each in read if each != thread_id)],
        list[list[e.Record]](),
    )
    for each in waiting:
        new.append(_read(store, each, read.get(each, 0)))
        read[each] = new[-1][-1].seq if new[-1] else read.get(each, 0)
        waiting += [child for child in child_ids(new[-1]) if child not in waiting]
    return merge_by_time(new)


def _read(store: Store, thread_id: str, after_seq: int) -> list[e.Record]:
    rows = run_sync(store.read(thread_id, after_seq))
    try:
        return [e.Record(thread_id, row.seq, row.at, decode_event(row.event)) for row in rows]
    except StoreDamaged as error:
        raise StoreDamaged(
            f"thread {thread_id} can't be read on: {error}; see treadle show --raw"
        ) from error


def _show(records: Sequence[e.Record], full: bool) -> None:
    total_s, parts = 0.0, 0
    print_line(f"thread {visible_line(records[0].thread_id, 200)}", "bold")
    for part in split_turns(records):
        parts += 1
        if part.number:
            total_s += part.took.seconds
            print_line(f"\nturn {part.number}  {format_time(part.lines[0].record.at)}", "bold")
        for line in part.lines:
            print_line(_line(line), line.tone)
            _whole(line, full)
        if part.number:
            print_line(f"{'':6}{part.result.status}: {format_totals(part.took)}")
    if parts > 1:
        print_line(f"\nin all: {format_totals(make_summary(records, total_s))}")


def _picture(records: Sequence[e.Record], place: str | None) -> int:
    from ..graphs.graph import Graph

    graph = load_target(place) if place else None
    if not isinstance(graph, Graph):
        raise UsageError("--picture draws a graph's thread: name the graph, --agent MODULE:NAME")
    print_line(graph.mermaid(records).rstrip())
    return 0


def _line(line: Line, depths: Depths | None = None) -> str:
    clock = format_time(line.record.at).rpartition(" ")[2]
    who = depths.before(line.record.thread_id) if depths else ""
    return f"{line.record.seq:>5} {clock} {who}{make_visible(str(line))}"


def _whole(line: Line, full: bool) -> None:
    """What was said in full, below its line: always what people and the model said."""
    said = isinstance(line.record.event, e.UserSaid | e.ModelReplied | e.QuestionAsked)
    if (full or said) and line.whole not in ("", line.text):
        for part in line.whole.split("\n"):
            print_line(f"{'':15}│ {make_visible(part)}")
