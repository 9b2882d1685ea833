"""A thread as people read it: one line for each record. Pure.

The text is as untrusted as the log: whoever shows it must make it safe first.
"""

from typing import assert_never

from ..core import events as e
from ..runtime.local_time import format_time
from .amounts import format_seconds
from .checked_text import describe_checked, original_text, tone_of
from .line import Line, before_text, quote
from .outward import OutwardCalls
from .permissions import describe_approval
from .short_text import (
    OUTCOMES,
    VALUE,
    WIDTH,
    arguments_text,
    call_text,
    describe_choice,
    late_text,
    posted_text,
    retry_text,
    shorten,
    usage_text,
    words_before,
)
from .so_far import SoFar
from .turn_lines import end_line, limit_line


class Timeline:
    """Turns records into lines. It is fed every record once, in order; threads may alternate."""

    def __init__(self, outward: OutwardCalls | None = None) -> None:
        self._so_far = SoFar()
        self._outward = outward or OutwardCalls()

    def learn(self, record: e.Record) -> None:
        """Take in a record whose line nobody wants: later ones speak of it."""
        self._outward.learn(record)
        self._so_far.learn(record)

    def line(self, record: e.Record) -> Line:
        """The line of this record, given the records before it."""
        self._outward.learn(record)
        line = self._make_line(record)
        self._so_far.learn(record)
        return line

    def _make_line(self, record: e.Record) -> Line:
        event = record.event
        match event:
            case e.UserSaid() | e.ApprovalAsked() | e.ApprovalGiven() | e.QuestionAsked():
                return self._human_line(record, event)
            case e.ModelCalled() | e.ModelReplied() | e.ModelFailed():
                return self._model_line(record, event)
            case e.ToolStarted() | e.ToolReturned() | e.ToolFailed() | e.OutcomeDecided():
                return self._tool_line(record, event)
            case e.CallNoted():
                return self._note_line(record, event)
            case e.ToolDeferred(call_id=call_id):
                return Line(record, "·", f"the model goes on without {call_id}", tone="dim")
            case e.StepAsked() | e.ChildStarted() | e.ChildWaits() | e.HandedOff():
                return self._team_line(record, event)
            case e.ThreadStarted() | e.ThreadClaimed() | e.ThreadForked() | e.TrustChanged():
                return _thread_line(record, event)
            case e.AgentDescribed():
                return _agent_line(record, event)
            case e.NotesRecalled(ids=ids, text=text):
                return quote(record, f"· {len(ids)} notes recalled: ", text, tone="dim")
            case e.ContextCompacted():
                return _compaction_line(record, event)
            case e.Checked():
                return Line(record, "·", describe_checked(event), tone=tone_of(event))
            case e.AnswerRejected(message=message):
                return quote(record, "! the answer won't do: ", message, tone="yellow")
            case e.LimitReached() | e.LimitRaised():
                return limit_line(record, event)
            case e.TurnEnded() | e.FeedbackGiven():
                return end_line(record, event)
            case never:
                assert_never(never)

    def _model_line(
        self, record: e.Record, event: e.ModelCalled | e.ModelReplied | e.ModelFailed
    ) -> Line:
        match event:
            case e.ModelCalled(model=model, purpose=purpose, attempt=attempt):
                number = self._so_far.model_calls[record.thread_id] + 1
                text = f"model call {number}, {purpose}: {model}"
                if attempt > 1:
                    text += f" (try {attempt})"
                return Line(record, "·", text, tone="dim")
            case e.ModelReplied():
                return self._reply_line(record, event)
            case e.ModelFailed(message=message, retry_after_s=wait_s, usage=usage):
                took = usage_text(usage, event.cost_usd) if usage.total_tokens else ""
                after = self._so_far.tries.describe_wait(record.thread_id, wait_s)
                after += late_text(event.claim)
                return quote(record, "! ", message, after, took, "yellow")

    def _team_line(
        self, record: e.Record, event: e.StepAsked | e.ChildStarted | e.ChildWaits | e.HandedOff
    ) -> Line:
        match event:
            case e.StepAsked(call=call):
                return Line(record, "·", f"step {call.id}: {call_text(call)}", tone="dim")
            case e.ChildStarted(call_id=call_id, thread_id=child):
                return Line(record, "·", f"{call_id} runs as thread {child}", tone="dim")
            case e.ChildWaits(call_id=call_id, waiting=waiting):
                if not waiting:
                    return Line(record, "·", f"{call_id} waits for nobody any more", tone="dim")
                text = f"{call_id} waits for a person: {', '.join(map(_wait_text, waiting))}"
                return Line(record, "?", text, tone="bold")
            case e.HandedOff(agent=agent):
                text = f"{shorten(agent, VALUE)} is in charge from here on"
                return Line(record, "⇒", text, tone="bold")

    def _reply_line(self, record: e.Record, reply: e.ModelReplied) -> Line:
        said = reply.text.strip()
        if not said and reply.refusal:
            said = f"refused: {reply.refusal}"
        wants = ", ".join(f"{call.id} {call_text(call)}" for call in reply.calls)
        full_text = words_before(reply)
        if said:
            full_text.append(said)
        parts = [shorten(each, WIDTH) for each in full_text]
        is_whole = parts == full_text and wants == shorten(wants, WIDTH)
        if wants:
            parts.append(f"wants {shorten(wants, WIDTH)}")
        for call in reply.calls:
            full_text.append(f"wants {call.id} {call.name}({call.arguments})")
        whole = ""
        if not is_whole:
            whole = "\n".join(full_text)
        text = " | ".join(parts) or "nothing"
        if reply.finish_reason not in ("stop", "tool_calls"):
            text += f" ({reply.finish_reason})"
        took = f"{usage_text(reply.usage, reply.cost_usd)}, {format_seconds(reply.latency_s)}"
        return Line(record, "«", text, took, whole=whole)

    def _tool_line(
        self,
        record: e.Record,
        event: e.ToolStarted | e.ToolReturned | e.ToolFailed | e.OutcomeDecided,
    ) -> Line:
        call = self._so_far.calls.get((record.thread_id, event.call_id))
        name = shorten(call.name, VALUE) if call else event.call_id
        match event:
            case e.ToolStarted():
                return self._start_line(record, event, call)
            case e.ToolReturned(content=content, duration_s=seconds, cut_chars=cut):
                result = describe_choice(event.call_id, content)
                left_out = f" ({cut:,} characters left out)" if cut else ""
                after = left_out + late_text(event.claim) + posted_text(event.by)
                after += original_text(event.original)
                took = format_seconds(seconds)
                return quote(record, f"← {name}: ", result, after, took, "dim")
            case e.ToolFailed(message=message, duration_s=seconds, retry_after_s=wait_s):
                after = retry_text(wait_s, event.unknown) + late_text(event.claim)
                after += posted_text(event.by) + original_text(event.original)
                before = f"← {name}: error: "
                return quote(record, before, message, after, format_seconds(seconds), "yellow")
            case e.OutcomeDecided(outcome=outcome, by=by, content=content, reason=reason):
                said = "; ".join(filter(None, (content, reason)))
                before = f"✓ {event.call_id} {name}: {OUTCOMES[outcome]}, says {by}"
                before += original_text(event.original)
                return quote(record, before_text(before, said), said, tone="bold")

    def _note_line(self, record: e.Record, noted: e.CallNoted) -> Line:
        call = self._so_far.calls.get((record.thread_id, noted.call_id))
        name = shorten(call.name, VALUE) if call else "a call"
        what = f"{noted.call_id} {name}"
        after = late_text(noted.claim)
        handle = noted.handle or self._so_far.handles.get((record.thread_id, noted.call_id), "")
        if not noted.pending:
            return quote(record, f"· {what} has work elsewhere: ", handle, after, tone="dim")
        if noted.until is not None:
            how = "it is asked about" if noted.polls else "until"
            after = f" ({how} {format_time(noted.until)}){after}"
        return quote(record, f"? {what} waits for ", handle, after, tone="bold")

    def _start_line(self, record: e.Record, event: e.ToolStarted, call: e.Call | None) -> Line:
        text = event.call_id
        whole = ""
        if call:
            text = call_text(call)
            whole = f"{shorten(call.name, VALUE)}({call.arguments})"
        if (record.thread_id, event.call_id) in self._so_far.children:
            text += "  (goes on)"
        elif event.attempt > 1:
            text += f"  (try {event.attempt})"
        if self._outward.last:
            return Line(record, "→", f"{text}  ({self._outward.last})", tone="yellow", whole=whole)
        return Line(record, "→", text, whole=whole)

    def _human_line(
        self,
        record: e.Record,
        event: e.UserSaid | e.ApprovalAsked | e.ApprovalGiven | e.QuestionAsked,
    ) -> Line:
        match event:
            case e.UserSaid(text=text, parts=parts, answers=answers):
                before, after = "» ", ""
                if event.steers:
                    before = "» meanwhile: "
                if answers:
                    before = f"» {answers}: "
                if parts:
                    after = f" (with {len(parts)} pictures or files)"
                return quote(record, before, text, after, tone="bold")
            case e.QuestionAsked(call_id=call_id, text=text):
                return quote(record, f"? {call_id} asks: ", text, tone="bold")
            case e.ApprovalAsked(call_id=call_id, reason=reason):
                call = self._so_far.calls.get((record.thread_id, call_id))
                what = call_text(call) if call else "a call"
                why = shorten(reason or "needs approval", 4 * WIDTH)
                return Line(record, "?", f"{call_id} {what}: {why}", tone="bold", whole=reason)
            case e.ApprovalGiven():
                return self._approval_line(record, event)

    def _approval_line(self, record: e.Record, given: e.ApprovalGiven) -> Line:
        if not given.call_id:
            text = f"✓ {given.by} lets the parked thread go on"
            return quote(record, before_text(text, given.reason), given.reason, tone="bold")
        call = self._so_far.calls.get((record.thread_id, given.call_id))
        key = (record.thread_id, given.call_id)
        text = describe_approval(given, call.name if call else "", key in self._so_far.allowing)
        if given.arguments is not None:
            text += f", with other arguments: {arguments_text(given.arguments)}"
        return quote(record, before_text(text, given.reason), given.reason, tone="bold")


