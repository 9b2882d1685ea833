"""Prints the tree of a thread's children.

The outcome of each call that ran as a thread of its own.
"""

from collections.abc import Sequence
from io import StringIO
from typing import TYPE_CHECKING

from ..core import events as e
from ..core.errors import IllegalEvent, StoreDamaged
from ..core.links import find_children, is_child_in
from ..core.result import Summary, read_result
from ..observe.short_text import shorten
from ..observe.visible import make_visible, visible_line
from ..runtime.log import open_log
from ..runtime.sync import run_sync
from ..runtime.world import World
from ..stores.store import Store
from .terminal import is_coloured, print_line
from .turn_printer import format_totals

if TYPE_CHECKING:
    from rich.tree import Tree

MAX_TASK = 60
"""Characters of a child's task that are shown."""
WIDTH = 10_000
"""Wider than any line: lines are not wrapped."""


def print_tree(store: Store, records: Sequence[e.Record]) -> None:
    """Print a branch for each child of these records of one thread; nothing if there is none."""
    from rich.console import Console
    from rich.tree import Tree

    tree = Tree("threads below:", style="", guide_style="")
    children = _add_children(tree, store, records)
    if not children:
        return
    console = Console(
        file=StringIO(),
        width=WIDTH,
        force_terminal=is_coloured(),
        color_system="standard" if is_coloured() else None,
        legacy_windows=False,
    )
    with console.capture() as capture:
        console.print(tree)
    for line in capture.get().splitlines():
        print_line(line.rstrip())
    read = [totals for totals in children if totals]
    calls = sum(each.model_calls for each in read)
    tools = sum(each.tool_calls for each in read)
    print_line(
        f"in {len(children)} threads: {calls} steps, {tools} tool calls;"
        " their tokens and cost are in the lines above"
    )


def _add_children(tree: "Tree", store: Store, records: Sequence[e.Record]) -> list[Summary | None]:
    """Add a branch for each child and its own children; the totals of each, None if damaged.

    The tokens and cost of a child include those of its children.
    """
    from rich.text import Text

    found: list[Summary | None] = []
    for started in find_children(records):
        try:
            log = run_sync(open_log(started.thread_id, store, World()))
        except (StoreDamaged, IllegalEvent):
            found.append(None)
            tree.add(Text(_format_line(started, "", "damaged", None)))
            continue
        if not is_child_in(records, started, log.records):
            continue
        result = read_result(log.records, log.state)
        status: str = result.status
        if result.reason:
            status += f": {result.reason}"
        totals = result.summary()
        label = Text(_format_line(started, log.state.agent, status, totals))
        events = [record.event for record in log.records]
        tasks = [event.text for event in events if isinstance(event, e.UserSaid)]
        if tasks:
            label.append(f"\n» {make_visible(shorten(tasks[0], MAX_TASK))}", "dim")
        found.append(totals)
        found += _add_children(tree.add(label), store, log.records)
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
