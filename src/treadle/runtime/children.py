"""Child threads: their names, their logs, and whether a thread is one. Drives nothing.

A thread is the child of a call if its first record says so. Its name alone says nothing: anybody
may have begun a thread of that name.
"""

from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol, TypeVar

from msgspec.structs import replace

from ..core import events as e
from ..core.call import CallState
from ..core.context import Context, refuse_without_deps
from ..core.deferred import defer
from ..core.errors import StoreDamaged, ToolError, UsageError
from ..core.links import find_children, is_child, is_child_in, names_child, start_of_child
from ..core.phases import OF_A_FLOW
from ..core.state import State
from ..core.turn_after import may_reopen
from ..stores.store import Store
from .account import account_of_turn
from .log import Log, open_log
from .parent_context import find_parent
from .settings import RunSettings


def start_below(parent: Log, call_id: str, agent: str, *, flow: bool = False) -> e.ThreadStarted:
    """What begins the thread that works for this call of the parent's."""
    state, new_id = parent.state, parent.world.new_id()
    place = (parent.thread_id, call_id, state.depth + 1, state.root_id)
    return e.ThreadStarted(agent, new_id, *place, flow=flow)


async def append_started(
    log: Log, settings: RunSettings, calls: Sequence[CallState], after: int | None = None
) -> None:
    """Append that these calls start, each new child under a name that no thread has yet.

    New children are paid from the turn's account, if its limits make one. Raises as `Log.append`,
    and NeedsDeps.
    """
    started: list[e.Event] = []
    children: list[e.Event] = []
    account = account_of_turn(log, settings)
    for call in calls:
        tool = settings.policy.find_tool(call)
        if tool and settings.run.hands.runs_tools:
            refuse_without_deps(f"the tool {tool.name}", tool.needs_deps, settings.run.deps)
        started.append(e.ToolStarted(call.id, call.key, call.attempt + 1))
        if settings.policy.runs_in_background(call) and not call.deferred:
            started.append(defer(call, "started"))
        if tool and tool.child and not call.child:
            name = f"{log.thread_id}.{call.id}"
            child = e.ChildStarted(call.id, name, account=account.name if account else "")
            if await is_taken(log.store, name):
                child = await _began_before(log, child) or _renamed(child, log)
            children.append(child)
    await log.append(*started, *children, after=after)


async def is_taken(store: Store, thread_id: str) -> bool:
    """Whether there is a thread of this name, also a damaged one."""
    try:
        return bool(await store.read(thread_id))
    except StoreDamaged:
        return True


async def _began_before(log: Log, started: e.ChildStarted) -> e.ChildStarted | None:
    """The start of the call's earlier child, which goes on: its turn has failed, or was ended from
    above, as its time was up or the flow's code gave the step up. None if there is none.
    """
    earlier = [one for one in find_children(log.records) if one.call_id == started.call_id]
    if not earlier:
        return None
    child = await open_log(earlier[-1].thread_id, log.store, log.world)
    if not _works_for(child, log, started.call_id):
        return None
    has_begun = child.state.claim != ""  # else it knows only the arguments of its call
    if not has_begun or not may_reopen(child.state.turn, child.state.depth):
        return None
    return replace(started, thread_id=child.thread_id)


async def starts_again(child: Log) -> bool:
    """Whether the parent wants the turn of this child, which has ended, to go on."""
    parent = await open_parent(child)
    start = start_of_child(child.records)
    return bool(parent and start and is_yet_to_go_on(parent, child, start.parent_call_id))


def is_yet_to_go_on(parent: Log, child: Log, call_id: str) -> bool:
    """Whether this is the call's child, whose turn has ended, and the parent has started it once
    more than it has begun or been reopened."""
    if not may_reopen(child.state.turn, child.state.depth):
        return False
    if not _works_for(child, parent, call_id):
        return False
    starts = [each.event for each in parent.records if isinstance(each.event, e.ChildStarted)]
    claims = [each.event for each in child.records if isinstance(each.event, e.ThreadClaimed)]
    its_starts = [each for each in starts if each.thread_id == child.thread_id]
    return len(its_starts) > 1 + sum(each.reopens for each in claims)


