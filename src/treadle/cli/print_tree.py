"""The threads below one: what each call that runs as a thread of its own came to, and what it took."""

from collections.abc import Iterator
from dataclasses import dataclass

from ..core import events as e
from ..core.errors import IllegalEvent, StoreDamaged
from ..core.result import Summary, read_result
from ..observe.timeline import shorten
from ..observe.visible import make_visible, visible_line
from ..runtime.log import open_log
from ..runtime.sync import run_sync
from ..runtime.world import World
from ..stores.store import Store
from .turn_printer import format_totals
from .terminal import print_line

MAX_TASK = 60
"""Characters of what a thread was told to do, in its line."""


@dataclass(frozen=True)
class Descendant:
    """One thread of the tree."""

    depth: int
    thread_id: str
    call_id: str
    agent: str
    status: str
    """And why: the limit, the failure, what is waited for."""
    lent: e.ChildStarted
    said: str
    took: Summary | None
    """None where its log can't be read."""


def descendants(store: Store, records: list[e.Record], depth: int = 1) -> Iterator[Descendant]:
    """The threads that these records of one began, each before its own. `took` has the tokens and cost of all below."""
    for record in records:
        if isinstance(record.event, e.ChildStarted):
            thread_id, call_id, lent = record.event.thread_id, record.event.call_id, record.event
            try:
                log = run_sync(open_log(thread_id, store, World()))
            except (StoreDamaged, IllegalEvent):
                yield Descendant(depth, thread_id, call_id, "", "damaged", lent, "", None)
                continue
            if log.records:
                done = read_result(log.records, log.state)
                said = next(
                    (r.event.text for r in log.records if isinstance(r.event, e.UserSaid)), ""
                )
                status = f"{done.status}: {done.reason}" if done.reason else done.status
                yield Descendant(
                    depth, thread_id, call_id, log.state.agent, status, lent, said, done.summary()
                )
                yield from descendants(store, log.records, depth + 1)


def print_tree(store: Store, records: list[e.Record]) -> None:
    """The tree, a line for each thread; nothing where there is none."""
    found = list(descendants(store, records))
    if not found:
        return
    print_line("\nthreads below:", "bold")
    for each in found:
        took = f"  {format_totals(each.took)}" if each.took else ""
        name = f"{visible_line(each.call_id, 100)} {visible_line(each.agent, MAX_TASK)}"
        print_line(
            f"{'  ' * each.depth}{name}  {visible_line(each.status, 200)}{took}{_lent(each)}  {visible_line(each.thread_id, 200)}"
        )
        if each.said:
            print_line(
                f"{'  ' * each.depth}  » {make_visible(shorten(each.said, MAX_TASK))}", "dim"
            )
    seen = [each.took for each in found if each.took]
    calls, tools = sum(each.model_calls for each in seen), sum(each.tool_calls for each in seen)
    print_line(
        f"  in {len(found)} threads: {calls} steps, {tools} tool calls; their tokens and cost are in the lines above"
    )


def _lent(each: Descendant) -> str:
    """What it may use of its parent's limits."""
    tokens, cost_usd = each.lent.tokens, each.lent.cost_usd
    parts = [f"{tokens:,} tokens"] if tokens is not None else []
    parts += [f"${cost_usd:.4f}"] if cost_usd is not None else []
    return f", of {' and '.join(parts)}" if parts else ""
