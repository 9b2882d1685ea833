"""What was recorded in each turn of a thread, as a rerun needs it. Pure."""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

from msgspec.structs import replace

from ..core import events as e
from ..core.errors import UsageError

Outcome = e.ToolReturned | e.ToolFailed | e.QuestionAsked | e.CallNoted
Decision = e.ApprovalGiven | e.UserSaid
Waits = tuple[str, str]
"""A call's id, and what it waits for: an approval (`waiting`) or an answer (`question`)."""
RAN_KINDS = ("raised", "timeout", "result")
"""The kinds of failure of a call that ran."""


@dataclass
class RecordedTurn:
    """What was recorded in one turn."""

    said: e.Record
    replies: deque[e.Record] = field(default_factory=deque)
    summaries: deque[e.Record] = field(default_factory=deque)
    """The replies to requests for a summary; today's prompt may need none."""
    outcomes: dict[str, deque[e.Record]] = field(default_factory=dict)
    """By call id. What a tool has asked in mid-call is one, too."""
    decisions: dict[Waits, deque[Decision]] = field(default_factory=dict)
    permits: set[str] = field(default_factory=set)
    """The calls that gave a permission for later ones, here or in a turn before."""
    taken_back: deque[e.Record] = field(default_factory=deque)
    """Decisions that took back a permission, in their order."""
    started: set[str] = field(default_factory=set)
    """The calls that have started."""
    pending: dict[str, e.Record] = field(default_factory=dict)
    """By call id, that its work goes on elsewhere, where nothing has come of that."""
    cut_off: dict[str, e.Record] = field(default_factory=dict)
    """By call id, that it was cut off, where nothing says what became of it."""
    ended: e.TurnEnded | None = None
    raises: list[list[e.LimitRaised]] = field(default_factory=lambda: [[]])
    """What people have let it use besides: from its beginning on, then each time that it had ended
    at a limit and went on."""
    raised_at_end: list[e.LimitRaised] = field(default_factory=list)
    is_at_limit: bool = False
    """It only has its last word left."""

    def take_limit(self, event: e.LimitReached | e.LimitRaised) -> None:
        """It has come to a limit, or one was raised: while it was open, or at its end there."""
        if isinstance(event, e.LimitReached):
            self.is_at_limit = True
        elif self.ended or self.is_at_limit:
            self.raised_at_end.append(event)
        else:
            self.raises[-1].append(event)

    def take_of_call(self, record: e.Record) -> None:
        """An attempt of a call has begun, or ended, or it was decided what became of one."""
        match record.event:
            case e.ToolStarted(call_id=call_id):
                self.started.add(call_id)
                self.cut_off.pop(call_id, None)
            case e.ToolFailed(call_id=call_id, unknown=True) as lost:
                self.cut_off[call_id] = replace(record, event=replace(lost, claim=""))
            case e.ThreadClaimed():
                self._lose_attempts(record)
            case e.ChildStarted(call_id=call_id):
                self.started.discard(call_id)  # whoever resumes the thread goes on with the child
            case e.ToolFailed(kind=kind) if kind not in RAN_KINDS:
                pass  # it was refused before it ran: today's agent decides again
            case e.ToolReturned() | e.ToolFailed() as came:
                self._add_outcome(record, replace(came, claim=""))  # nor a late result
            case e.CallNoted(call_id=call_id, pending=True) as noted:
                asks_nobody = replace(noted, polls=False, until=None)
                self.pending[call_id] = replace(record, event=asks_nobody)
            case e.OutcomeDecided(outcome="ran" | "tell" | "not_run") as decided:
                self._add_outcome(record, _as_outcome(decided))
            case e.QuestionAsked(call_id=call_id) as asked if call_id in self.started:
                self._add_outcome(record, asked)

    def _lose_attempts(self, record: e.Record) -> None:
        """Another driver has taken the thread: what ran was cut off."""
        for call_id in self.started - self.outcomes.keys() - self.pending.keys():
            lost = e.ToolFailed(call_id, "timeout", "", retry_after_s=0.0, unknown=True)
            self.cut_off.setdefault(call_id, replace(record, event=lost))

    def _add_outcome(self, record: e.Record, outcome: Outcome) -> None:
        ended = replace(record, event=outcome)
        self.pending.pop(outcome.call_id, None)
        self.cut_off.pop(outcome.call_id, None)
        self.outcomes.setdefault(outcome.call_id, deque()).append(ended)

    def take_decision(self, record: e.Record) -> None:
        """A person has decided on a call, or answered it."""
        match record.event:
            case e.UserSaid(answers=call_id) as answer:
                self.decisions.setdefault((call_id, "question"), deque()).append(answer)
            case e.ApprovalGiven(call_id=call_id, allowed=False) if call_id in self.permits:
                self.taken_back.append(record)
            case e.ApprovalGiven(call_id=call_id, always=always) as approval:
                self.decisions.setdefault((call_id, "waiting"), deque()).append(approval)
                if always:
                    self.permits.add(call_id)

    def reopen(self) -> None:
        """It went on after a limit was raised; or after an outage, which is left out."""
        ended, self.ended, self.is_at_limit = self.ended, None, False
        if ended and ended.status == "limit":
            self.raises.append(self.raised_at_end)
            self.raised_at_end = []
            return
        while self.replies and isinstance(self.replies[-1].event, e.ModelFailed):
            self.replies.pop()

    @property
    def stopped(self) -> bool:
        """Whether something else ended it: a person, a bug, or the end of the recording."""
        return (
            self.ended is None
            or self.ended.status == "cancelled"
            or self.ended.reason.startswith("a bug")
        )


def split_turns(records: Sequence[e.Record]) -> list[RecordedTurn]:
    """The turns of these records, in their order."""
    turns: list[RecordedTurn] = []
    summarizing = False
    permits: set[str] = set()
    for record in records:
        match record.event:
            case e.UserSaid(steers=True):
                raise UsageError(
                    f"record {record.seq} is a message that was said while the turn worked; what"
                    " such a turn did hung on that moment, which a rerun doesn't have"
                )
            case e.UserSaid(answers=""):
                turns.append(RecordedTurn(record, permits=permits))
            case e.ThreadClaimed(reopens=True):
                turns[-1].reopen()
            case e.LimitReached(waits=False) | e.LimitRaised() as event:
                turns[-1].take_limit(event)
            case e.ModelCalled(purpose=purpose):
                summarizing = purpose == "compact"
            case e.ModelFailed(kind="late"):
                pass  # a rerun has no crash
            case e.ModelReplied() | e.ModelFailed() if summarizing:
                turns[-1].summaries.append(record)
            case e.ModelReplied() | e.ModelFailed():
                turns[-1].replies.append(record)
            case e.ApprovalGiven() | e.UserSaid():
                turns[-1].take_decision(record)
            case e.TurnEnded() as ended:
                turns[-1].ended = ended
            case _ if turns:
                turns[-1].take_of_call(record)
    return turns


def _as_outcome(decided: e.OutcomeDecided) -> Outcome:
    """What was decided of an interrupted call, as the tool's own outcome.

    A rerun has no crash.
    """
    if decided.outcome == "ran":
        return e.ToolReturned(decided.call_id, decided.content, 0.0)
    if decided.outcome == "not_run":
        return e.ToolFailed(decided.call_id, "raised", "it didn't run", retry_after_s=0.0)
    return e.ToolFailed(
        decided.call_id, "raised", decided.reason or "nobody knows whether it had its effect"
    )
