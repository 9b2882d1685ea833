"""The prompt: what the model sees of a log. Pure, and of the log alone: no budget, model or clock.

1. It is always legal: a tool call and its result are never parted, results stand in the order in
   which the calls were asked for, and the system prompt, the message that opened the turn and
   pinned messages are never left out.
2. It only grows, until a ContextCompacted (see window.py) says what is left out from there on. So
   its beginning is the same bytes from step to step, and the provider's cache holds.
3. Each message is made once, when its record comes, and keeps its encoded form.
"""

from collections.abc import Iterable
from dataclasses import replace

from . import events as e
from .finish_reasons import INCOMPLETE, MALFORMED_CALL, PAUSED
from .legal_reply import legal_content, one_line
from .model import Message
from .prompt_words import (
    ACT,
    CUT_OFF,
    DID_RUN,
    EDITED,
    EMPTY,
    HANDED_OFF,
    INTERRUPTED,
    MALFORMED,
    NO_CALLS,
    NOT_RUN,
    SHOWN,
    SUMMARY,
    UNFIT,
    UNKNOWN,
)
from .refused_parts import holds, leave_out
from .rounds import OpenRound, ReadRounds
from .rounds import Round as Round  # this module is where it is looked for
from .shorten_result import shorten_result
from .values import RefusedPart


