"""`treadle show` and `treadle tail`: the records of a thread, for people and for programs."""

import sys
import time
from collections.abc import Sequence

from ..core import events as e
from ..core.codec import decode_event, encode_record
from ..core.errors import IllegalEvent, StoreDamaged, UsageError
from ..core.result import summary
from ..core.state import fold
from ..observe.timeline import Line, Timeline
from ..observe.turns import turns
from ..observe.visible import line_of, visible
from ..runtime.sync import run_sync
from ..stores.store import Store
from .agents import found_at, store_of
from .session import CODES, FAILED
from .show import took_line
from .show_prompt import show_prompt
from .tables import moment
from .terminal import put, put_json
from .thread_options import Show, Tail
from .thread_tree import Depths, children, in_order
from .threads import records_of, thread_of
from .tree_lines import put_tree

POLL_S = 0.1
"""How often `tail` looks for new records."""


def show(settings: Show) -> int:
    """What happened in a thread: every record, by turns, with what each took."""
    store = store_of(settings, found_at(settings.agent) if settings.agent else None)
    if settings.raw:
        for row in run_sync(store.read(thread_of(store, settings.thread))):
            put_json(row.event)
        return 0
    if settings.prompt is not None:
        return show_prompt(records_of(store, settings.thread), settings)
    records = _read(store, thread_of(store, settings.thread), 0)
    if settings.picture:
        return _picture(records, settings.agent)
    try:
        if settings.json:
            fold(records)  # a log that can't be has no output, but for --raw
            for record in records:
                put_json(encode_record(record))
        else:
            _show(records, settings.full)
            put_tree(store, records)
    except IllegalEvent as error:
        raise IllegalEvent(
            f"thread {records[0].thread_id} can't be read on: {error}; see treadle show --raw"
        ) from None
    return 0


def tail(settings: Tail) -> int:
    """Follow a thread as its records come, from whatever process; Ctrl-C leaves. Begins with the last turn."""
    store = store_of(settings)
    thread_id = thread_of(store, settings.thread)
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
                put_json(encode_record(record)) if settings.json else put(
                    _line(line, depths), line.tone
                )
        sys.stdout.flush()
        ends = [record.event for record in new if record.thread_id == thread_id]
        if settings.until_end and ends and isinstance(last := ends[-1], e.TurnEnded):
            return CODES.get(last.status, FAILED)
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
        waiting += [child for child in children(new[-1]) if child not in waiting]
    return in_order(new)


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
    put(f"thread {line_of(records[0].thread_id, 200)}", "bold")
    for part in turns(records):
        parts += 1
        if part.number:
            total_s += part.took.seconds
            put(f"\nturn {part.number}  {moment(part.lines[0].record.at)}", "bold")
        for line in part.lines:
            put(_line(line), line.tone)
            _whole(line, full)
        if part.number:
            put(f"{'':6}{part.result.status}: {took_line(part.took)}")
    if parts > 1:
        put(f"\nin all: {took_line(summary(records, total_s))}")


def _picture(records: Sequence[e.Record], place: str | None) -> int:
    from ..graphs.graph import Graph

    graph = found_at(place) if place else None
    if not isinstance(graph, Graph):
        raise UsageError("--picture draws a graph's thread: name the graph, --agent MODULE:NAME")
    put(graph.mermaid(records).rstrip())
    return 0


def _line(line: Line, depths: Depths | None = None) -> str:
    clock = moment(line.record.at).rpartition(" ")[2]
    who = depths.before(line.record.thread_id) if depths else ""
    return f"{line.record.seq:>5} {clock} {who}{visible(str(line))}"


def _whole(line: Line, full: bool) -> None:
    """What was said in full, below its line: always what people and the model said."""
    said = isinstance(line.record.event, e.UserSaid | e.ModelReplied | e.QuestionAsked)
    if (full or said) and line.whole not in ("", line.text):
        for part in line.whole.split("\n"):
            put(f"{'':15}│ {visible(part)}")