async def own_child(log: Log, call: CallState) -> e.ChildStarted:
    """The child of a started call. It gets another name if somebody else has begun its thread.

    Raises as `Log.append`.
    """
    assert call.child
    begun = await open_log(call.child.thread_id, log.store, log.world)
    if not begun.records or _works_for(begun, log, call.id):
        return call.child
    renamed = _renamed(call.child, log)
    await log.append(renamed)
    return renamed


async def open_child_log(context: Context) -> Log:
    """The log of a call's child, to be driven for its parent, whose listeners hear of it.

    Raises ToolError for a thread that isn't this call's: none of it is used.
    """
    inherited = find_parent(context)
    parent = inherited.log
    child_id = inherited.child.thread_id
    log = await open_log(child_id, parent.store, parent.world, [parent.tell])
    log.above = parent
    log.paid_by = inherited.paid_by
    log.idle.above = parent.idle
    if log.records and not _works_for(log, parent, context.call_id):
        raise ToolError(
            f"not run: thread {log.thread_id}, where this call would work, was begun by somebody"
            " else at the same moment; nothing of it was used. Make the call again"
        )
    return log


def _works_for(log: Log, parent: Log, call_id: str) -> bool:
    """Whether this is the call's child, and not one that was imported and nobody has adopted."""
    its = is_child(log.records, parent.thread_id, call_id, parent.state.depth)
    return log.state.trusted and its


def _renamed(child: e.ChildStarted, log: Log) -> e.ChildStarted:
    return replace(child, thread_id=f"{child.thread_id}.{log.world.new_id()}")


def require_own(log: Log) -> None:
    """Raise UsageError for a thread to which nobody may say something new.

    It works for another one, or it was imported and nobody has adopted it.
    """
    refuse_child(log, "say it there, or fork this one and say it to the fork")
    require_trusted(log)


def require_trusted(log: Log) -> None:
    """Raise UsageError, which says what to do, for an imported thread that nobody has adopted."""
    if not log.state.trusted:
        raise UsageError(
            f"thread {log.thread_id} was imported and nobody has adopted it: look at it, then adopt"
            f" it with `treadle adopt {log.thread_id}` or by posting TrustChanged(True, by=...)"
        )


def refuse_flow(log: Log) -> None:
    """Raise UsageError for the thread of a flow, in which no agent speaks or goes on."""
    if log.state.is_flow or (log.state.turn and log.state.turn.has_steps):
        raise UsageError(
            f"thread {log.thread_id}: {OF_A_FLOW}. Only the flow {log.state.agent} resumes it"
        )


def refuse_child(log: Log, instead: str) -> None:
    """Raise UsageError, which names the parent, for a thread that works for another."""
    start = start_of_child(log.records)
    if start:
        raise UsageError(
            f"thread {log.thread_id} is a child: it works for call {start.parent_call_id} of thread"
            f" {start.parent_thread_id}; {instead}"
        )


async def open_parent(log: Log) -> Log | None:
    """The log of the thread that a child works for, if both logs say so; None for any other."""
    return await read_parent(log, lambda name: open_log(name, log.store, log.world))


async def open_tree(log: Log) -> list[Log]:
    """The log itself, then those of its children, each followed by its own children's.

    A thread that only has a child's name isn't among them. Raises as `open_log`.
    """
    return await read_tree(log, lambda name: open_log(name, log.store, log.world))


class ReadThread(Protocol):
    """A thread as somebody has read it."""

    @property
    def records(self) -> Sequence[e.Record]: ...
    @property
    def state(self) -> State: ...


Read = TypeVar("Read", bound=ReadThread)


async def read_parent(child: Read, read: Callable[[str], Awaitable[Read]]) -> Read | None:
    """As `open_parent`, of threads that are read so; one that isn't there has no records."""
    start = start_of_child(child.records)
    if start is None:
        return None
    parent = await read(start.parent_thread_id)
    if parent.state.depth + 1 != start.depth or not names_child(parent.records, child.records):
        return None
    return parent


async def read_tree(root: Read, read: Callable[[str], Awaitable[Read]]) -> list[Read]:
    """As `open_tree`, of threads that are read so; one that isn't there has no records."""
    tree = [root]
    seen: set[str] = set()
    for started in find_children(root.records):
        if started.thread_id in seen:
            continue
        seen.add(started.thread_id)
        child = await read(started.thread_id)
        if is_child_in(root.records, started, child.records):
            tree += await read_tree(child, read)
    return tree
