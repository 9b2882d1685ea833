"""Turns a thread's records into OpenTelemetry spans, without importing OpenTelemetry. Pure.

1. A turn is one `invoke_agent` span; its model calls and tool calls are inside, children below
   their call, all of it below the caller's own span. It ends when the turn waits for a person or
   its process dies; whoever goes on begins another one, linked to it. So no span takes days, and
   none changes after it was sent.
2. Every id is a hash of what is in the log: who reads the same gets the same spans.
3. A span covers all attempts of a request or a call; each failed attempt is an event in it.
4. Prompts, answers and results are left out, unless `content` says how to include them.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import assert_never

from ..core import events as e
from ..core.changed_arguments import changed_call
from ..core.count_thread import inherited_seq
from ..core.late import is_late
from ..core.state import State, apply
from ..core.trace_context import SpanContext, turn_span
from ..core.waits import find_waits, is_at_work
from . import conventions as c
from .active_agent import ActiveAgent
from .content import Content, SpanMessages
from .inner_spans import Chat, begin_call, begin_chat, end_call, end_failed
from .span import Span, SpanEvent, to_ns
from .turn_span import as_flow, begin_turn_span


def build_spans(records: Sequence[e.Record], content: Content | None = None) -> list[Span]:
    """The spans of a whole thread, inner ones first. Open spans end at the last record.

    Records that a fork shares with its parent thread give no spans: they are among the parent's.
    """
    fold = Spans(content)
    shared = inherited_seq(records)
    found = [span for record in records for span in fold.add(record)] + fold.open()
    return [span for span in found if span.seq > shared]


class Spans:
    """Builds one thread's spans. It is fed every record once, in order."""

    def __init__(self, content: Content | None = None) -> None:
        self.first: e.Record | None = None
        self._messages = SpanMessages(content)
        self._state = State()
        self._parent_attributes: c.Attributes = {}
        self._compacted: c.Attributes = {}
        self._active = ActiveAgent()
        self._steps: set[str] = set()  # the ids of the flow's steps; empty in a turn of an agent
        self._turn: Span | None = None  # the open part of the turn
        self._before: SpanContext | None = None  # the turn's part before, to link the next one to
        self._waits = False  # the part before ended since the turn waits
        self._driven = False  # since the last turn has ended, a process has claimed the thread
        self._pending: list[SpanEvent] = []  # events between two parts, for the next part
        self._chat: Chat | None = None
        self._tools: dict[str, Span] = {}
        self._calls: dict[str, e.Call] = {}

    @property
    def seq(self) -> int:
        """The seq of the last record; 0 before the first."""
        return self._state.seq

    @property
    def rests(self) -> bool:
        """Whether no span is open: the last turn has ended, or waits."""
        return self._turn is None

    def add(self, record: e.Record) -> list[Span]:
        """The spans that end with this record, inner ones first. Raises IllegalEvent."""
        before = self._state
        self._state = apply(before, record)
        self.first = self.first or record
        self._messages.add(record.event)
        self._active = self._active.after(record.event)
        ended = self._add(record, before)
        is_resting = self._turn and not is_at_work(self._state)
        if is_resting and find_waits(self._state, record.thread_id):
            ended += self._close(record.at, "waiting")
            self._waits = True
        return ended

    def _add(self, record: e.Record, before: State) -> list[Span]:
        event = record.event
        self._calls |= changed_call(self._calls, event)
        if isinstance(event, c.HumanEvent):
            return self._add_human(record, event)
        if is_late(event) and getattr(event, "call_id", "") not in self._tools:
            self._note(record, "treadle.learned_late", c.late_attributes(event))
            return []
        match event:
            case e.ThreadStarted(parent_thread_id=parent, parent_call_id=call_id) if parent:
                self._parent_attributes = {c.PARENT_THREAD: parent, c.PARENT_CALL: call_id}
            case e.ThreadStarted() | e.AgentDescribed() | e.ThreadClaimed(releases=True):
                pass  # model calls say who called which; what was under way is found as it is
            case e.ThreadClaimed():  # whoever drove the turn before counts as dead
                self._waits, self._driven = False, True
                return self._close(before.at, "interrupted", {c.ERROR: "interrupted"})
            case e.ThreadForked(parent_thread_id=thread_id):
                self._fork(before, thread_id)
            case e.ModelCalled() | e.ModelReplied() | e.ModelFailed():
                return self._add_model(record, event)
            case e.ToolStarted() | e.ToolReturned() | e.ToolFailed():
                return self._add_tool(record, event)
            case e.AnswerRejected() | e.Checked() | e.LimitReached() | e.TurnEnded():
                return self._add_end(record, event)
            case e.LimitRaised() | e.TrustChanged() | e.FeedbackGiven():
                # Whoever drives the turn next begins a span.
                self._note(record, *c.describe_decision(event))
            case e.NotesRecalled(ids=ids):  # it comes before the message that the notes are for
                self._note(record, "treadle.notes_recalled", {"treadle.notes": len(ids)})
            case e.ContextCompacted(upto_seq=upto_seq):
                self._within(record)
                self._compacted = {c.COMPACTED: True}
                self._note(record, "treadle.context_compacted", {"treadle.upto_seq": upto_seq})
            case e.StepAsked() | e.ChildStarted() | e.ChildWaits() | e.CallNoted() | e.HandedOff():
                return self._add_team(record, event)
            case e.ToolDeferred(call_id=call_id):
                self._note(record, "treadle.tool_deferred", {c.CALL_ID: call_id})
            case never:
                assert_never(never)
        return []

    def open(self) -> list[Span]:
        """The open spans, as if they ended with the last record. Changes nothing."""
        at = self._state.at
        found = [span.ended(at, {}) for span in self._inner()]
        if self._turn:
            found.append(self._finish(self._turn, "unfinished").ended(at, {}))
        return found

    def _inner(self) -> list[Span]:
        inner = [*self._tools.values()]
        if self._chat:
            inner.append(self._chat.span)
        return inner

    def _within(self, record: e.Record) -> SpanContext:
        """The open part of the turn; if there is none, this record begins one."""
        if self._turn is None:
            span = begin_turn_span(record, self._state, self._active.agent, self._before)
            attributes = c.turn_attributes(self._active.agent, self._state, record.thread_id)
            span = span.with_attributes({**attributes, **self._parent_attributes})
            span = replace(span, events=tuple(self._pending))
            self._turn = as_flow(span) if self._steps else span
            self._pending = []
        return self._turn.context

    def _fork(self, before: State, parent_thread_id: str) -> None:
        """Open spans go on in the parent thread; in this thread they begin again."""
        self._before, self._parent_attributes = None, {}
        if self._turn:
            self._before = turn_span(before, parent_thread_id, self._turn.seq)
        self._turn = None
        self._chat = None
        self._tools.clear()

    def _add_human(self, record: e.Record, event: c.HumanEvent) -> list[Span]:
        if isinstance(event, e.UserSaid) and event.opens_turn:
            self._before = None
            self._calls.clear()  # not at the end: a turn may be reopened
            if self._driven:  # else it was submitted, and begins once a worker has claimed it
                self._within(record)
            return []
        call_id = event.answers if isinstance(event, e.UserSaid) else event.call_id
        if call_id not in self._calls:  # it is a message, of a parked thread, or of a later call
            self._note(record, c.event_name(event), {c.CALL_ID: call_id} if call_id else {})
            return []
        name = self._calls[call_id].name
        if isinstance(event, e.ApprovalAsked | e.QuestionAsked) and not self._waits:
            self._within(record)  # by the agent, and not beside another one
        self._note(record, c.event_name(event), {c.CALL_ID: call_id, c.TOOL: name})
        if isinstance(event, e.QuestionAsked | e.OutcomeDecided):  # if the call has a span
            return self._end_open_call(record, event.call_id)
        return []

    def _note(self, record: e.Record, name: str, attributes: c.Attributes) -> None:
        if self._turn:
            self._turn = self._turn.with_event(name, record.at, attributes)
        else:
            self._pending.append(SpanEvent(name, to_ns(record.at), attributes))

    def _add_model(
        self, record: e.Record, event: e.ModelCalled | e.ModelReplied | e.ModelFailed
    ) -> list[Span]:
        turn = self._within(record)
        if isinstance(event, e.ModelCalled):
            return self._call_model(record, event, turn)
        assert self._chat is not None  # `apply` refuses a reply without a request
        chat = self._chat.used(event)
        self._chat = None
        if isinstance(event, e.ModelReplied):
            self._calls |= {call.id: call for call in event.calls}
            said = c.reply_attributes(event) | self._messages.reply(event)
            return [chat.span.ended(record.at, said)]
        if event.retry_after_s is None:
            return end_failed(chat, record, self._messages)
        self._chat = chat.failing(record, event)
        return []

    def _call_model(self, record: e.Record, event: e.ModelCalled, turn: SpanContext) -> list[Span]:
        ended: list[Span] = []
        chat = self._chat
        if chat is None or not chat.is_tried_again(event):
            if chat:
                ended = end_failed(chat, chat.failed, self._messages)
            chat = begin_chat(record, event, self._state, turn)
        self._chat = chat.called(event, {**self._compacted, **self._messages.prompt()})
        return ended

    def _add_tool(
        self, record: e.Record, event: e.ToolStarted | e.ToolReturned | e.ToolFailed
    ) -> list[Span]:
        call, turn = self._calls[event.call_id], self._within(record)
        span = self._tools.pop(call.id, None) or self._begin_call(record, call, turn)
        match event:
            case e.ToolStarted(attempt=attempt):
                self._tools[call.id] = span.with_attributes({c.ATTEMPTS: attempt})
            case e.ToolFailed(retry_after_s=float()):
                retry = c.retry_attributes(event)
                self._tools[call.id] = span.with_event("treadle.retry", record.at, retry)
            case _:
                return [end_call(span, record, self._messages)]
        return []

    def _begin_call(self, record: e.Record, call: e.Call, turn: SpanContext) -> Span:
        agent = None if call.id in self._steps else self._active.agent
        span = begin_call(record, call, self._state, turn, agent)
        return span.with_attributes(self._messages.call_arguments(call))

    def _add_team(self, record: e.Record, event: c.TeamEvent) -> list[Span]:
        if isinstance(event, e.ChildWaits | e.CallNoted) and event.call_id not in self._tools:
            return []  # what its child waits for has changed, or when its tool is asked
        self._within(record)
        match event:
            case e.StepAsked(call=call):
                self._calls[call.id] = call
                self._steps.add(call.id)
                if self._turn:
                    self._turn = as_flow(self._turn)  # the first step tells that it is one
            case e.ChildStarted(call_id=call_id, thread_id=child):
                self._tools[call_id] = self._tools[call_id].with_attributes({c.CHILD_THREAD: child})
            case e.ChildWaits(call_id=call_id) | e.CallNoted(call_id=call_id, pending=True):
                return self._end_open_call(record, call_id)
            case e.HandedOff(call_id=call_id, agent=agent):
                self._note(record, "treadle.handed_off", {c.CALL_ID: call_id, c.AGENT: agent})
        return []

    def _end_open_call(self, record: e.Record, call_id: str) -> list[Span]:
        span = self._tools.pop(call_id, None)
        return [end_call(span, record, self._messages)] if span else []

    def _add_end(self, record: e.Record, event: e.Event) -> list[Span]:
        self._within(record)
        match event:
            case e.AnswerRejected():
                self._note(record, "treadle.answer_rejected", {})
            case e.Checked(what=what, verdict=verdict, by=by):
                said = {"treadle.check.what": what, "treadle.check.verdict": verdict}
                self._note(record, "treadle.checked", {**said, "treadle.check.by": by})
            case e.LimitReached():
                self._note(record, "treadle.limit_reached", c.limit_attributes(event))
            case e.TurnEnded(status=status):
                self._steps.clear()
                self._driven = False
                if status != "failed":
                    return self._close(record.at, status)
                turn = self._state.turn
                kind = turn.failed.kind if turn and turn.failed else "failed"
                return self._close(record.at, "failed", {c.ERROR: kind}, event.reason)
        return []

    def _close(
        self, at: float, status: str, error: c.Attributes | None = None, words: str = ""
    ) -> list[Span]:
        """End the open part of the turn, and the open spans inside it."""
        turn = self._turn
        if turn is None:
            return []
        said = {c.STATUS if status == "waiting" else c.ERROR: status}
        ended = [span.ended(at, said) for span in self._inner()]
        whole = self._finish(turn, status)
        ended.append(whole.ended(at, error or {}, self._messages.error_text(words)))
        self._before = turn.context
        self._turn = None
        self._chat = None
        self._tools.clear()
        return ended

    def _finish(self, span: Span, status: str) -> Span:
        answer = self._state.turn.answer if self._state.turn else ""
        return span.with_attributes({c.STATUS: status, **self._messages.turn(answer)})
