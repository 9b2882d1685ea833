"""`treadle show` and `treadle tail`: the records of a thread, as text or as JSON."""

import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass

from ..core import events as e
from ..core.codec import decode_event, encode_record
from ..core.errors import IllegalEvent, StoreDamaged, UsageError
from ..core.links import find_children, start_of_child
from ..core.result import make_summary
from ..core.state import fold
from ..core.visible import make_visible, visible_line
from ..core.waits import find_waits
from ..models.chat.write_history import write_history
from ..observe.line import Line
from ..observe.timeline import Timeline
from ..observe.turns import split_turns
from ..runtime.local_time import format_time
from ..runtime.sync import run_sync
from ..stores.store import Store
from .agents import choose_store, load_target
from .ending import EXIT_CODES, FAILED, WAITING, next_command
from .options import JSON, AgentOptions, StoreOptions, name_thread
from .parameters import make_flag, make_option
from .print_tree import print_tree
from .show_prompt import show_prompt
from .terminal import print_json, print_line
from .thread_tree import Depths, merge_by_time
from .threads import read_thread, resolve_thread
from .turn_printer import format_totals

POLL_S = 0.1
"""How often `tail` looks for new records."""


@dataclass(frozen=True, kw_only=True)
class ShowOptions(AgentOptions):
    thread: str = name_thread()
    full: bool = make_flag("Cut nothing.")
    json: bool = make_flag("Records as JSON Lines.")
    picture: bool = make_flag("Draw the graph of --agent in Mermaid, with the path taken.")
    raw: bool = make_flag("Events as they are stored.")
    openai: bool = make_flag("All of it as messages of chat completions, in JSON.")
    prompt: str | None = make_option("N", "The prompt of model call N, or of record @SEQ.")


@dataclass(frozen=True, kw_only=True)
class TailOptions(StoreOptions):
    thread: str = name_thread("[THREAD]", default="last")
    until_end: bool = make_flag("Leave when the turn ends, with its exit code.")
    json: bool = make_flag(JSON)


def show(settings: ShowOptions) -> int:
    """Show a thread: every record, by turns, with what each turn took."""
    _refuse_several(settings)
    target = load_target(settings.agent) if settings.agent else None
    store = choose_store(settings, target)
    if settings.raw:
        for row in run_sync(store.read(resolve_thread(store, settings.thread))):
            print_json(row.event)
        return 0
    if settings.prompt is not None:
        records = read_thread(store, settings.thread)
        return show_prompt(records, settings.prompt, settings, settings.json)
    if settings.openai:
        print_json(write_history(read_thread(store, settings.thread)))
        return 0
    records = _read(store, resolve_thread(store, settings.thread), 0)
    if settings.picture:
        return _draw(records, target)
    try:
        if settings.json:
            fold(records)  # an illegal log has no output except --raw
            for record in records:
                print_json(encode_record(record))
        else:
            _print_records(records, settings.full)
            print_tree(store, records)
            _print_holds(records, settings)
    except IllegalEvent as error:
        raise IllegalEvent(
            f"thread {records[0].thread_id} can't be read on: {error}; see treadle show --raw"
        ) from None
    return 0


def _refuse_several(settings: ShowOptions) -> None:
    """Raise UsageError where several things are to be shown: one of them would be left out."""
    kinds = ("raw", "openai", "picture", "prompt")
    named = [f"--{name}" for name in kinds if getattr(settings, name) not in (None, False)]
    if len(named) > 1:
        raise UsageError(f"{' and '.join(named)} are not shown at once: choose one of them")


def _print_holds(records: Sequence[e.Record], settings: ShowOptions) -> None:
    """Say what keeps the thread, or a child of it, from going on, and how a person changes that."""
    thread_id = records[0].thread_id
    own = fold(record for record in records if record.thread_id == thread_id)
    if not own.trusted:
        command = next_command("adopt", thread_id, settings)
        print_line(f"it was imported, and does nothing before you adopt it: {command}", "yellow")
    for pending in find_waits(own, thread_id):
        if pending.status == "limit":
            command = next_command("limit", pending.thread_id, settings)
            print_line(f"{make_visible(pending.reason)}; see {command}", "yellow")
        if pending.status == "parked":
            command = next_command("approve", thread_id, settings)
            name = visible_line(pending.thread_id, 200)
            parked = f"thread {name} is parked: {make_visible(pending.reason)}"
            print_line(f"{parked}; let it go on: {command}", "yellow")


