"""`treadle explain`, `replay` and `diff`: what the readers of observe/ and replay.py find, in words."""

from collections.abc import Sequence
from dataclasses import asdict, replace

import msgspec

from ..core import events as e
from ..core.state import OPEN, fold
from ..flows.flow import Flow
from ..observe.diff import Diff, Side
from ..observe.timeline import Timeline
from ..observe.visible import line_of, visible
from ..runtime.sync import run_sync
from .agents import agent_as_recorded, loaded, needs_agent, other_agent, store_of
from .runner import flow_at, runner_of
from .session import DECIDED_BY, again
from .show import took_line
from .tables import table
from .terminal import put, put_json
from .thread_options import Diff as DiffOptions
from .thread_options import Explain, Replay
from .thread_tree import family
from .threads import log_of, records_of

VALUE = 500
"""Characters of a recorded and a replayed value."""


def explain(settings: Explain) -> int:
    """Where a thread stands: what is done, unknown and waited for, and what resuming it would do, before it does it."""
    from ..observe.explain import explain as explained
    from ..observe.explain import to_decide

    agent = runner_of(settings, True)
    assert agent.store
    log = log_of(agent.store, settings.thread)
    records, state, below = (
        log.records,
        log.state,
        {each.thread_id: each.records for each in family(log)},
    )
    found = explained(records, agent.job, agent.name, below)
    if other := other_agent(
        settings, state
    ):  # all would differ from Treadle's own agent, which says nothing
        found = replace(
            found,
            changes=(),
            next="refuse, unless --agent names it" if state.phase in OPEN else found.next,
        )
    if settings.json:
        put_json(msgspec.json.encode(asdict(found)))
        return 0
    thread_id = records[0].thread_id
    if other:
        put(needs_agent(other), "yellow")
    put(f"thread {line_of(thread_id, 200)}: {found.status}", "bold")
    _listed("done; this never runs again", found.done)
    _listed("unknown; it may have had its effect", found.unknown)
    _listed("waits for you to", found.waits_for)
    _listed("changed since", found.changes)
    _listed("treadle resume would", (found.next,))
    _listed("how", [_how(held, settings) for held in to_decide(records, agent.job, below)])
    return 0


def _listed(title: str, lines: Sequence[str]) -> None:
    if lines:
        put(f"{title}:")
        for line in lines:
            first, *rest = visible(line).split("\n")
            put("\n".join([f"  {first}", *(f"  │ {each}" for each in rest)]))


def _how(call: e.Held, settings: Explain) -> str:
    command = DECIDED_BY[call.status]
    what = {"answer": f" TEXT --call {call.id}", "decide": f" {call.id} --ran | --not-run | --tell"}
    return again(command, call.thread_id, settings) + what.get(command, f" {call.id} [--deny]")


def replay(settings: Replay) -> int:
    """Run a thread again, offline, with the agent of today: the same, or the first record that comes out otherwise."""
    from ..runtime.replay import replay as replayed

    if settings.agent and (flow := flow_at(settings.agent)):
        return _replay_flow(replace(flow, store=store_of(settings, flow)), settings.thread)
    store = store_of(settings, loaded(settings.agent) if settings.agent else None)
    records = records_of(store, settings.thread)
    agent = agent_as_recorded(settings, fold(records).identity)
    found = run_sync(replayed(records, agent.job))
    if found is None:
        put(f"the same, {len(records)} records")
        return 0
    timeline = Timeline()
    lines = {record.seq: timeline.line(record) for record in records}
    put(f"parts at record {found.seq}: {visible(str(lines[found.seq]))}", "bold")
    put(table([(f"{found.field} was", _value(found.recorded)), ("is now", _value(found.replayed))]))
    return 1


def _replay_flow(flow: Flow, thread: str) -> int:
    assert flow.store
    records = records_of(flow.store, thread)
    changed = run_sync(flow.replay(records[0].thread_id))
    put(
        visible(str(changed)) if changed else f"the same, {len(records)} records",
        "bold" if changed else "",
    )
    return 1 if changed else 0


def _value(value: object) -> str:
    text = value if isinstance(value, str) else repr(value)
    return (
        "nothing"
        if value is None
        else text
        if len(text) <= VALUE
        else f"{text[:VALUE]}… ({len(text)} characters)"
    )


def diff(settings: DiffOptions) -> int:
    """Where two threads part, and what each took from there on."""
    from ..observe.diff import diff as compared

    store = store_of(settings)
    left, right = records_of(store, settings.left), records_of(store, settings.right)
    found = compared(left, right)
    if settings.json:
        put_json(_json(found))
        return 0
    if found.same:
        put(f"the same, {found.shared} facts")
        return 0
    put(
        f"the first {found.shared} facts are the same; then"
        if found.shared
        else _apart(left, right)
    )
    for name, side, records in (("A", found.left, left), ("B", found.right, right)):
        put(f"{name} {line_of(side.thread_id, 100)}: {_parts(side, records)}")
    rows = [
        (f"{name} {part}", took_line(took))
        for name, side in (("A", found.left), ("B", found.right))
        for part, took in (("from there", side.rest), ("in all", side.whole))
    ]
    put(table(rows))
    return 0


def _apart(left: Sequence[e.Record], right: Sequence[e.Record]) -> str:
    """Of threads that share no fact: forked at the first message, or strangers."""
    (a, of_a), (b, of_b) = ((each[0].thread_id, _forked_from(each)) for each in (left, right))
    if b in of_a or a in of_b:
        return f"they part at the first message; {'A' if b in of_a else 'B'} is forked from {'B' if b in of_a else 'A'}"
    if both := [name for name in of_a if name in of_b]:
        return f"they part at the first message; both are forked from {line_of(both[-1], 100)}"
    return "they have no beginning in common"


def _forked_from(records: Sequence[e.Record]) -> list[str]:
    return [
        record.event.parent_thread_id
        for record in records
        if isinstance(record.event, e.ThreadForked)
    ]


def _parts(side: Side, records: Sequence[e.Record]) -> str:
    if side.parts_at is None:
        return "has no more"
    timeline = Timeline()
    lines = {record.seq: timeline.line(record) for record in records}
    return f"record {side.parts_at.seq} {visible(str(lines[side.parts_at.seq]))}"


def _json(found: Diff) -> bytes:
    sides = {
        name: {
            "thread_id": side.thread_id,
            "parts_at": side.parts_at and side.parts_at.seq,
            "rest": asdict(side.rest),
            "whole": asdict(side.whole),
        }
        for name, side in (("left", found.left), ("right", found.right))
    }
    return msgspec.json.encode({"shared": found.shared, "same": found.same, **sides})
