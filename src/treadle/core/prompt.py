"""The prompt: what the model gets to see of a log. Pure, and of the log alone: no budget, no model, no clock.

1. Legal, always: a tool call and its result are never parted, results stand in the order the calls were asked for,
   the system prompt, the message that opened the turn and pinned ones are never left out.
2. It only grows, until a ContextCompacted says what is left out from there on (window.py works that out). So its
   beginning is the same bytes from step to step, and the provider's cache holds.
3. Each message is made once, when its record comes, and keeps its encoded form.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import msgspec
from msgspec.structs import replace as replace_fields

from . import events as e
from .model import Message
from .strict_json import value_of
from .turn import INCOMPLETE
from .values import Block, Replied, calls_of, text_of

PLAN = (
    "Before you act: write a short numbered plan for this task, one step a line, and name the tool that each step"
    " needs, if any. Only the plan; don't carry it out yet. The tools are: {tools}"
)
ACT = "Now carry out your plan, step by step, with the tools. Then give the answer."
LAST_WORD = (
    "No more tools can be used in this turn. Give the best answer you can from what is above, now."
)
EMPTY = "Your last reply was empty. Call a tool or give the answer."
CUT_OFF = "Your last reply was cut off at {tokens} tokens, so its tool calls were not read. Write less at once."
UNFIT = "That answer can't be used: {wrong}. Answer again, corrected."
DID_RUN = "done; the call was interrupted, but it did run. Its result was lost"
UNKNOWN = (
    "the call was interrupted, and nobody knows if it had its effect. Check before you repeat it"
)
HANDED_OFF = "done: {agent} is in charge of the conversation now"
NOT_RUN = "not run: the turn ended before this call"
INTERRUPTED = "interrupted: the turn ended while this call ran; it may have had its effect"
SAID_NOTHING = "(nothing was said)"
"""Providers refuse an empty message, and would for as long as it is in the thread."""
SHOWN = "This came with the answer to your question."
SUMMARY = "What was said before, in short:\n{summary}"
SHORTENED = "\n[… {left_out} of {all} characters of this result are left out]\n"


@dataclass(frozen=True)
class Round:
    """Messages that stay together: what a person said, or a reply with the results of its calls."""

    messages: tuple[Message, ...]
    seq: int
    """Of the last record in it."""
    opens_turn: bool = False
    pinned: bool = False

    @cached_property
    def tokens(self) -> int:
        return sum(message.tokens for message in self.messages)


@dataclass
class _Pending:
    """A reply with calls that wait for their results."""

    reply: Message
    results: dict[str, Message | None] = field(default_factory=dict)
    shown: list[Message] = field(default_factory=list)
    """Pictures and files that came with answers; no tool message can hold them."""


class Prompt:
    """Fed each record once, in order; gives the messages for the next model call at any time."""

    def __init__(self) -> None:
        self.before: list[Message] = []
        """What is shown before the rounds, whatever is left out: recalled notes, pinned messages, a summary."""
        self.rounds: list[Round] = []
        """What is shown, oldest first."""
        self.summary = ""
        self._notes: list[Message] = []
        self._pinned: list[Message] = []
        self._pending: _Pending | None = None
        self._called = e.ModelCalled("", "", 0, 0)
        self._started: set[str] = set()
        self._seq = 0

    def add(self, record: e.Record) -> None:
        self._seq = record.seq
        match record.event:
            case e.UserSaid(answers=""):
                self._close()
                self._push(_said(record.event), opens_turn=True, pinned=record.event.pinned)
            case e.NotesRecalled():
                self._notes = [Message("user", record.event.text)]
                self._renew()
            case e.ModelCalled():
                self._called = record.event
            case e.ModelReplied():
                if self._called.purpose != "compact":
                    self._reply(record.event)
            case e.AnswerRejected():
                self._push(Message("user", UNFIT.format(wrong=record.event.message)))
            case e.ContextCompacted():
                self._compact(record.event)
            case e.LimitReached() | e.TurnEnded():
                self._close()
            case event:
                self._answer(event)

    def _answer(self, event: e.Event) -> None:
        """What comes of a call."""
        match event:
            case e.UserSaid():
                if self._pending and event.parts:
                    self._pending.shown.append(Message("user", (SHOWN, *event.parts)))
                self._result(event.answers, event.text)
            case e.ToolStarted():
                self._started.add(event.call_id)
            case e.ToolReturned():
                self._result(event.call_id, event.content)
            case e.ToolFailed(retry_after_s=None):
                self._result(event.call_id, f"error: {event.message}")
            case e.OutcomeDecided(outcome="ran"):
                self._result(event.call_id, event.content or DID_RUN)
            case e.OutcomeDecided(outcome="tell"):
                self._result(event.call_id, f"error: {UNKNOWN}")
            case e.HandedOff():
                self._result(event.call_id, HANDED_OFF.format(agent=event.agent))

    @property
    def tokens(self) -> int:
        """Of all that `messages` gives besides the system prompt and the note."""
        return sum(message.tokens for message in self.before) + sum(
            each.tokens for each in self.rounds
        )

    def messages(self, system: str, note: str = "") -> tuple[Message, ...]:
        """Oldest first: system, what the log shows of the history, and a `note` to the model. Raises nothing."""
        head = [Message("system", system)] if system else []
        tail = [Message("user", note)] if note else []
        return (
            *head,
            *self.before,
            *(message for each in self.rounds for message in each.messages),
            *tail,
        )

    def _compact(self, cut: e.ContextCompacted) -> None:
        last = max((index for index, each in enumerate(self.rounds) if each.opens_turn), default=-1)
        kept = []
        for index, each in enumerate(self.rounds):
            if each.seq <= cut.upto_seq and index != last:
                self._pinned += each.messages if each.pinned else ()
            elif each.seq <= cut.results_upto_seq:
                kept.append(
                    replace(
                        each,
                        messages=tuple(shorten_result(m, cut.result_chars) for m in each.messages),
                    )
                )
            else:
                kept.append(each)
        self.rounds = kept
        self.summary = cut.summary or self.summary
        self._renew()

    def _renew(self) -> None:
        said = [Message("user", SUMMARY.format(summary=self.summary))] if self.summary else []
        self.before = [*self._notes, *self._pinned, *said]

    def _reply(self, reply: e.ModelReplied) -> None:
        cut = reply.finish_reason in INCOMPLETE
        said = Message("assistant", _heard(reply, cut), "", reply.opaque)
        if reply.opaque or not isinstance(said.content, str):
            said = replace_fields(said, model=self._called.model)
        calls = said.calls
        after = ""
        if self._called.purpose == "plan" and said.text.strip():
            after = ACT
        elif cut and reply.calls:
            after = CUT_OFF.format(tokens=reply.usage.output_tokens)
        elif not calls and not said.text.strip():
            after = EMPTY
        if calls:
            self._pending = _Pending(said, dict.fromkeys(call.id for call in calls))
        else:
            heard = [said] if said.text.strip() else []
            self._push(*heard, *([Message("user", after)] if after else ()))

    def _result(self, call_id: str, text: str) -> None:
        if self._pending and call_id in self._pending.results:
            self._pending.results[call_id] = Message("tool", text, call_id=call_id)
            if all(self._pending.results.values()):
                self._settle()

    def _close(self) -> None:
        """The turn is over: calls without a result get one that says so."""
        if self._pending:
            for call_id, result in self._pending.results.items():
                if result is None:
                    why = INTERRUPTED if call_id in self._started else NOT_RUN
                    self._pending.results[call_id] = Message("tool", why, call_id=call_id)
            self._settle()

    def _settle(self) -> None:
        assert self._pending
        done, self._pending = self._pending, None
        self._push(done.reply, *filter(None, done.results.values()), *done.shown)

    def _push(self, *messages: Message, opens_turn: bool = False, pinned: bool = False) -> None:
        if messages:
            self.rounds.append(Round(messages, self._seq, opens_turn, pinned))


def messages(records: Iterable[e.Record], system: str) -> tuple[Message, ...]:
    """The prompt after these records, oldest first: `Prompt`, fed at once."""
    prompt = Prompt()
    for record in records:
        prompt.add(record)
    return prompt.messages(system)


def shorten_result(message: Message, chars: int) -> Message:
    """A tool result with at most about `chars` of its text, mostly from its beginning; any other message as it is."""
    if message.role != "tool" or len(message.text) <= chars + len(SHORTENED):
        return message
    end = chars // 4
    notice = SHORTENED.format(left_out=len(message.text) - chars, all=len(message.text))
    text = message.text[: chars - end] + notice + (message.text[-end:] if end else "")
    return Message("tool", text, call_id=message.call_id)


def _said(said: e.UserSaid) -> Message:
    return Message("user", said.content if said.text.strip() or said.parts else SAID_NOTHING)


def _heard(reply: e.ModelReplied, cut: bool) -> Replied:
    """A reply as it goes back to the model: legal calls, and none of a reply that was cut off."""
    if isinstance(reply.content, str):
        return reply.content or reply.refusal
    blocks: list[Block] = []
    for block in reply.content:
        if isinstance(block, e.Call):
            block = _legal(block)
            if cut:
                continue
        blocks.append(block)
    if not blocks or not (text_of(tuple(blocks)) or reply.refusal or calls_of(tuple(blocks))):
        return ""
    if all(isinstance(block, e.Text) and not block.opaque for block in blocks):
        return text_of(tuple(blocks)) or reply.refusal
    return tuple(blocks)


def _legal(call: e.Call) -> e.Call:
    """As a provider takes it back: a name of legal characters, arguments that are a JSON object."""
    name = "".join(
        char if char.isascii() and (char.isalnum() or char in "_-") else "_" for char in call.name
    )[:64]
    try:
        fine = isinstance(value_of(call.arguments or "{}"), dict)
    except ValueError:
        fine = False
    arguments: Any = (
        call.arguments
        if fine
        else msgspec.json.encode({"not_json": call.arguments[:1000]}).decode()
    )
    return e.Call(call.id, name or "_", arguments, call.opaque, call.provider_id)
