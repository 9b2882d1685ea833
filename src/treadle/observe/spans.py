"""A thread's records as spans of OpenTelemetry's kind, without OpenTelemetry. Pure.

1. A turn is one `invoke_agent` span, in a trace of its own, with its model calls and tool calls in it. Where it waits
   for a person, or its process dies, the span ends; whoever goes on opens another, linked to it: no span takes days,
   and none that was sent must be changed.
2. Every id is a hash of the thread's name and a record's seq. Whoever folds the same records gets the same spans: the
   process that drives the turn, another that takes it over, an export a year later.
3. A span covers all tries of a request or a call; each failed try is an event in it.
4. What was said is left out, unless `content` says how it goes out.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import assert_never

from ..core import events as e
from ..core.result import read_result
from ..core.state import State, apply
from . import conventions as c
from .charge import Charge
from .content import Content, Transcript
from .cost import inherited_seq
from .span import Link, Span, SpanContext, SpanEvent, begin_span, span_context, to_ns


def build_spans(
    records: Sequence[e.Record], content: Content | None = None, parent: SpanContext | None = None
) -> list[Span]:
    """The spans of a whole thread, inner ones first. What is under way ends at the last record.

    `parent` is the call in another thread that began this one (`Spans.of_call`). What a fork shares with another thread
    is among that one's spans.
    """
    fold, shared = Spans(content, parent), inherited_seq(records)
    found = [span for record in records for span in fold.add(record)]
    return [span for span in [*found, *fold.open()] if span.seq > shared]


class Spans:
    """Fed every record of one thread once, in order; gives the spans that end with each."""

    def __init__(self, content: Content | None = None, parent: SpanContext | None = None) -> None:
        self.first: e.Record | None = None
        self._transcript = Transcript(content)
        self._parent = parent
        self._state = State()
        self._begun_by: c.Attributes = {}
        self._compacted: c.Attributes = {}
        self._charge = Charge()
        self._steps: set[str] = set()
        """Of the flow whose turn it is; none in a turn of an agent's."""
        self._turn: Span | None = None
        """The part of the turn that is under way."""
        self._before: SpanContext | None = None
        """The part before; the next is linked to it."""
        self._posted: list[SpanEvent] = []
        """What was noted between two parts."""
        self._chat: Span | None = None
        self._tools: dict[str, Span] = {}
        self._asked: dict[str, e.Call] = {}
        self._of_call: dict[str, SpanContext] = {}

    @property
    def seq(self) -> int:
        """Of the last record; 0 before the first."""
        return self._state.seq

    @property
    def idle(self) -> bool:
        """Whether no turn is open, by the log."""
        return self._state.phase in ("empty", "idle")

    def of_call(self, call_id: str) -> SpanContext | None:
        """The first span of that call; None where it has none."""
        return self._of_call.get(call_id)

    def add(self, record: e.Record) -> list[Span]:
        """The spans that ended with this record, inner ones first. Raises IllegalEvent."""
        before, self._state = self._state, apply(self._state, record)
        self.first = self.first or record
        event, ended = record.event, list[Span]()
        self._transcript.add(event)
        self._charge = self._charge.after(event)
        match event:
            case e.ThreadStarted(parent_thread_id=thread_id, parent_call_id=call_id):
                self._begun_by = (
                    {c.PARENT_THREAD: thread_id, c.PARENT_CALL: call_id} if thread_id else {}
                )
            case e.ThreadClaimed():  # whoever drove it is taken for dead
                ended = self._close(before.at, "interrupted", {c.ERROR: "interrupted"})
            case e.ThreadForked(parent_thread_id=thread_id):
                self._forked(thread_id)
            case (
                e.ApprovalAsked()
                | e.ApprovalGiven()
                | e.QuestionAsked()
                | e.OutcomeDecided()
                | e.UserSaid()
            ):
                self._people(record, event)
            case e.ModelCalled() | e.ModelReplied() | e.ModelFailed():
                ended = self._model(record, event)
            case e.ToolStarted() | e.ToolReturned() | e.ToolFailed():
                ended = self._tool(record, event)
            case e.AnswerRejected() | e.LimitReached() | e.TurnEnded():
                ended = self._end(record, event)
                if self.idle:
                    self._asked.clear()
                    self._steps.clear()
            case e.AgentDescribed():
                pass  # each model call says which agent asked which model
            case e.TrustChanged(trusted=trusted, by=by):
                self._note(
                    record, "treadle.trust_changed", {"treadle.trusted": trusted, "treadle.by": by}
                )
            case e.NotesRecalled(ids=ids):  # before the message that they are for
                self._note(record, "treadle.notes_recalled", {"treadle.notes": len(ids)})
            case e.ContextCompacted():
                self._within(record)
                self._compacted = {c.COMPACTED: True}
                self._note(
                    record, "treadle.context_compacted", {"treadle.upto_seq": event.upto_seq}
                )
            case e.StepAsked() | e.ChildStarted() | e.ChildWaits() | e.HandedOff():
                ended = self._team(record, event)
            case never:
                assert_never(never)
        if self._turn and read_result((record,), self._state).status == "waiting":
            ended += self._close(record.at, "waiting")
        return ended

    def open(self) -> list[Span]:
        """What is under way, as if it ended with the last record. Changes nothing."""
        at = self._state.at
        inner = [*self._tools.values(), *([self._chat] if self._chat else [])]
        whole = [self._whole(self._turn, "unfinished").ended(at, {})] if self._turn else []
        return [*(span.ended(at, {}) for span in inner), *whole]

    def _within(self, record: e.Record) -> SpanContext:
        """The part of the turn that is under way; if there is none, this record begins it."""
        if self._turn is None:
            span = begin_span(f"{c.INVOKE_AGENT} {self._charge.agent}", "internal", record, None)
            links = [Link(self._before, "continues")] if self._before else []
            links += [Link(self._parent, "parent")] if self._parent else []
            span = replace(span, events=tuple(self._posted), links=tuple(links))
            says = c.turn_attributes(self._charge.agent, self._state.turns, record.thread_id)
            self._turn = self._of_flow(span.with_attributes({**says, **self._begun_by}))
            self._posted = []
        return self._turn.context

    def _of_flow(self, turn: Span) -> Span:
        """The turn, by its name where it is a flow's. Only its first step says that."""
        if not self._steps:
            return turn
        name = turn.name.replace(c.INVOKE_AGENT, c.INVOKE_WORKFLOW, 1)
        return replace(turn, name=name).with_attributes({c.OPERATION: c.INVOKE_WORKFLOW})

    def _forked(self, parent_thread_id: str) -> None:
        """What is under way goes on in the other thread; here it is begun anew."""
        turn, self._turn, self._chat = self._turn, None, None
        self._tools.clear()
        self._before = span_context(parent_thread_id, turn.seq, c.INVOKE_AGENT) if turn else None

    def _people(self, record: e.Record, event: c.HumanEvent) -> None:
        if isinstance(event, e.UserSaid) and not event.answers:
            self._before = None
            self._within(record)
            return
        call_id = event.answers if isinstance(event, e.UserSaid) else event.call_id
        if isinstance(event, e.ApprovalGiven) and event.arguments is not None:
            self._asked[call_id] = e.Call(call_id, self._asked[call_id].name, event.arguments)
        if isinstance(
            event, e.ApprovalAsked | e.QuestionAsked
        ):  # the agent's doing; all else is somebody's post
            self._within(record)
        self._note(
            record, c.event_name(event), {c.CALL_ID: call_id, c.TOOL: self._asked[call_id].name}
        )

    def _note(self, record: e.Record, name: str, attributes: c.Attributes) -> None:
        if self._turn:
            self._turn = self._turn.with_event(name, record.at, attributes)
        else:
            self._posted.append(SpanEvent(name, to_ns(record.at), attributes))

    def _model(
        self, record: e.Record, event: e.ModelCalled | e.ModelReplied | e.ModelFailed
    ) -> list[Span]:
        turn = self._within(record)
        if isinstance(event, e.ModelCalled):
            says = {
                **c.request_attributes(event, record.thread_id),
                c.ATTEMPTS: event.attempt,
                **self._compacted,
            }
            says |= self._transcript.asked()
            chat = self._chat or begin_span(
                f"{c.CHAT} {says[c.REQUEST_MODEL]}", "client", record, turn
            )
            self._chat = chat.with_attributes(says)
            return []
        assert self._chat is not None  # the fold has seen to that: a reply follows its request
        if isinstance(event, e.ModelFailed) and event.retry_after_s is not None:
            self._chat = self._chat.with_event(
                "treadle.retry", record.at, c.retry_attributes(event)
            )
            return []
        chat, self._chat = self._chat, None
        if isinstance(event, e.ModelFailed):
            return [
                chat.ended(
                    record.at, c.failure_attributes(event), self._transcript.words(event.message)
                )
            ]
        self._asked |= {call.id: call for call in event.calls}
        return [
            chat.ended(record.at, {**c.reply_attributes(event), **self._transcript.replied(event)})
        ]

    def _tool(
        self, record: e.Record, event: e.ToolStarted | e.ToolReturned | e.ToolFailed
    ) -> list[Span]:
        turn, call = self._within(record), self._asked[event.call_id]
        span = self._tools.pop(call.id, None)
        if span is None:
            step = call.id in self._steps
            says = (
                c.step_attributes(call, record.thread_id)
                if step
                else c.tool_call_attributes(call, self._charge.agent, record.thread_id)
            )
            span = begin_span(
                f"{'step' if step else c.EXECUTE_TOOL} {call.name}", "internal", record, turn
            )
            span = span.with_attributes({**says, c.ATTEMPTS: 1, **self._transcript.called(call)})
            self._of_call.setdefault(call.id, span.context)
        match event:
            case e.ToolStarted(attempt=attempt):
                self._tools[call.id] = span.with_attributes({c.ATTEMPTS: attempt})
                return []
            case e.ToolReturned(content=text):
                return [span.ended(record.at, self._transcript.told(text))]
            case e.ToolFailed(kind=kind, message=text, retry_after_s=None):
                told = {c.ERROR: kind, **self._transcript.told(text)}
                return [span.ended(record.at, told, self._transcript.words(text))]
            case e.ToolFailed():
                self._tools[call.id] = span.with_event(
                    "treadle.retry", record.at, c.retry_attributes(event)
                )
                return []

    def _team(
        self, record: e.Record, event: e.StepAsked | e.ChildStarted | e.ChildWaits | e.HandedOff
    ) -> list[Span]:
        self._within(record)
        match event:
            case e.StepAsked(call=call):
                self._asked[call.id] = call
                self._steps.add(call.id)
                self._turn = self._of_flow(self._turn) if self._turn else None
            case e.ChildStarted(call_id=call_id, thread_id=child):
                self._tools[call_id] = self._tools[call_id].with_attributes({c.CHILD_THREAD: child})
            case e.ChildWaits(call_id=call_id):  # it goes on in another span, as the turn does
                return [self._tools.pop(call_id).ended(record.at, {c.STATUS: "waiting"})]
            case e.HandedOff(call_id=call_id, agent=agent):
                self._note(record, "treadle.handed_off", {c.CALL_ID: call_id, c.AGENT: agent})
        return []

    def _end(
        self, record: e.Record, event: e.AnswerRejected | e.LimitReached | e.TurnEnded
    ) -> list[Span]:
        self._within(record)
        match event:
            case e.AnswerRejected():
                self._note(record, "treadle.answer_rejected", {})
            case e.LimitReached(limit=limit, used=used, allowed=allowed):
                self._note(
                    record,
                    "treadle.limit_reached",
                    {c.LIMIT: limit, "used": used, "allowed": allowed},
                )
            case e.TurnEnded(status="failed"):
                failed = self._state.turn.failed if self._state.turn else None
                return self._close(
                    record.at,
                    "failed",
                    {c.ERROR: failed.kind if failed else "failed"},
                    event.reason,
                )
            case e.TurnEnded(status=status):
                return self._close(record.at, status)
        return []

    def _close(
        self, at: float, status: str, error: c.Attributes | None = None, words: str = ""
    ) -> list[Span]:
        """End what is under way: the part of the turn, and whatever of it has no end of its own."""
        if (turn := self._turn) is None:
            return []
        inner = [*self._tools.values(), *([self._chat] if self._chat else [])]
        whole = self._whole(turn, status).ended(at, error or {}, self._transcript.words(words))
        self._turn, self._chat, self._before = None, None, turn.context
        self._tools.clear()
        return [*(span.ended(at, {c.ERROR: status}) for span in inner), whole]

    def _whole(self, span: Span, status: str) -> Span:
        answer = self._state.turn.answer if self._state.turn else ""
        return span.with_attributes({c.STATUS: status, **self._transcript.turn(answer)})