class Prompt:
    """Takes each record once, in order, and gives the messages for the next model call."""

    def __init__(self) -> None:
        self.before: list[Message] = []
        """Shown before the rounds, always: recalled notes, pinned messages, a summary."""
        self.rounds: list[Round] = []
        """What is shown, oldest first."""
        self._read = ReadRounds()
        self.summary = ""
        self._notes: list[Message] = []
        self._pinned: list[Message] = []
        self._open: OpenRound | None = None
        self._called = e.ModelCalled("", "", 0, 0)
        self._started: set[str] = set()
        self._edits: dict[str, str] = {}
        """By call id, the arguments that a person put in place of the model's."""
        self._system = Message("system", "")
        """The last one asked for."""
        self._seq = 0
        self._replied_seq = 0
        """Of the last reply: the provider took all that came before it."""

    def add(self, record: e.Record) -> None:
        self._seq = record.seq
        match record.event:
            case e.UserSaid(answers=""):
                self._cut_off_open_calls()
                message = _user_message(record.event)
                self._push(message, opens_turn=True, pinned=record.event.pinned)
            case e.NotesRecalled():
                self._notes = [Message("user", record.event.text)]
                self._update_before()
            case e.ModelCalled():
                self._called = record.event
            case e.ModelReplied():
                if self._called.purpose != "compact":
                    self._replied_seq = record.seq
                    self._add_reply(record.event)
            case e.ModelFailed(refused=str(refused)):
                self._leave_out(refused)
            case e.AnswerRejected():
                self._push(Message("user", UNFIT.format(wrong=record.event.message)))
            case e.ContextCompacted():
                self._compact(record.event)
            case e.LimitReached() | e.TurnEnded():
                self._cut_off_open_calls()
            case event:
                self._add_outcome(event)

    def _add_outcome(self, event: e.Event) -> None:
        """Add what became of a call, if the event says that."""
        match event:
            case e.UserSaid():
                if self._open and event.parts:
                    self._open.shown.append(Message("user", (SHOWN, *event.parts)))
                self._add_result(event.answers, event.text)
            case e.ToolStarted():
                self._started.add(event.call_id)
            case e.ApprovalGiven(allowed=True, arguments=str(edited)):
                self._edits[event.call_id] = one_line(edited)
            case e.ToolReturned():
                self._add_result(event.call_id, event.content, event.parts)
            case e.ToolFailed(retry_after_s=None):
                self._add_result(event.call_id, f"error: {event.message}", is_error=True)
            case e.OutcomeDecided(outcome="ran"):
                self._add_result(event.call_id, event.content or DID_RUN, event.parts)
            case e.OutcomeDecided(outcome="tell"):
                self._add_result(event.call_id, f"error: {UNKNOWN}", is_error=True)
            case e.HandedOff():
                self._add_result(event.call_id, HANDED_OFF.format(agent=event.agent))

    @property
    def tokens(self) -> int:
        """Of all that `messages` gives except the system prompt and the note."""
        before = sum(message.tokens for message in self.before)
        return before + self._read_on().tokens

    def messages(self, system: str, note: str = "") -> tuple[Message, ...]:
        """Oldest first: the system prompt, the history, and a `note` to the model at the end."""
        if system != self._system.content:
            self._system = Message("system", system)
        messages = [self._system] if system else []
        messages += self.before
        messages += self._read_on().messages
        if note:
            messages.append(Message("user", note))
        return tuple(messages)

    def _read_on(self) -> ReadRounds:
        """What is known of the rounds, with those that came since it was asked for last."""
        for each in self.rounds[self._read.rounds :]:
            self._read.messages += each.messages
            self._read.tokens += each.tokens
        self._read.rounds = len(self.rounds)
        return self._read

    def _compact(self, event: e.ContextCompacted) -> None:
        last_opening = None
        for each in self.rounds:
            if each.opens_turn:
                last_opening = each
        kept = []
        for each in self.rounds:
            if each.seq <= event.upto_seq and each is not last_opening:
                if each.pinned:
                    self._pinned += each.messages
            elif each.seq <= event.results_upto_seq:
                short = tuple(shorten_result(m, event.result_chars) for m in each.messages)
                kept.append(replace(each, messages=short))
            else:
                kept.append(each)
        self.rounds = kept
        self._read = ReadRounds()
        self.summary = event.summary or self.summary
        self._update_before()

    def _leave_out(self, refused: RefusedPart) -> None:
        """Put words in the place of pictures, say: those that are new, or all if none is."""
        after_seq = self._replied_seq
        newest = [each.messages for each in self.rounds if each.seq > after_seq]
        if not any(holds(message, refused) for each in newest for message in each):
            after_seq = 0
            self._pinned = [leave_out(message, refused) for message in self._pinned]
            self._update_before()
        for index, each in enumerate(self.rounds):
            if each.seq > after_seq:
                shown = tuple(leave_out(message, refused) for message in each.messages)
                self.rounds[index] = replace(each, messages=shown)
        self._read = ReadRounds()

    def _update_before(self) -> None:
        self.before = [*self._notes, *self._pinned]
        if self.summary:
            self.before.append(Message("user", SUMMARY.format(summary=self.summary)))

    def _add_reply(self, reply: e.ModelReplied) -> None:
        is_last_word = self._called.purpose == "answer"
        is_cut = reply.finish_reason in INCOMPLETE
        is_malformed = reply.finish_reason == MALFORMED_CALL
        content = legal_content(reply, without_calls=is_cut or is_last_word)
        model = prompt_hash = place = ""
        if reply.opaque or not isinstance(content, str):
            model, prompt_hash = self._called.model, self._called.prompt_hash
            place = reply.place
        message = Message("assistant", content, "", reply.opaque, model, prompt_hash, place=place)
        if message.calls:
            results: dict[str, Message | None] = dict.fromkeys(call.id for call in message.calls)
            self._open = OpenRound(message, results, left=len(results))
            return
        if reply.finish_reason == PAUSED and content:
            self._push(message)  # it goes back as it is, with nothing after it
            return
        text = message.text
        messages = []
        if text.strip():
            messages.append(message)
        if is_malformed:
            notice = MALFORMED.format(fault=reply.fault or "it is not valid JSON")
            messages.append(Message("user", NO_CALLS if is_last_word else notice))
        elif self._called.purpose == "plan" and text.strip():
            messages.append(Message("user", ACT))
        elif is_last_word and not text.strip():
            messages.append(Message("user", NO_CALLS if reply.calls else EMPTY))
        elif is_cut and reply.calls:
            notice = CUT_OFF.format(tokens=reply.usage.output_tokens)
            messages.append(Message("user", notice))
        elif not text.strip():
            messages.append(Message("user", EMPTY))
        self._push(*messages)

    def _add_result(
        self,
        call_id: str,
        text: str,
        parts: tuple[e.Attachment, ...] = (),
        is_error: bool = False,
    ) -> None:
        if self._open and call_id in self._open.results:
            text = self._with_edit(call_id, text)
            content = (text, *parts) if parts else text
            result = Message("tool", content, call_id=call_id, is_error=is_error)
            self._open.results[call_id] = result
            self._open.left -= 1
            if not self._open.left:
                self._close_round()

    def _with_edit(self, call_id: str, text: str) -> str:
        """The result of a call, after the arguments with which a person has made it run."""
        if call_id not in self._edits:
            return text
        return EDITED.format(arguments=self._edits[call_id], result=text)

    def _cut_off_open_calls(self) -> None:
        """The turn is over: give each call without a result one that says so."""
        if self._open is None:
            return
        for call_id, result in self._open.results.items():
            if result is None:
                text = NOT_RUN
                if call_id in self._started:
                    text = self._with_edit(call_id, INTERRUPTED)
                self._open.results[call_id] = Message("tool", text, call_id=call_id, is_error=True)
        self._close_round()

    def _close_round(self) -> None:
        assert self._open
        done = self._open
        self._open = None
        self._push(done.reply, *filter(None, done.results.values()), *done.shown)

    def _push(self, *messages: Message, opens_turn: bool = False, pinned: bool = False) -> None:
        if messages:
            self.rounds.append(Round(messages, self._seq, opens_turn, pinned))


def messages(records: Iterable[e.Record], system: str) -> tuple[Message, ...]:
    """The prompt after these records, oldest message first."""
    prompt = Prompt()
    for record in records:
        prompt.add(record)
    return prompt.messages(system)


def _user_message(event: e.UserSaid) -> Message:
    if not event.text.strip() and not event.parts:
        return Message("user", "")
    return Message("user", event.content)
