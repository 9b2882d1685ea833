"""The API's lists of threads, and one thread as it stands."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import msgspec

from ..core import events as e
from ..core.errors import UsageError
from ..core.links import find_runners
from ..core.result import read_result
from ..core.state import State
from ..core.status import ThreadStatus
from ..core.thread_summary import ThreadSummary
from ..core.waits import find_open_decisions
from ..observe.explain import explain_folded
from ..observe.folded import Folded
from ..runtime.children import read_tree
from ..runtime.drives import find_beat_of
from ..runtime.summary import sum_up
from .lines import Lines, ThreadLine, find_title
from .routes import Asked

MAX_PAGE = 200
MAX_SEARCHED = 2_000
"""Threads that one search looks at, the last written first."""
MAX_DONE = 20
"""What has been done in a turn is told of the last of them alone: a long turn has thousands."""


class ListQuery(msgspec.Struct, forbid_unknown_fields=True):
    """Which threads."""

    limit: int = 50
    before: int | None = None
    """The `position` of the last page's last line."""
    status: ThreadStatus | Literal["damaged"] | None = None
    agent: str | None = None
    parent: str | None = ""
    """A thread whose children are asked for; "" asks for those that are nobody's child."""
    search: str = ""
    """Words that the name or the first message has, in any case."""
    rated: Literal["good", "bad"] | None = None
    """Only where a person found a turn so."""


class ThreadPage(msgspec.Struct):
    """A page of threads, the last written first."""

    threads: list[ThreadLine]
    before: int | None
    """Ask with this for the next page; None: there is none."""


class Child(msgspec.Struct):
    """A thread that works for another one."""

    thread_id: str
    agent: str
    status: str
    parent_thread_id: str
    call_id: str


class Totals(msgspec.Struct):
    """What a thread and its children have used."""

    steps: int
    model_calls: int
    tool_calls: int
    tool_errors: int
    tokens: int
    input_tokens: int
    output_tokens: int
    cost_usd: float | None
    """None where a part of it is unknown."""
    seconds: float
    """Of work, without waiting for people."""


class Thread(msgspec.Struct):
    """A thread as it is now."""

    thread_id: str
    title: str
    agent: str
    """Who began it."""
    in_charge: str
    status: str
    live: bool
    """Whether a living process drives it."""
    last_seq: int
    answer: str
    reason: str
    waiting: tuple[e.PendingDecision, ...]
    """What people must decide, in children too; of a turn that still goes on, what they may."""
    children: list[Child]
    totals: Totals
    source: str
    """The thread that it was forked from."""
    flow: bool = False
    """Whether the code of a flow drives it."""
    schemas: dict[str, dict[str, Any]] = {}
    """By call, the JSON Schema of the arguments of what waits, where the log describes its tool."""
    done: tuple[str, ...] = ()
    """The last turn's last 20 calls that have a result, in words; the records have all."""
    unknown: tuple[str, ...] = ()
    running: tuple[str, ...] = ()
    """Calls that a living process runs now."""
    next: str = ""
    """What resuming would do first, in words; "" where its agent can't be used here."""
    allowed: tuple[str, ...] = ()
    """What people have allowed beforehand."""


async def list_threads(asked: Asked) -> ThreadPage:
    """The threads, the last written first, a page at a time."""
    query: ListQuery = asked.query
    lines: Lines = asked.request.app.state.lines
    limit = max(1, min(query.limit, MAX_PAGE))
    words = query.search.lower().split()
    infos = await asked.served.store.threads(
        MAX_SEARCHED if words or query.rated else limit + 1,
        status=query.status,
        agent=query.agent,
        parent=query.parent,
        before=query.before,
    )
    found: list[ThreadLine] = []
    for info in infos:
        line = await lines.make(info)
        text = f"{line.thread_id} {line.title}".lower()
        is_rated = query.rated is None or bool(getattr(line, query.rated))
        if is_rated and all(word in text for word in words):
            found.append(line)
        if len(found) > limit:
            break
    before = found[limit - 1].position if len(found) > limit else None
    return ThreadPage(found[:limit], before)


async def read_thread(asked: Asked) -> Thread:
    """A thread: its status, what it waits for, its children, what it has used, what comes next."""
    readings = asked.served.readings
    found = await asked.served.read(asked.thread)
    tree = await read_tree(found, readings.read)
    summary = await sum_up(asked.thread, readings.count)
    state = found.state
    result = read_result(found.records, state)
    states = {each.records[0].thread_id: each.state for each in tree}
    waiting = summary.waiting or find_open_decisions(states)
    live = find_beat_of(asked.served.store, asked.thread, state.claim) is not None
    thread = Thread(
        thread_id=asked.thread,
        title=find_title(found.records),
        agent=state.agent,
        in_charge=summary.agent,
        status=summary.status,
        live=live,
        last_seq=state.seq,
        answer=result.answer,
        reason=result.reason,
        waiting=waiting,
        children=[_describe_child(child) for child in tree[1:]],
        totals=_read_totals(summary),
        source=_find_source(found.records),
        flow=state.is_flow,
        schemas=_find_schemas(waiting, states),
    )
    runners = asked.served.runners
    known = [name for name in find_runners(found.records, state) if name in runners]
    if not known:
        return thread
    try:
        settings = runners[known[0]].run_settings
    except UsageError:  # such as for a model's key, which only workers may have
        return thread
    children = {child.records[0].thread_id: child for child in tree[1:]}
    told = explain_folded(found, settings, children, live)
    return msgspec.structs.replace(
        thread,
        done=told.done[-MAX_DONE:],
        unknown=told.unknown,
        running=told.running,
        next=told.next,
        allowed=told.allowed,
    )


def _read_totals(summary: ThreadSummary) -> Totals:
    return Totals(
        steps=summary.steps,
        model_calls=summary.model_calls,
        tool_calls=summary.tool_calls,
        tool_errors=summary.tool_errors,
        tokens=summary.tokens,
        input_tokens=summary.usage.input_tokens,
        output_tokens=summary.usage.output_tokens,
        cost_usd=summary.cost_usd,
        seconds=summary.seconds,
    )


def _find_schemas(
    waiting: Sequence[e.PendingDecision], states: Mapping[str, State]
) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for each in waiting:
        state = states.get(each.thread_id)
        described = state.last_described if state else None
        if described and each.name in described.tools:
            found[each.id] = described.tools[each.name].parameters
    return found


def _describe_child(child: Folded) -> Child:
    started = child.records[0].event
    assert isinstance(started, e.ThreadStarted)
    return Child(
        child.records[0].thread_id,
        started.agent,
        read_result(child.records, child.state).status,
        started.parent_thread_id,
        started.parent_call_id,
    )


def _find_source(records: Sequence[e.Record]) -> str:
    for record in reversed(records):
        if isinstance(record.event, e.ThreadForked):
            return record.event.parent_thread_id
    return ""
