"""A thread as people read it: a line for each record, and what each turn took. Pure.

The text is as untrusted as the log: whoever shows it makes it safe first.
"""

import json
from dataclasses import dataclass
from typing import Literal, assert_never

import msgspec

from ..core import events as e
from .choice import describe_choice

WIDTH = 100
"""Characters of what was said, in its line."""
VALUE = 60
"""Characters of one argument in it."""

Tone = Literal["", "dim", "bold", "red", "yellow"]
_OUTCOMES = {"ran": "it ran", "not_run": "it did not run, and may", "tell": "nobody knows"}
_MARKS = {"answered": "■", "limit": "!", "cancelled": "!", "failed": "!", "refused": "!"}


@dataclass(frozen=True)
class Line:
    """What one record says."""

    record: e.Record
    mark: str
    text: str
    """One line, long texts cut."""
    took: str = ""
    """Tokens, cost, seconds."""
    tone: Tone = ""
    whole: str = ""
    """All of what was said, in as many lines as it has; "" where `text` leaves nothing out."""

    def __str__(self) -> str:
        line = f"{self.mark} {self.text}" + (f"  {self.took}" if self.took else "")
        return " ".join(line.splitlines())  # a name can hold a newline too


class Timeline:
    """Fed every record once, in order, also of several threads; gives the line of each."""

    def __init__(self) -> None:
        self._calls: dict[tuple[str, str], e.Call] = {}
        self._asked: dict[str, int] = {}
        self._children: set[tuple[str, str]] = set()

    def line(self, record: e.Record) -> Line:
        """What this record says; it is taken into account for those after it."""
        event = record.event
        match event:
            case e.UserSaid() | e.ApprovalAsked() | e.ApprovalGiven() | e.QuestionAsked():
                return self._people(record, event)
            case e.ModelCalled() | e.ModelReplied() | e.ModelFailed():
                return self._model(record, event)
            case e.ToolStarted() | e.ToolReturned() | e.ToolFailed() | e.OutcomeDecided():
                return self._tool(record, event)
            case e.StepAsked() | e.ChildStarted() | e.ChildWaits() | e.HandedOff():
                return self._team(record, event)
            case e.ThreadStarted(agent=agent, parent_thread_id=parent):
                of = f", for {parent}" if parent else ""
                return Line(record, "·", f"started with the agent {agent}{of}", tone="dim")
            case e.ThreadClaimed(claim=claim, driver=driver):
                by = f" by {driver}" if driver else ""
                return Line(record, "·", f"claimed{by}, claim {claim}", tone="dim")
            case e.AgentDescribed(agent=agent, model=model, tools=tools, instructions=system):
                told = ", ".join(tools) or "no tools"
                text = f"{shorten(agent, VALUE)} asks {model}, with {shorten(told, WIDTH)}"
                whole = f"{agent} asks {model}, with {told}\n{system}" if system else ""
                return Line(record, "·", text, tone="dim", whole=whole)
            case e.TrustChanged(trusted=trusted, by=by, reason=reason):
                what = f"adopted by {by}" if trusted else f"imported by {by}"
                why = f": {reason}" if reason else ""
                return Line(record, "·", f"{what}{why}", tone="yellow")
            case e.ThreadForked(parent_thread_id=parent, at_seq=seq):
                return Line(record, "·", f"forked from {parent} after its record {seq}", tone="dim")
            case e.NotesRecalled(ids=ids, text=text):
                return _said(record, f"· {len(ids)} notes recalled: ", text, tone="dim")
            case e.ContextCompacted():
                return _compacted(record, event)
            case e.AnswerRejected(message=message):
                return _said(record, "! the answer won't do: ", message, tone="yellow")
            case e.LimitReached(limit=limit, used=used, allowed=allowed):
                text = f"the limit of {limit.replace('_', ' ')} is reached: {used:g} of {allowed:g}"
                return Line(record, "!", text, tone="yellow")
            case e.TurnEnded(status=status, reason=reason, value=value):
                tone: Tone = "bold" if status == "answered" else "yellow"
                said, mark = "; ".join(filter(None, (reason, value))), f"{_MARKS[status]} {status}"
                return _said(record, mark + (": " if said else ""), said, tone=tone)
            case never:
                assert_never(never)

    def _model(
        self, record: e.Record, event: e.ModelCalled | e.ModelReplied | e.ModelFailed
    ) -> Line:
        match event:
            case e.ModelCalled(model=model, purpose=purpose, attempt=attempt):
                number = self._asked[record.thread_id] = self._asked.get(record.thread_id, 0) + 1
                tried = f" (try {attempt})" if attempt > 1 else ""
                return Line(
                    record, "·", f"model call {number}, {purpose}: {model}{tried}", tone="dim"
                )
            case e.ModelReplied():
                return self._reply(record, event)
            case e.ModelFailed(
                message=message, retry_after_s=wait_s, usage=usage, cost_usd=cost_usd
            ):
                took = _took(usage, cost_usd) if usage.total_tokens else ""
                return _said(record, "! ", message, retry_text(wait_s), took, "yellow")

    def _team(
        self, record: e.Record, event: e.StepAsked | e.ChildStarted | e.ChildWaits | e.HandedOff
    ) -> Line:
        match event:
            case e.StepAsked(call=call):
                self._calls[record.thread_id, call.id] = call
                return Line(record, "·", f"step {call.id}: {call_text(call)}", tone="dim")
            case e.ChildStarted(call_id=call_id, thread_id=child):
                self._children.add((record.thread_id, call_id))
                return Line(record, "·", f"{call_id} runs as thread {child}", tone="dim")
            case e.ChildWaits(call_id=call_id, waiting=waiting):
                held = ", ".join(f"{each.name} in thread {each.thread_id}" for each in waiting)
                return Line(record, "?", f"{call_id} waits for a person: {held}", tone="bold")
            case e.HandedOff(agent=agent):
                return Line(
                    record, "⇒", f"{shorten(agent, VALUE)} is in charge from here on", tone="bold"
                )

    def _reply(self, record: e.Record, reply: e.ModelReplied) -> Line:
        self._calls |= {(record.thread_id, call.id): call for call in reply.calls}
        said = reply.text.strip() or (f"refused: {reply.refusal}" if reply.refusal else "")
        wants = ", ".join(f"{call.id} {call_text(call)}" for call in reply.calls)
        cut = (
            f" ({reply.finish_reason})" if reply.finish_reason not in ("stop", "tool_calls") else ""
        )
        before = _before_words(reply)
        words = [*before, said] if said else before
        parts = [shorten(each, WIDTH) for each in words]
        is_whole = parts == words and wants == shorten(wants, WIDTH)
        parts += [f"wants {shorten(wants, WIDTH)}"] if wants else []
        all_said = [
            *words,
            *(f"wants {call.id} {call.name}({call.arguments})" for call in reply.calls),
        ]
        whole = "" if is_whole else "\n".join(all_said)
        took = f"{_took(reply.usage, reply.cost_usd)}, {reply.latency_s:.2f} s"
        return Line(record, "«", (" | ".join(parts) or "nothing") + cut, took, whole=whole)

    def _tool(
        self,
        record: e.Record,
        event: e.ToolStarted | e.ToolReturned | e.ToolFailed | e.OutcomeDecided,
    ) -> Line:
        call = self._calls.get((record.thread_id, event.call_id))
        name = shorten(call.name, VALUE) if call else event.call_id
        match event:
            case e.ToolStarted(attempt=attempt):
                again = f"  (try {attempt})" if attempt > 1 else ""
                again = (
                    "  (goes on)" if (record.thread_id, event.call_id) in self._children else again
                )
                whole, text = (f"{name}({call.arguments})", call_text(call)) if call else ("", name)
                return Line(record, "→", text + again, whole=whole)
            case e.ToolReturned(content=content, duration_s=seconds, cut_chars=cut):
                left_out = f" ({cut:,} characters left out)" if cut else ""
                return _said(
                    record,
                    f"← {name}: ",
                    describe_choice(event.call_id, content),
                    left_out,
                    f"{seconds:.2f} s",
                    "dim",
                )
            case e.ToolFailed(message=message, duration_s=seconds, retry_after_s=wait_s):
                return _said(
                    record,
                    f"← {name}: error: ",
                    message,
                    retry_text(wait_s),
                    f"{seconds:.2f} s",
                    "yellow",
                )
            case e.OutcomeDecided(outcome=outcome, by=by, content=content, reason=reason):
                told = "; ".join(filter(None, (content, reason)))
                text = f"✓ {event.call_id} {name}: {_OUTCOMES[outcome]}, says {by}" + (
                    ": " if told else ""
                )
                return _said(record, text, told, tone="bold")

    def _people(
        self,
        record: e.Record,
        event: e.UserSaid | e.ApprovalAsked | e.ApprovalGiven | e.QuestionAsked,
    ) -> Line:
        match event:
            case e.UserSaid(text=text, parts=parts, answers=answers):
                with_parts = f" (with {len(parts)} pictures or files)" if parts else ""
                return _said(
                    record, f"» {answers}: " if answers else "» ", text, with_parts, tone="bold"
                )
            case e.QuestionAsked(call_id=call_id, text=text):
                return _said(record, f"? {call_id} asks: ", text, tone="bold")
            case e.ApprovalAsked(call_id=call_id, reason=reason):
                call = self._calls.get((record.thread_id, call_id))
                what = call_text(call) if call else "a call"
                return _said(
                    record, f"? {call_id} {what}: ", reason or "needs approval", tone="bold"
                )
            case e.ApprovalGiven():
                return self._approval(record, event)

    def _approval(self, record: e.Record, given: e.ApprovalGiven) -> Line:
        call = self._calls.get((record.thread_id, given.call_id))
        text = f"{'✓' if given.allowed else '✗'} {given.call_id} {shorten(call.name, VALUE) if call else ''}"
        text += f" {'allowed' if given.allowed else 'denied'} by {given.by}"
        if given.always and given.allowed:
            text += f" for the rest of the {given.always.lasts}"
            for name, pattern in given.always.arguments.items():
                text += f", where {shorten(name, VALUE)} is {shorten(pattern, VALUE)}"
        if given.arguments is not None and call:
            self._calls[record.thread_id, given.call_id] = e.Call(
                given.call_id, call.name, given.arguments
            )
            text += f", with other arguments: {arguments_text(given.arguments)}"
        return _said(record, text + (": " if given.reason else ""), given.reason, tone="bold")