def _thread_line(
    record: e.Record,
    event: e.ThreadStarted | e.ThreadClaimed | e.ThreadForked | e.TrustChanged,
) -> Line:
    match event:
        case e.ThreadStarted(agent=agent, parent_thread_id=parent):
            text = f"started with the agent {agent}{parent and f', for {parent}'}"
        case e.ThreadClaimed(releases=True):
            text = "let go: its driver has stopped, and nobody drives it until somebody claims it"
        case e.ThreadClaimed(claim=claim, driver=driver, reopens=reopens):
            by = driver and f" by {driver}"
            text = f"claimed{by}, claim {claim}"
            if reopens:
                text += "; the turn that had failed goes on"
        case e.ThreadForked(parent_thread_id=parent, at_seq=seq):
            text = f"forked from {parent} after its record {seq}"
        case e.TrustChanged(trusted=trusted, by=by, reason=reason):
            text = f"imported by {by}, and not adopted yet"
            if trusted:
                text = f"adopted by {by}"
            if reason:
                text += f": {reason}"
            return Line(record, "·", text, tone="yellow")
    return Line(record, "·", text, tone="dim")


def _agent_line(record: e.Record, event: e.AgentDescribed) -> Line:
    tools = ", ".join(event.tools) or "no tools"
    text = f"{shorten(event.agent, VALUE)} calls {event.model}, with {shorten(tools, WIDTH)}"
    whole = f"{event.agent} calls {event.model}, with {tools}\n{event.instructions}".rstrip()
    return Line(record, "·", text, tone="dim", whole=whole)


def _compaction_line(record: e.Record, event: e.ContextCompacted) -> Line:
    what = []
    if event.upto_seq:
        what.append(f"the prompt leaves out records up to {event.upto_seq}")
    if event.results_upto_seq:
        what.append(
            f"results up to record {event.results_upto_seq} are cut to"
            f" {event.result_chars:,} characters"
        )
    before = f"· {'; '.join(what)}"
    if event.summary:
        before += ", in short: "
    return quote(record, before, event.summary, tone="dim")


def _wait_text(pending: e.PendingDecision) -> str:
    if pending.status == "limit":
        return f"the limit of {pending.name.replace('_', ' ')} of thread {pending.thread_id}"
    return f"{pending.name or pending.status} in thread {pending.thread_id}"
