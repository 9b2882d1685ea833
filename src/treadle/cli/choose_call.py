"""Finds the call that a person decides on, or says why there is none."""

from contextlib import suppress
from typing import Any, Literal

from msgspec.structs import replace

from ..core import events as e
from ..core.call import find_pending_decisions
from ..core.errors import UsageError
from ..core.links import is_child_in
from ..core.pending import write_handle
from ..core.strict_json import value_of
from ..core.visible import visible_command, visible_line
from ..core.waits import find_waits, is_held
from ..observe.short_text import call_text
from ..runtime.conflicts import describe_decision
from ..runtime.local_time import format_time
from ..runtime.log import Log, open_log
from ..runtime.sync import run_sync
from .thread_tree import read_tree

_WAITS = {
    "waiting": "waits for approval",
    "question": "asks a question",
    "unknown": "has an unknown outcome",
    "pending": "waits for work elsewhere",
    "parked": "is parked",
}


def choose_call(
    log: Log,
    call_id: str | None,
    *statuses: Literal["waiting", "question", "unknown", "pending", "parked"],
) -> e.PendingDecision:
    """The call with this id, or that has noted this handle, or the only one of these statuses.

    Raises UsageError, which lists them.
    """
    found = [call for call in _find_undecided(log) if call.status in statuses]
    handle = "" if call_id is None else _handle_text(call_id)
    matching = [
        call
        for call in found
        if call_id in (None, call.id) or (call.handle and call.handle == handle)
    ]
    if len(matching) == 1:
        return matching[0]
    name = visible_line(log.thread_id, 200)
    waits = _WAITS[statuses[0]]
    listed = ", ".join(_describe_call(call, log) for call in found)
    if call_id is not None:
        if not matching and (decided := _describe_decision(log, call_id)):
            raise UsageError(f"call {call_id} of thread {name} {decided}; nothing was written")
        instead = f"those that do: {listed}" if found else describe_last_decision(log)
        raise UsageError(f"no call {call_id!r} of thread {name} {waits}; {instead}")
    if found:
        raise UsageError(f"{len(found)} calls of thread {name} are open, say which: {listed}")
    raise UsageError(f"no call of thread {name} {waits}; {describe_last_decision(log)}")


def read_handle_text(text: str) -> Any:
    """The handle that somebody types: the JSON value, else the text itself."""
    try:
        return value_of(text)
    except ValueError:
        return text


def _handle_text(text: str) -> str:
    """The handle as the log has it; "" for what can be none."""
    with suppress(UsageError):
        return write_handle(read_handle_text(text))
    return ""


def _find_undecided(log: Log) -> list[e.PendingDecision]:
    """What can be decided in this thread and its children, including calls that are running."""
    turn = log.state.turn
    if turn is None or turn.ended:
        return []
    found: list[e.PendingDecision] = []
    if is_held(log.state):
        found += find_waits(log.state, log.thread_id)
    for call in turn.calls.values():
        if call.child:
            # The child's log is newer than what this one says of it.
            child = run_sync(open_log(call.child.thread_id, log.store, log.world))
            if is_child_in(log.records, call.child, child.records):
                found += _find_undecided(child)
            continue
        if call.status == "started":
            call = replace(call, status="unknown")
        found += find_pending_decisions(call, log.thread_id)
    return found


def _describe_call(call: e.PendingDecision, log: Log) -> str:
    text = f"{call.id} {call_text(e.Call(call.id, call.name, call.final_arguments))}"
    if call.thread_id != log.thread_id:
        text += f" in thread {visible_line(call.thread_id, 200)}"
    return text


def describe_last_decision(log: Log) -> str:
    """Why there is nothing to decide: the last decision of this turn, or how the turn ended."""
    turn = log.state.turn
    if turn is None:
        return "it has no turn yet"
    if turn.ended:
        return f"its last turn has ended: {turn.ended.status}"
    for record in reversed(log.records[turn.opened_seq :]):
        match record.event:
            case e.ApprovalGiven(call_id="", by=by):
                return f"{by} let it go on at {format_time(record.at)}"
            case (
                e.ApprovalGiven(call_id=call_id)
                | e.OutcomeDecided(call_id=call_id, outcome="ran" | "not_run" | "tell")
                | e.UserSaid(answers=call_id)
            ) if call_id:
                return f"the last that did, {call_id}, {_describe_decision(log, call_id)}"
    return f"{visible_command(['treadle', 'explain', log.thread_id])} says where it stands"


def _describe_decision(log: Log, call_id: str) -> str:
    """What the log or a child's log says of a decided call; "" if it is not decided."""
    records = [record for each in reversed(read_tree(log)) for record in each.records]
    return describe_decision(records, call_id)