def _before_words(reply: e.ModelReplied) -> list[str]:
    """What a reply holds besides its words and calls: thinking, and what the provider ran by itself."""
    found = [f"thinks {reply.thinking}"] if reply.thinking else []
    for block in reply.content:
        if isinstance(block, e.ProviderCall):
            where = ", ".join(source.url for source in block.sources)
            ran = f"the provider ran {block.name}({block.arguments})"
            found.append(f"{ran}, from {where}" if where else ran)
    return found


def _compacted(record: e.Record, cut: e.ContextCompacted) -> Line:
    what = [f"the prompt leaves out records up to {cut.upto_seq}"] if cut.upto_seq else []
    if cut.results_upto_seq:
        what.append(
            f"results up to record {cut.results_upto_seq} are cut to {cut.result_chars:,} characters"
        )
    return _said(
        record,
        f"· {'; '.join(what)}{', in short: ' if cut.summary else ''}",
        cut.summary,
        tone="dim",
    )


def retry_text(wait_s: float | None) -> str:
    return f"; again in {wait_s:.1f} s" if wait_s is not None else ""


def call_text(call: e.Call) -> str:
    """A call as one writes it, cut to fit a line."""
    return f"{shorten(call.name, VALUE)}({arguments_text(call.arguments)})"


def arguments_text(text: str) -> str:
    """A call's arguments as `name="value"`, each cut to fit a line; what isn't a JSON object as it is."""
    try:
        value = msgspec.json.decode(
            text or "{}"
        )  # half a surrogate, which nothing could encode, is no JSON to it
    except (ValueError, RecursionError):
        return shorten(text, WIDTH)
    if not isinstance(value, dict):
        return shorten(text, WIDTH)
    return ", ".join(
        f"{shorten(key, VALUE)}={shorten(json.dumps(each, ensure_ascii=False), VALUE)}"
        for key, each in value.items()
    )


def shorten(text: str, width: int) -> str:
    """The text as one line of at most `width` characters."""
    line = " ".join(text[: width * 8].split())
    return line if len(line) <= width else line[: width - 1] + "…"


def _said(
    record: e.Record, before: str, said: str, after: str = "", took: str = "", tone: Tone = ""
) -> Line:
    """A line of somebody's words; what comes before them begins with its mark."""
    mark, _, before = before.partition(" ")
    return Line(
        record, mark, f"{before}{shorten(said, WIDTH)}{after}", took, tone, f"{before}{said}{after}"
    )


def _took(usage: e.Usage, cost_usd: float | None) -> str:
    about = "~" if usage.estimated else ""
    cost = f", ${cost_usd:.4f}" if cost_usd else ""
    return f"{about}{usage.input_tokens:,} + {usage.output_tokens:,} tokens{cost}"
