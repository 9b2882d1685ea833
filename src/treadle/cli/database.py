"""`treadle db`: commands on the database file."""

import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ..core.errors import UnknownThread, UsageError
from ..core.visible import make_visible
from ..notes.note_store import note_store_for
from ..observe.amounts import format_count
from ..runtime.sync import run_sync
from ..stores import archive
from ..stores.open_store import open_database
from ..stores.store import Store
from ..this_user import current_user
from .agents import choose_database, choose_existing
from .atomic_file import write_atomically
from .ending import next_command
from .import_history import import_histories
from .options import THREAD, StoreOptions, name_thread
from .parameters import make_argument, make_flag, make_option
from .terminal import Screen, print_json, print_line
from .threads import MAX_NAMED, is_child, list_thread_ids, resolve_thread

if TYPE_CHECKING:
    pass


@dataclass(frozen=True, kw_only=True)
class CheckOptions(StoreOptions):
    repair: bool = make_flag("Write anew what lists and accounts take from the logs.")


@dataclass(frozen=True, kw_only=True)
class RestoreOptions(StoreOptions):
    file: str = make_argument("FILE", "As db export wrote it; - : standard input.")


@dataclass(frozen=True, kw_only=True)
class CopyOptions:
    source: str = make_argument("FROM", "The path of a file, or postgresql://host/name.")
    target: str = make_argument("TO", "Such a database; another one.")


@dataclass(frozen=True, kw_only=True)
class ImportOptions(RestoreOptions):
    openai: bool = make_flag("FILE has messages of chat completions, JSON or JSON Lines.")
    thread: str | None = make_option("NAME", "With --openai: the new thread's name.", short="-t")


@dataclass(frozen=True, kw_only=True)
class ExportOptions(StoreOptions):
    threads: list[str] | None = name_thread(help=f"{THREAD} None: all.", default=None)
    output: Path | None = make_option("FILE", "Else to standard output.", short="-o")


def path(settings: StoreOptions) -> int:
    """Print the path or the URL of the database, even if it doesn't exist yet."""
    print_line(make_visible(choose_database(settings).place))
    return 0


def check(settings: CheckOptions) -> int:
    """Check the file, and that every log in it is readable and legal. Exit code 1 if not.

    With --repair, the list of threads and the accounts are made to say what the logs say; no log is
    changed.
    """
    store = choose_existing(settings)
    if settings.repair:
        Screen().note(f"threads and accounts that were wrong: {store.repair_list():,}")
    wrong = store.find_file_damage()
    wrong += run_sync(archive.find_damage(store))
    listed_wrongly = store.find_wrong_lines()
    if listed_wrongly:
        wrong += [*listed_wrongly, "treadle db check --repair corrects the list, and the accounts"]
    for line in wrong:
        print_line(make_visible(line))
    threads = format_count(len(list_thread_ids(store)), "thread")
    counts = f"{threads}, {format_count(store.count_records(), 'record')}"
    if wrong:
        Screen().note(f"{counts}: {len(wrong)} wrong")
        return 1
    Screen().note(f"{counts}: fine")
    return 0


def export(settings: ExportOptions) -> int:
    """Write threads with their children as JSON Lines, a line for each record."""
    store = choose_existing(settings)
    names = [resolve_thread(store, name) for name in settings.threads or []]
    if settings.output is None:
        run_sync(_write(store, names, print_json))
        return 0
    count = export_file(store, names, settings.output)
    Screen().note(f"{format_count(count, 'record')} in {make_visible(str(settings.output))}")
    return 0


def import_(settings: ImportOptions) -> int:
    """Add threads that others may have written: each waits until you adopt it.

    A thread that exists already is an error. Your own backup: db restore. With --openai: a thread
    for each history of chat completions in the file.
    """
    store = choose_database(settings)
    if settings.openai:
        _say_how_to_adopt(import_histories(store, settings.file, settings.thread), settings)
        return 0
    if settings.thread is not None:
        raise UsageError("--thread is for --openai: an export has the names of its threads")
    reason = f"from {settings.file}"

    def copy(lines: Iterable[bytes]) -> archive.Copied:
        return run_sync(archive.import_threads(store, lines, by=current_user(), reason=reason))

    done = _copy_from(settings.file, copy)
    _say_how_to_adopt([name for name in done.threads if not is_child(store, name)], settings)
    return 0


def _say_how_to_adopt(names: Sequence[str], settings: ImportOptions) -> None:
    if names:
        commands = [next_command("adopt", name, settings) for name in names[:MAX_NAMED]]
        commands += ["…"] * (len(names) > MAX_NAMED)
        Screen().note(f"look at what you have imported, then adopt it: {'; '.join(commands)}")


def restore(settings: RestoreOptions) -> int:
    """Add the threads of your own backup, as `db export` wrote it.

    What is there already stays as it is; a thread that differs from the backup is an error.
    """
    store = choose_database(settings)
    _copy_from(settings.file, lambda lines: run_sync(archive.restore_threads(store, lines)))
    return 0


def _copy_from(file: str, copy: Callable[[Iterable[bytes]], archive.Copied]) -> archive.Copied:
    """Copy the threads of the file, or of standard input for "-", and say how much that was."""
    try:
        if file == "-":
            done = copy(sys.stdin.buffer)
        else:
            with open(file, "rb") as lines:
                done = copy(lines)
    except OSError as error:
        raise UsageError(f"{file} can't be read: {error.strerror}") from None
    _say_added(done)
    return done


def _say_added(done: archive.Copied) -> None:
    records = format_count(done.records, "record")
    added = f"{format_count(len(done.threads), 'thread')}, {records} added"
    if done.present:
        added += f"; here already: {format_count(done.present, 'thread')}"
    Screen().note(added)


def vacuum(settings: StoreOptions) -> int:
    """Free unused space on the disk, so that nothing is left there of what was deleted."""
    store = choose_existing(settings)
    before = store.size()
    store.vacuum()
    Screen().note(f"{before:,} bytes before, {store.size():,} after")
    return 0


def copy(settings: CopyOptions) -> int:
    """Copy all threads and notes to another database: from a file to PostgreSQL, or back.

    What is there already stays as it is; of a thread that has gone on, the rest is added. Each
    record is verified when it is read, and again when it has been written.
    """
    source = open_database(settings.source)
    target = open_database(settings.target)
    if source.place == target.place:
        raise UsageError(f"{source.place} would be copied to itself")
    if not source.exists():
        raise UnknownThread(f"there is no database at {source.place} yet")
    _say_added(run_sync(archive.copy_threads(source, target)))
    notes = run_sync(note_store_for(source).add_missing_to(note_store_for(target)))
    if notes:
        Screen().note(f"{format_count(notes, 'note')} added")
    return 0


async def _write(store: Store, names: list[str], write: Callable[[bytes], object]) -> int:
    """Write each record; how many there were."""
    count = 0
    async for line in archive.export_threads(store, names):
        write(line)
        count += 1
    return count


def export_file(store: Store, names: list[str], file: Path) -> int:
    """Write the threads to a file; how many records there were."""
    with write_atomically(file) as out:
        return run_sync(_write(store, names, lambda line: out.write(line + b"\n")))
