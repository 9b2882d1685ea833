"""`treadle explain`, `replay` and `diff`: what the readers of observe/ and replay.py find, in words."""

from collections.abc import Sequence
from dataclasses import asdict, replace

import msgspec

from ..core import events as e
from ..core.state import OPEN_PHASES, fold
from ..flows.flow import Flow
from ..observe.diff import Diff, Side
from ..observe.timeline import Timeline
from ..observe.visible import make_visible, visible_line
from ..runtime.sync import run_sync
from .agents import (
    choose_store,
    load_agent,
    make_recorded_agent,
    missing_agent,
    missing_agent_message,
)
from .runner import load_flow, make_runner
from .session import DECISION_COMMANDS, next_command
from .turn_printer import format_totals
from .tables import format_table
from .terminal import print_json, print_line
from .thread_options import DiffOptions as DiffOptions
from .thread_options import ExplainOptions, ReplayOptions
from .thread_tree import read_tree
from .threads import open_thread, read_thread

MAX_VALUE = 500
"""Characters of a recorded and a replayed value."""


def explain(settings: ExplainOptions) -> int:
    """Where a thread stands: what is done, unknown and waited for, and what resuming it would do, before it does it."""
    from ..observe.explain import explain as explained
    from ..observe.explain import pending_decisions

    agent = make_runner(settings, True)
    assert agent.store
    log = open_thread(agent.store, settings.thread)
    records, state, below = (
        log.records,
        log.state,
        {each.thread_id: each.records for each in read_tree(log)},
    )
    found = explained(records, agent.run_settings, agent.name, below)
    if other := missing_agent(
        settings, state
    ):  # all would differ from Treadle's own agent, which says nothing
        found = replace(
            found,
            changes=(),
            next="refuse, unless --agent names it" if state.phase in OPEN_PHASES else found.next,
        )
    if settings.json:
        print_json(msgspec.json.encode(asdict(found)))
        return 0
    thread_id = records[0].thread_id
    if other:
        print_line(missing_agent_message(other), "yellow")
    print_line(f"thread {visible_line(thread_id, 200)}: {found.status}", "bold")
    _listed("done; this never runs again", found.done)
    _listed("unknown; it may have had its effect", found.unknown)
    _listed("waits for you to", found.waits_for)
    _listed("changed since", found.changes)
    _listed("treadle resume would", (found.next,))
    _listed(
        "how",
        [_how(held, settings) for held in pending_decisions(records, agent.run_settings, below)],
    )
    return 0


def _listed(title: str, lines: Sequence[str]) -> None:
    if lines:
        print_line(f"{title}:")
        for line in lines:
            first, *rest = make_visible(line).split("\n")
            print_line("\n".join([f"  {first}", *(f"  │ {each}" for each in rest)]))


def _how(call: e.PendingDecision, settings: ExplainOptions) -> str:
    command = DECISION_COMMANDS[call.status]
    what = {"answer": f" TEXT --call {call.id}", "decide": f" {call.id} --ran | --not-run | --tell"}
    return next_command(command, call.thread_id, settings) + what.get(
        command, f" {call.id} [--deny]"
    )


def replay(settings: ReplayOptions) -> int:
    """Run a thread again, offline, with the agent of today: the same, or the first record that comes out otherwise."""
    from ..runtime.replay import replay as replayed

    if settings.agent and (flow := load_flow(settings.agent)):
        return _replay_flow(replace(flow, store=choose_store(settings, flow)), settings.thread)
    store = choose_store(settings, load_agent(settings.agent) if settings.agent else None)
    records = read_thread(store, settings.thread)
    agent = make_recorded_agent(settings, fold(records).identity)
    found = run_sync(replayed(records, agent.run_settings))
    if found is None:
        print_line(f"the same, {len(records)} records")
        return 0
    timeline = Timeline()
    lines = {record.seq: timeline.line(record) for record in records}
    print_line(f"parts at record {found.seq}: {make_visible(str(lines[found.seq]))}", "bold")
    print_line(
        format_table(
            [(f"{found.field} was", _value(found.recorded)), ("is now", _value(found.replayed))]
        )
    )
    return 1


def _replay_flow(flow: Flow, thread: str) -> int:
    assert flow.store
    records = read_thread(flow.store, thread)
    changed = run_sync(flow.replay(records[0].thread_id))
    print_line(
        make_visible(str(changed)) if changed else f"the same, {len(records)} records",
        "bold" if changed else "",
    )
    return 1 if changed else 0


def _value(value: object) -> str:
    text = value if isinstance(value, str) else repr(value)
    return (
        "nothing"
        if value is None
        else text
        if len(text) <= MAX_VALUE
        else f"{text[:MAX_VALUE]}… ({len(text)} characters)"
    )


def diff(settings: DiffOptions) -> int:
    """Where two threads part, and what each took from there on."""
    from ..observe.diff import diff as compared

    store = choose_store(settings)
    left, right = read_thread(store, settings.left), read_thread(store, settings.right)
    found = compared(left, right)
    if settings.json:
        print_json(_json(found))
        return 0
    if found.same:
        print_line(f"the same, {found.shared} facts")
        return 0
    print_line(
        f"the first {found.shared} facts are the same; then"
        if found.shared
        else _apart(left, right)
    )
    for name, side, records in (("A", found.left, left), ("B", found.right, right)):
        print_line(f"{name} {visible_line(side.thread_id, 100)}: {_parts(side, records)}")
    rows = [
        (f"{name} {part}", format_totals(took))
        for name, side in (("A", found.left), ("B", found.right))
        for part, took in (("from there", side.rest), ("in all", side.whole))
    ]
    print_line(format_table(rows))
    return 0


def _apart(left: Sequence[e.Record], right: Sequence[e.Record]) -> str:
    """Of threads that share no fact: forked at the first message, or strangers."""
    (a, of_a), (b, of_b) = ((each[0].thread_id, _forked_from(each)) for each in (left, right))
    if b in of_a or a in of_b:
        return f"they part at the first message; {'A' if b in of_a else 'B'} is forked from {'B' if b in of_a else 'A'}"
    if both := [name for name in of_a if name in of_b]:
        return f"they part at the first message; both are forked from {visible_line(both[-1], 100)}"
    return "they have no beginning in common"


def _forked_from(records: Sequence[e.Record]) -> list[str]:
    return [
        record.event.parent_thread_id
        for record in records
        if isinstance(record.event, e.ThreadForked)
    ]


def _parts(side: Side, records: Sequence[e.Record]) -> str:
    if side.first_difference is None:
        return "has no more"
    timeline = Timeline()
    lines = {record.seq: timeline.line(record) for record in records}
    return (
        f"record {side.first_difference.seq} {make_visible(str(lines[side.first_difference.seq]))}"
    )


def _json(found: Diff) -> bytes:
    sides = {
        name: {
            "thread_id": side.thread_id,
            "parts_at": side.first_difference and side.first_difference.seq,
            "rest": asdict(side.rest),
            "whole": asdict(side.whole),
        }
        for name, side in (("left", found.left), ("right", found.right))
    }
    return msgspec.json.encode({"shared": found.shared, "same": found.same, **sides})
