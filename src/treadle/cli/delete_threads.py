"""`treadle delete` and `treadle threads --delete`: say what will go, ask, and say what has gone."""

from collections.abc import Sequence
from dataclasses import dataclass

from ..core.errors import UnknownThread, UsageError
from ..core.visible import visible_line
from ..observe.amounts import format_count
from ..runtime.delete import Deletion, delete_threads, plan_deletion
from ..runtime.sync import run_sync
from ..stores.store import Store
from .agents import choose_existing
from .options import StoreOptions, name_thread
from .parameters import make_flag
from .terminal import Screen, is_interactive
from .threads import name_some, resolve_thread

DECLINED = 1
"""The exit code where a person says no."""

NOTES = "Delete the notes that were made from them, too."


@dataclass(frozen=True, kw_only=True)
class DeleteOptions(StoreOptions):
    threads: list[str] = name_thread()
    notes: bool = make_flag(NOTES)
    stop: bool = make_flag("First cancel a turn that a process drives.")
    yes: bool = make_flag("Delete without asking.", short="-y")


def delete(settings: DeleteOptions) -> int:
    """Delete threads for good, each with its children. Nothing of them is left in the database.

    Asks where one of them waits for a person, and where you gave the beginning of a name.
    """
    store = choose_existing(settings)
    try:
        names = list(dict.fromkeys(resolve_thread(store, name) for name in settings.threads))
    except UnknownThread:
        run_sync(store.delete({}))  # what a deletion has left that was cut off
        raise
    plan = run_sync(plan_deletion(store, names))
    screen = Screen()
    _announce(plan, screen, settings.notes)
    is_sure = set(names) <= set(settings.threads) and not plan.waiting
    if not settings.yes and not is_sure and not confirm(screen):
        return DECLINED
    delete_named(store, names, screen, notes=settings.notes, stop=settings.stop)
    return 0


def delete_named(
    store: Store, names: Sequence[str], screen: Screen, *, notes: bool, stop: bool = False
) -> None:
    """Delete these threads, and say what has gone."""
    done = run_sync(delete_threads(store, names, notes=notes, stop=stop))
    records = format_count(done.records, "record")
    gone = f"deleted: {format_count(len(done.threads), 'thread')}, {records}"
    if notes:
        gone += f", {format_count(done.notes, 'note')}"
    screen.note(gone)
    if done.left:
        screen.note(
            f"bytes of them are still in the database ({visible_line(done.left, 300)}); treadle db"
            " vacuum removes them",
            "yellow",
        )


def confirm(screen: Screen) -> bool:
    """Whether the person agrees. Raises UsageError where nobody can be asked."""
    if not is_interactive():
        raise UsageError("nothing was deleted: nobody can be asked here. To agree, add --yes")
    line = screen.read_line("Delete all of this for good? [y]es, [n]o: ", "bold")
    if line.strip().lower()[:1] != "y":
        screen.note("nothing was deleted")
        return False
    return True


def _announce(plan: Deletion, screen: Screen, notes: bool) -> None:
    for line in describe(plan, notes):
        screen.note(line)


def describe(plan: Deletion, notes: bool) -> list[str]:
    """What will go and what stays, a line each. Safe to show."""
    lines = [
        f"to delete: {name_some(plan.threads)}, {format_count(plan.records, 'record')}"
        f"{' and the notes made from them' if notes else ''}"
    ]
    if plan.forks:
        lines.append(f"forks keep copies of the records that they share: {name_some(plan.forks)}")
    if plan.kept:
        lines.append(f"children that these forks need stay: {name_some(plan.kept)}")
    for each in plan.waiting:
        what = each.name or each.status
        lines.append(f"{visible_line(each.thread_id, 200)} waits for you: {visible_line(what, 80)}")
    return lines
