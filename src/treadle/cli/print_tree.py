"""Prints the tree of a thread's children.

The outcome of each call that ran as a thread of its own.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from ..core import events as e
from ..core.errors import IllegalEvent, StoreDamaged
from ..core.links import find_children, is_child_in
from ..core.result import Summary, read_result
from ..core.visible import make_visible, visible_line
from ..observe.amounts import format_count
from ..observe.short_text import shorten
from ..runtime.log import open_log
from ..runtime.sync import run_sync
from ..runtime.world import World
from ..stores.store import Store
from .terminal import print_line
from .turn_printer import format_totals

MAX_TASK = 60
"""Characters of a child's task that are shown."""


@dataclass
class _Branch:
    """A child: what is said of it, its task, and its own children."""

    line: str
    task: str = ""
    below: list["_Branch"] = field(default_factory=list)


def print_tree(store: Store, records: Sequence[e.Record]) -> None:
    """Print a branch for each child of these records of one thread; nothing if there is none."""
    branches: list[_Branch] = []
    children = _add_children(branches, store, records)
    if not children:
        return
    print_line("threads below:")
    _print_branches(branches, "")
    read = [totals for totals in children if totals]
    calls = sum(each.model_calls for each in read)
    tools = sum(each.tool_calls for each in read)
    print_line(
        f"in {format_count(len(children), 'thread')}: {format_count(calls, 'step')},"
        f" {format_count(tools, 'tool call')};"
        " their tokens and cost are in the lines above"
    )


def _print_branches(branches: Sequence[_Branch], indent: str) -> None:
    for branch in branches:
        is_last = branch is branches[-1]
        print_line(f"{indent}{'└── ' if is_last else '├── '}{branch.line}")
        below = f"{indent}{'    ' if is_last else '│   '}"
        if branch.task:
            print_line(f"{below}» {branch.task}")
        _print_branches(branch.below, below)


def _add_children(
    branches: list[_Branch], store: Store, records: Sequence[e.Record]
) -> list[Summary | None]:
    """Add a branch for each child and its own children; the totals of each, None if damaged.

    The tokens and cost of a child include those of its children.
    """
    found: list[Summary | None] = []
    for started in find_children(records):
        try:
            log = run_sync(open_log(started.thread_id, store, World()))
        except (StoreDamaged, IllegalEvent):
            found.append(None)
            branches.append(_Branch(_format_line(started, "", "damaged", None)))
            continue
        if not is_child_in(records, started, log.records):
            continue
        result = read_result(log.records, log.state)
        status: str = result.status
        if result.reason:
            status += f": {result.reason}"
        totals = result.summary()
        branch = _Branch(_format_line(started, log.state.agent, status, totals))
        events = [record.event for record in log.records]
        tasks = [event.text for event in events if isinstance(event, e.UserSaid)]
        if tasks:
            branch.task = make_visible(shorten(tasks[0], MAX_TASK))
        branches.append(branch)
        found.append(totals)
        found += _add_children(branch.below, store, log.records)
    return found


def _format_line(started: e.ChildStarted, agent: str, status: str, totals: Summary | None) -> str:
    """Call, agent, status, what it took and may take, thread. Safe to show."""
    line = f"{visible_line(started.call_id, 100)} {visible_line(agent, MAX_TASK)}"
    line += f"  {visible_line(status, 200)}"
    if totals:
        line += f"  {format_totals(totals)}"
    limits: list[str] = []
    if started.tokens is not None:
        limits.append(f"{started.tokens:,} tokens")
    if started.cost_usd is not None:
        limits.append(f"${started.cost_usd:.4f}")
    if limits:
        line += f", of {' and '.join(limits)}"
    return f"{line}  {visible_line(started.thread_id, 200)}"