def tail(settings: TailOptions) -> int:
    """Follow a thread, from its last turn on, in whatever process it runs. Ctrl-C leaves."""
    store = choose_store(settings)
    thread_id = resolve_thread(store, settings.thread)
    timeline = Timeline()
    depths = Depths(thread_id)
    last_seqs: dict[str, int] = {}
    new = _read_new(store, thread_id, last_seqs)
    begin = _find_begin(new, thread_id)
    while True:
        for record in new:
            depths.learn(record)
            line = timeline.line(record)
            if not _is_after(record, begin):
                continue
            if settings.json:
                print_json(encode_record(record))
            else:
                print_line(_format_line(line, depths), line.tone)
        sys.stdout.flush()
        own = [record.event for record in new if record.thread_id == thread_id]
        if settings.until_end and (code := _end_code(own)) is not None:
            return code
        time.sleep(POLL_S)
        new = _read_new(store, thread_id, last_seqs)


def _end_code(events: Sequence[e.Event]) -> int | None:
    """The exit code if these are the last events of a turn, or of a thread that was imported."""
    for event in reversed(events):
        match event:
            case e.TurnEnded(status=status):
                return EXIT_CODES.get(status, FAILED)
            case e.TrustChanged(trusted=True) | e.FeedbackGiven():
                continue
            case e.TrustChanged():
                return WAITING
        return None
    return None


def _find_begin(records: Sequence[e.Record], thread_id: str) -> e.Record:
    """The record that opened the thread's last turn, or the first of all."""
    begin = records[0]
    for record in records:
        event = record.event
        opens_turn = isinstance(event, e.UserSaid) and event.opens_turn
        if record.thread_id == thread_id and opens_turn:
            begin = record
    return begin


def _is_after(record: e.Record, begin: e.Record) -> bool:
    """Whether the record is not before `begin`; records of a child are compared by time."""
    if record.thread_id == begin.thread_id:
        return record.seq >= begin.seq
    return record.at >= begin.at


def _read_new(store: Store, thread_id: str, last_seqs: dict[str, int]) -> list[e.Record]:
    """The unread records of the thread and its children; updates the last seq of each."""
    waiting = [thread_id, *(each for each in last_seqs if each != thread_id)]
    new: list[list[e.Record]] = []
    for each in waiting:
        records = _read(store, each, last_seqs.get(each, 0))
        last_seqs.setdefault(each, 0)
        if records:
            last_seqs[each] = records[-1].seq
        new.append(records)
        for started in find_children(records):
            child = started.thread_id
            if child not in waiting and _is_of(each, started, _read(store, child, 0)):
                waiting.append(child)
    return merge_by_time(new)


def _is_of(thread_id: str, started: e.ChildStarted, child: Sequence[e.Record]) -> bool:
    """Whether this is the child that `started`, in that thread, speaks of, or is yet to begin."""
    if not child:
        return True
    start = start_of_child(child)
    place = start and (start.parent_thread_id, start.parent_call_id)
    return place == (thread_id, started.call_id)


def _read(store: Store, thread_id: str, after_seq: int) -> list[e.Record]:
    rows = run_sync(store.read(thread_id, after_seq))
    try:
        return [e.Record(thread_id, row.seq, row.at, decode_event(row.event)) for row in rows]
    except StoreDamaged as error:
        raise StoreDamaged(
            f"thread {thread_id} can't be read on: {error}; see treadle show --raw"
        ) from error


def _print_records(records: Sequence[e.Record], full: bool) -> None:
    seconds = 0.0
    count = 0
    print_line(f"thread {visible_line(records[0].thread_id, 200)}", "bold")
    for turn in split_turns(records):
        count += 1
        if turn.number:
            seconds += turn.took.seconds
            print_line(f"\nturn {turn.number}  {format_time(turn.lines[0].record.at)}", "bold")
        for line in turn.lines:
            print_line(_format_line(line), line.tone)
            _print_text(line, full)
        if turn.number:
            print_line(f"{'':6}{turn.result.status}: {format_totals(turn.took)}")
    if count > 1:
        print_line(f"\nin all: {format_totals(make_summary(records, seconds))}")


def _draw(records: Sequence[e.Record], target: object) -> int:
    from ..graphs.graph import Graph

    if not isinstance(target, Graph):
        raise UsageError("--picture draws a graph's thread: name the graph, --agent MODULE:NAME")
    print_line(target.mermaid(records).rstrip())
    return 0


def _format_line(line: Line, depths: Depths | None = None) -> str:
    clock = format_time(line.record.at).rpartition(" ")[2]
    before = ""
    if depths:
        before = depths.before(line.record.thread_id)
    return f"{line.record.seq:>5} {clock} {before}{make_visible(str(line))}"


def _print_text(line: Line, full: bool) -> None:
    """Print the whole text below its line, if it is a message or all texts are wanted."""
    is_message = isinstance(line.record.event, e.UserSaid | e.ModelReplied | e.QuestionAsked)
    if (full or is_message) and line.whole not in ("", line.text):
        for part in line.whole.split("\n"):
            print_line(f"{'':15}│ {make_visible(part)}")
