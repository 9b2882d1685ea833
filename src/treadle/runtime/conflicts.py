"""Says of a conflict who was first and when: of a turn that is open, of a decision that is late."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from ..core import events as e
from ..core.call import records_about
from ..core.errors import IllegalEvent, TurnOpen, UsageError
from ..core.links import find_runners
from ..core.state import State
from ..core.waits import find_waits
from ..stores.store import Attended
from .local_time import format_time
from .log import Log


def turn_open(log: Log) -> TurnOpen:
    """The error for something new in a thread whose turn is open."""
    standing = describe_standing(log)
    return TurnOpen(
        f"thread {log.thread_id} has an unfinished turn, {standing}; resume it before saying"
        ' something new, or say it into that turn: when_busy="steer"',
        standing=standing,
    )


def refuse_others(name: str, records: Sequence[e.Record], state: State) -> None:
    """Raise UsageError for the log of a thread that neither this agent nor this flow works in.

    Code may set any agent to work in any thread. A client of a server may not: it was let in to
    what is served there.
    """
    names = find_runners(records, state)
    if names and name not in names:
        raise UsageError(f"thread {records[0].thread_id} is of {names[0]!r}, and not of {name!r}")


def flow_begun(log: Log) -> TurnOpen:
    """The error for a flow that is to run in a thread that has begun."""
    standing = describe_standing(log)
    return TurnOpen(
        f"thread {log.thread_id} has begun; resume it. A flow runs once in a thread, and this one"
        f" was {standing}",
        standing=standing,
    )


def describe_standing(log: Log) -> str:
    """Since when the thread's last turn is open, and who drives it; or how it ended, and when."""
    turn = log.state.turn
    if turn is None:
        return "not yet told anything"
    if turn.ended:
        return f"ended at {_time_of(log, e.TurnEnded)}: {turn.ended.status}"
    opened = f"begun at {format_time(log.records[turn.opened_seq - 1].at)}"
    driver = log.state.driver or "a process"
    if find_waits(log.state, log.thread_id):
        return f"{opened}, which waits for people since {format_time(log.state.at)}"
    claimed = _time_of(log, e.ThreadClaimed)
    if not isinstance(log.store, Attended):
        return f"{opened}, driven by {driver} since {claimed}"
    if log.store.find_beat(log.state.claim) is not None:
        return f"{opened}, which {driver} drives since {claimed}"
    return f"{opened}, which {driver} took at {claimed} and no process of this machine drives now"


def _time_of(log: Log, kind: type[e.Event]) -> str:
    found = [record.at for record in log.records if isinstance(record.event, kind)]
    return format_time(found[-1] if found else log.state.at)


@contextmanager
def explaining_conflicts(log: Log, event: e.Event) -> Iterator[None]:
    """Put into the words of an IllegalEvent who decided first, or that the turn has ended."""
    try:
        yield
    except IllegalEvent as error:
        reason = _why_refused(log, event)
        if not reason:
            raise
        raise IllegalEvent(reason) from error


def _why_refused(log: Log, event: e.Event) -> str:
    """Why a person's event can't be written any more; "" where nobody was faster."""
    thread = f"thread {log.thread_id}"
    match event:
        case (
            e.ApprovalGiven(call_id=call_id)
            | e.OutcomeDecided(call_id=call_id)
            | e.UserSaid(answers=call_id)
            | e.ToolReturned(call_id=call_id)
            | e.ToolFailed(call_id=call_id)
        ) if call_id and (decided := describe_decision(log.records, call_id)):
            return f"call {call_id} of {thread} {decided}"
    if log.state.is_open or (isinstance(event, e.UserSaid) and not event.answers):
        return ""
    turn = log.state.turn
    if turn is None or turn.ended is None:
        return f"nothing waits in {thread}: it has no turn yet"
    by = f" ({turn.ended.reason})" if turn.ended.reason else ""
    return f"nothing waits in {thread}: its last turn was {describe_standing(log)}{by}"


def describe_decision(records: Sequence[e.Record], call_id: str) -> str:
    """What the records say of a decided call: who decided and when; "" if it is not decided."""
    has_run_since = False
    for record in records_about(records, call_id):
        at = format_time(record.at)
        match record.event:
            case e.ToolStarted():
                has_run_since = True
            case e.OutcomeDecided() if has_run_since:
                return ""  # that was about the attempt before
            case e.ToolReturned() | e.ToolFailed(retry_after_s=None) as ended:
                if ended.claim:
                    return f"has a result already: its own driver learned it, and wrote it at {at}"
                if ended.by:
                    return f"has a result already, from {ended.by} at {at}"
                return _describe_result(records, call_id, at)
            case (
                e.OutcomeDecided(outcome="ran" | "not_run" | "tell")
                | e.ApprovalGiven()
                | e.UserSaid()
            ):
                return _describe_person(record.event, at)
    return ""


def _describe_result(records: Sequence[e.Record], call_id: str, at: str) -> str:
    """Of a call with a result since this moment: also what a person had decided, if anybody had."""
    for record in records_about(records, call_id):
        if isinstance(record.event, e.OutcomeDecided | e.ApprovalGiven):
            decided = _describe_person(record.event, format_time(record.at))
            return f"{decided}, and has its result since {at}"
    return f"has a result already, since {at}"


def _describe_person(event: e.Event, at: str) -> str:
    match event:
        case e.OutcomeDecided(by=by):
            return f"was decided on already, by {by or 'a person'} at {at}"
        case e.ApprovalGiven(allowed=True, by=by, always=always):
            said = f"was allowed already, by {by or 'a person'} at {at}"
            if always:
                said += "; what else that allowed is taken back by treadle revoke"
            return said
        case e.ApprovalGiven(by=by):
            return f"was denied already, by {by or 'a person'} at {at}"
        case e.UserSaid(by=by) if by:
            return f"was answered already, by {by} at {at}"
    return f"was answered already, at {at}"
