"""`treadle explain`, `replay` and `diff`: where a thread stands, and how it differs."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from ..core import events as e
from ..core.errors import UsageError
from ..core.limits import RAISED
from ..core.result import Summary
from ..core.state import fold
from ..core.turn_after import goes_on_when_resumed
from ..core.visible import make_visible, visible_command, visible_line
from ..flows.flow import Flow
from ..observe.account_lines import describe_accounts
from ..observe.diff import Diff, Side
from ..observe.permissions import find_permissions
from ..observe.timeline import Timeline
from ..runtime.drives import find_beat
from ..runtime.read_accounts import read_accounts
from ..runtime.sync import run_sync
from .agents import (
    choose_store,
    known_settings,
    load_agent,
    load_flow,
    make_recorded_agent,
    make_runner,
    missing_agent,
    missing_agent_message,
    names_agent,
)
from .amounts import option_of
from .ending import DECISION_COMMANDS, next_command, raise_command
from .options import AgentOptions, StoreOptions, name_thread
from .parameters import make_flag
from .permissions import revoke_command
from .tables import format_table
from .terminal import Screen, print_as_json, print_line
from .thread_tree import read_tree
from .threads import open_thread, read_thread
from .turn_printer import format_totals

FROM_LOG = (
    "without --agent: what its code says of calls and answers (approval rules, checks) and what a"
    " call may cost was taken from the log; the rest was worked out again"
)
MAX_VALUE = 500
"""Characters of a value that are shown."""


@dataclass(frozen=True, kw_only=True)
class ExplainOptions(AgentOptions):
    thread: str = name_thread()
    json: bool = make_flag("As a JSON object.")


@dataclass(frozen=True, kw_only=True)
class ReplayOptions(AgentOptions):
    thread: str = name_thread()


@dataclass(frozen=True, kw_only=True)
class DiffOptions(StoreOptions):
    left: str = name_thread("A")
    right: str = name_thread("B")
    json: bool = make_flag("As a JSON object.")


def explain(settings: ExplainOptions) -> int:
    """Where a thread stands, what it waits for, and what resuming it would do."""
    from ..observe.explain import explain as explain_records
    from ..observe.explain import pending_decisions

    agent = make_runner(settings, True)
    log = open_thread(agent.store, settings.thread)
    records = log.records
    logs = read_tree(log)
    tree = {each.thread_id: each.records for each in logs}
    driven = find_beat(log) is not None
    found = explain_records(records, agent.run_settings, tree, driven)
    other = missing_agent(settings, log.state)
    if other:
        # Compared with Treadle's own agent everything has changed, which says nothing.
        found = replace(found, changes=())
        if log.state.is_open and not driven:
            found = replace(found, next="refuse, unless --agent names it")
    accounts = run_sync(read_accounts(log, known_settings(agent, settings)))
    found = replace(found, paid_from=describe_accounts(accounts))
    if settings.json:
        print_as_json(found)
        return 0
    if other:
        print_line(missing_agent_message(other), "yellow")
    print_line(f"thread {visible_line(log.thread_id, 200)}: {found.status}", "bold")
    _print_list("done; this never runs again", found.done)
    _print_list("running now, in a living process", found.running)
    _print_list("unknown; it may have had its effect", found.unknown)
    _print_list("waits for you to", found.waits_for)
    _print_list("paid from", found.paid_from)
    _print_list("acted outward beside untrusted text and private data", found.outward)
    _print_list("allowed beforehand", found.allowed)
    _print_list("changed since", found.changes)
    _print_list("treadle resume would", (found.next,))
    pending = pending_decisions(records, agent.run_settings, tree, driven)
    how = [_decision_command(call, settings) for call in pending]
    permissions = find_permissions({each.thread_id: each.state for each in logs})
    how += [revoke_command(at, each, settings) for at, each in permissions]
    turn = log.state.turn
    at_limit = found.status == "limit" and not goes_on_when_resumed(turn)
    if at_limit and turn and turn.ended and turn.ended.reason in RAISED:
        how.append(raise_command(turn.ended.reason, log.thread_id, settings))
    _print_list("how", how)
    return 0


def _print_list(title: str, lines: Sequence[str]) -> None:
    """Print a title with indented lines; nothing without lines."""
    if not lines:
        return
    print_line(f"{title}:")
    for line in lines:
        first, *rest = make_visible(line).split("\n")
        print_line(f"  {first}")
        for each in rest:
            print_line(f"  │ {each}")


def _decision_command(call: e.PendingDecision, settings: ExplainOptions) -> str:
    command = next_command(DECISION_COMMANDS[call.status], call.thread_id, settings)
    call_id = visible_command([call.id])  # of a log that others may have written
    match call.status:
        case "question":
            return f"{command} TEXT --call {call_id}"
        case "unknown":
            return f"{command} {call_id} --ran | --not-run | --tell"
        case "pending":
            return f"{command} {call_id} --result TEXT | --failed TEXT"
        case "waiting":
            return f"{command} {call_id} [--deny]"
        case "imported" | "parked":
            return command
        case "limit":
            if "_a_" in call.name:  # it stands in the code
                return f"{command} --again"
            return f"{command} {option_of(call.name)} +N"


def replay(settings: ReplayOptions) -> int:
    """Replay a thread offline, with what the log says of its agent, or with today's --agent.

    Says that it is the same, or names the first record that differs.
    """
    from ..runtime.replay import replay as replay_records

    agent = None
    if settings.agent:
        if flow := load_flow(settings.agent):
            flow = replace(flow, store=choose_store(settings, flow))
            return _replay_flow(flow, settings.thread)
        agent = load_agent(settings.agent)
    records = read_thread(choose_store(settings, agent), settings.thread)
    run_settings = None
    if names_agent(settings):
        run_settings = make_recorded_agent(settings, fold(records).last_described).run_settings
    try:
        found = run_sync(replay_records(records, run_settings))
    except UsageError as error:
        raise UsageError(f"{error} with --agent MODULE:NAME") from None
    if run_settings is None:
        Screen().note(FROM_LOG, "dim")
    if found is None:
        print_line(f"the same, {len(records)} records")
        return 0
    print_line(f"parts at record {found.seq}: {_describe_record(records, found.seq)}", "bold")
    was = (f"{found.field} was", _format_value(found.recorded))
    now = ("is now", _format_value(found.replayed))
    print_line(format_table([was, now]))
    return 1


def _replay_flow(flow: Flow, thread: str) -> int:
    records = read_thread(flow.store, thread)
    changed = run_sync(flow.replay(records[0].thread_id))
    if changed:
        print_line(make_visible(str(changed)), "bold")
        return 1
    print_line(f"the same, {len(records)} records")
    return 0


def _format_value(value: object) -> str:
    if value is None:
        return "nothing"
    text = value if isinstance(value, str) else repr(value)
    if len(text) <= MAX_VALUE:
        return text
    return f"{text[:MAX_VALUE]}… ({len(text)} characters)"


def diff(settings: DiffOptions) -> int:
    """Where two threads differ first, and what each took from there on."""
    from ..observe.diff import diff as diff_records

    store = choose_store(settings)
    left = read_thread(store, settings.left)
    right = read_thread(store, settings.right)
    found = diff_records(left, right)
    if settings.json:
        print_as_json(_to_json(found))
        return 0
    if found.same:
        print_line(f"the same, {found.shared} facts")
        return 0
    if found.shared:
        print_line(f"the first {found.shared} facts are the same; then")
    else:
        print_line(_describe_relation(left, right))
    print_line(f"A {_describe_side(found.left, left)}")
    print_line(f"B {_describe_side(found.right, right)}")
    rows = [
        _totals_row("A from there", found.left.rest),
        _totals_row("A in all", found.left.whole),
        _totals_row("B from there", found.right.rest),
        _totals_row("B in all", found.right.whole),
    ]
    print_line(format_table(rows))
    return 0


def _totals_row(title: str, totals: Summary) -> tuple[str, str]:
    return title, format_totals(totals)


def _describe_relation(left: Sequence[e.Record], right: Sequence[e.Record]) -> str:
    """How two threads without a common record are related: forked at the first message, or not."""
    parents_of_a = _forked_from(left)
    parents_of_b = _forked_from(right)
    if right[0].thread_id in parents_of_a:
        return "they part at the first message; A is forked from B"
    if left[0].thread_id in parents_of_b:
        return "they part at the first message; B is forked from A"
    common = [name for name in parents_of_a if name in parents_of_b]
    if common:
        parent = visible_line(common[-1], 100)
        return f"they part at the first message; both are forked from {parent}"
    return "they have no beginning in common"


def _forked_from(records: Sequence[e.Record]) -> list[str]:
    events = [record.event for record in records]
    return [event.parent_thread_id for event in events if isinstance(event, e.ThreadForked)]


def _describe_side(side: Side, records: Sequence[e.Record]) -> str:
    name = visible_line(side.thread_id, 100)
    if side.first_difference is None:
        return f"{name}: has no more"
    seq = side.first_difference.seq
    return f"{name}: record {seq} {_describe_record(records, seq)}"


def _describe_record(records: Sequence[e.Record], seq: int) -> str:
    timeline = Timeline()
    lines = {record.seq: timeline.line(record) for record in records}
    return make_visible(str(lines[seq]))


def _to_json(found: Diff) -> dict[str, object]:
    sides = {}
    for name, side in (("left", found.left), ("right", found.right)):
        sides[name] = {
            "thread_id": side.thread_id,
            "parts_at": side.first_difference and side.first_difference.seq,
            "rest": side.rest,
            "whole": side.whole,
        }
    return {"shared": found.shared, "same": found.same, **sides}
