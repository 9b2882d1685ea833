"""An agent's settings as a recording has them: for a replay without the agent's code. Pure.

1. What is data is read from the agent's description: instructions, tools, limits, plan.
2. What is code is taken from what it said then: checks of arguments, approval rules, checks of
   answers.
3. Prices are in no description. What depends on them is taken from the recording too: what a model
   call may cost, and the limit on dollars.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from msgspec.structs import replace as event_with

from ..core import events as e
from ..core.call import CallState
from ..core.errors import UsageError
from ..core.limits import lower_limits
from ..core.model import Model
from ..core.next_action import RunCheck
from ..core.state import State
from ..core.turn_after import add_raise
from .settings import RunSettings, settings_from

Objection = e.ToolFailed | e.ApprovalAsked | e.QuestionAsked | RunCheck

OF_FLOW = (
    "this is the thread of a flow: its code says which step comes next, and no log has that. Name"
    " the flow or the graph"
)
NOT_DESCRIBED = (
    "this log has no instructions, tools and limits of its agent: logs of format 1 have only"
    " hashes of them. Name the agent"
)
NO_POLICY = (
    "this log has the instructions and tools of its agent, but not its limits and what its tools"
    " may do: an older version of Treadle wrote it. Name the agent"
)


AS_MESSAGES = (
    "record {seq} is a model call that was brought in as messages: nobody recorded what the model"
    " was sent, so it can't be run again. Fork the thread after it and try that"
)


def refuse_brought_in(records: Sequence[e.Record]) -> None:
    """Raise UsageError for a recording with model calls whose prompts nobody recorded."""
    for record in records:
        if isinstance(record.event, e.ModelCalled) and not record.event.prompt_hash:
            raise UsageError(AS_MESSAGES.format(seq=record.seq))


@dataclass(frozen=True)
class RecordedSettings:
    """Gives the settings at each place of a recording."""

    records: Sequence[e.Record]
    count_replayed: Callable[[], int]
    """How many of the records have been replayed."""

    def settings(self, state: State) -> RunSettings:
        """The settings of the agent that acts in this state. Raises UsageError if unknown."""
        if any(map(_is_of_flow, self.records)):
            raise UsageError(OF_FLOW)
        described = state.last_described
        if described is None or not any(each.event == described for each in self.records):
            raise UsageError(NOT_DESCRIBED)
        if described.policy is None:
            raise UsageError(NO_POLICY)
        settings = settings_from(described)
        policy = replace(
            settings.policy,
            recorded_objection=self.find_objection,
            check_answer=self._find_rejection,
        )
        own = lower_limits(policy.limits, self._find_raised(described))
        return replace(settings, policy=policy, own_limits=own)

    def _find_raised(self, described: e.AgentDescribed) -> e.LimitRaised | None:
        """By what the limits of the turn had been raised when the agent was described so."""
        raised = so_far = None
        for record in self.records[: self.count_replayed()]:
            match record.event:
                case e.UserSaid() as said if said.opens_turn:
                    so_far = None
                case e.LimitRaised() as more:
                    so_far = add_raise(so_far, more) if so_far else more
                case e.AgentDescribed() as event if event == described:
                    raised = so_far
        return raised

    def find_objection(self, call: CallState) -> Objection | None:
        """What the recording says against this call from here on, before it has started."""
        done = self.count_replayed()
        for index, event in self._events_by_call.get(call.id, ()):
            if index < done:
                continue
            match event:
                case e.Checked():
                    return RunCheck("call", call=call)
                case e.ApprovalAsked() | e.QuestionAsked():
                    return event
                case e.ToolFailed(kind="arguments" | "denied"):
                    return event
            return None
        return None

    def find_place(self, _: Model) -> str:
        """Where the recording's next reply came from, whatever model is at hand now."""
        reply = self._find_next((e.ModelReplied,))
        return reply.place if isinstance(reply, e.ModelReplied) else ""

    def _find_rejection(self, _: str) -> str | None:
        """What the recording says is wrong with the answer that it has come to."""
        ends = (e.AnswerRejected, e.Checked, e.TurnEnded, e.ModelCalled, e.LimitReached)
        event = self._find_next(ends)
        if isinstance(event, e.AnswerRejected):
            return event.message
        return None

    def with_price(self, event: e.Event, state: State) -> e.Event:
        """A model call with the cost that was reserved for it, and no longer than that allowed."""
        recorded = self._find_next((e.ModelCalled, e.TurnEnded))
        if not isinstance(event, e.ModelCalled) or not isinstance(recorded, e.ModelCalled):
            return event
        policy = state.last_described and state.last_described.policy
        allowed = event.max_output_tokens
        if policy and policy.limits.get("cost_usd") is not None:
            allowed = min(allowed, recorded.max_output_tokens)
        return event_with(event, reserved_usd=recorded.reserved_usd, max_output_tokens=allowed)

    def _find_next(self, kinds: tuple[type[e.Event], ...]) -> e.Event | None:
        for index in range(self.count_replayed(), len(self.records)):
            if isinstance(self.records[index].event, kinds):
                return self.records[index].event
        return None

    @cached_property
    def _events_by_call(self) -> dict[str, list[tuple[int, e.Event]]]:
        """The events about each call, with their places in the recording."""
        found: dict[str, list[tuple[int, e.Event]]] = {}
        for index, record in enumerate(self.records):
            call_id = getattr(record.event, "call_id", None)
            if call_id is not None:
                found.setdefault(call_id, []).append((index, record.event))
        return found


def _is_of_flow(record: e.Record) -> bool:
    """Whether only the code of a flow can have written the record."""
    match record.event:
        case e.StepAsked():
            return True
        case e.TurnEnded(value=value):
            return bool(value)
    return False


def is_taken_from_recording(event: e.Event, before: e.Event) -> bool:
    """Whether a replay without the agent's code can't work the event out, so that it takes it.

    It knows no price, nor which other calls of the round rules refuse. And a limit that a drive
    meets before it describes its agent may be lower than before.
    """
    if not isinstance(event, e.LimitReached):
        return False
    return event.limit in ("cost_usd", "tool_calls") or isinstance(before, e.ThreadClaimed)


def as_shown(described: e.AgentDescribed) -> e.AgentDescribed:
    """The description without what the model isn't shown."""
    tools = {
        name: e.ToolDescription(told.description, told.parameters, told.labels)
        for name, told in described.tools.items()
    }
    return event_with(described, tools=tools, policy=None)
