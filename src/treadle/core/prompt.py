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
from .judged import content_of, put_in_place
from .legal import legal_content
from .message import Message, shorten_result
from .prompt_words import ACT, CUT_OFF, EMPTY, MALFORMED, NO_CALLS, SUMMARY, UNFIT
from .refused_parts import as_taken, holds, leave_out
from .round_under_way import ReadRounds, RoundUnderWay
from .round_under_way import Round as Round  # this module is where it is looked for
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
        self._under_way = RoundUnderWay()
        self._is_asked = False
        """The model writes."""
        self._is_paused = False
        """The last reply goes back as it is, with nothing after it."""
        self._fresh: dict[int, tuple[str, tuple[Message, ...]]] = {}
        """By seq, what people said since the last model call, and the messages that show it."""
        self._answer: tuple[Message, ...] = ()
        """The last text of the model, until it is asked again."""
        self._called = e.ModelCalled("", "", 0, 0)
        self._system = Message("system", "")
        """The last one asked for."""
        self.seq = 0
        """Of the last record that it has taken."""
        self.replied_seq = 0
        """Of the last reply: the provider took all that came before it."""

    def add(self, record: e.Record) -> None:
        self.seq = record.seq
        self._is_asked = self._is_asked and not _ends_model_call(record.event)
        match record.event:
            case e.UserSaid() as said:
                self._fresh[record.seq] = said.text, self._add_said(said)
            case e.Checked(call_id="") as checked:
                self._put_in_place(checked)
            case e.NotesRecalled():
                self._notes = [Message("user", record.event.text)]
                self._update_before()
            case e.ModelCalled():
                self._called = record.event
                self._fresh.clear()
                self._answer = ()
                self._is_asked = record.event.purpose != "compact"
            case e.ModelReplied():
                if self._called.purpose != "compact":
                    self.replied_seq = record.seq
                    self._add_reply(record.event)
            case e.ModelFailed(refused=str(refused)):
                self._leave_out(refused)
            case e.AnswerRejected():
                self._under_way.add(Message("user", UNFIT.format(wrong=record.event.message)))
            case e.ContextCompacted():
                self._compact(record.event)
            case e.TurnEnded(status="failed"):
                self._under_way.cut_off_round()  # it may be reopened, and deferred calls with it
            case e.LimitReached(waits=False) | e.TurnEnded():
                self._cut_off(self.seq)
            case event:
                self._under_way.add_outcome(event)
        if self._under_way.is_whole and not (self._is_asked or self._is_paused):
            self._show(self.seq)

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

    def _add_said(self, said: e.UserSaid) -> tuple[Message, ...]:
        """Add what a person has said; the messages that show it."""
        if said.in_call:
            return ()  # its call still goes on: what comes of that is shown
        if said.answers:
            return self._under_way.add_answer(said)
        shown = said.content if said.text.strip() or said.parts else ""
        message = Message("user", shown)
        if said.steers:
            self._under_way.say(message, said.pinned)
        else:
            self._cut_off(self.seq - 1)
            self._push(self.seq, message, opens_turn=True, pinned=said.pinned)
        return (message,)

    def _put_in_place(self, checked: e.Checked) -> None:
        """Show what a check has put in the place of a message or an answer. No model saw that."""
        content = content_of(checked)
        said, old = "", self._answer
        if checked.what == "message":
            said, old = self._fresh.pop(checked.said_seq, ("", ()))
        elif checked.verdict == "deny":
            return  # the model is told why, and goes by what it wrote
        if content is None or not old:
            return
        for index, each in enumerate(self.rounds):
            if any(message is each_old for message in each.messages for each_old in old):
                shown = put_in_place(each.messages, old, said, content)
                self.rounds[index] = replace(each, messages=shown)
                self._read = ReadRounds()
        self._under_way.put_in_place(old, said, content)

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
        after_seq, model = self.replied_seq, self._called.model
        newest = [each.messages for each in self.rounds if each.seq > after_seq]
        if not any(holds(as_taken(each, model), refused) for new in newest for each in new):
            after_seq = 0
            self._pinned = [leave_out(message, refused, model) for message in self._pinned]
            self._update_before()
        for index, each in enumerate(self.rounds):
            if each.seq > after_seq:
                shown = tuple(leave_out(message, refused, model) for message in each.messages)
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
        self._is_paused = reply.finish_reason == PAUSED and bool(content) and not message.calls
        if message.calls:
            self._under_way.begin(message)
            return
        if self._is_paused:
            self._push(self.seq, message)  # what came meanwhile waits until it is whole
            return
        text = message.text
        messages = []
        if text.strip():
            messages.append(message)
            self._answer = (message,)
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
        self._under_way.add(*messages)

    def _cut_off(self, seq: int) -> None:
        """The turn is over, or comes to its end; `seq` is that of what is shown of it now."""
        self._is_paused = False
        self._under_way.cut_off()
        self._show(seq)

    def _show(self, seq: int) -> None:
        """Show what is whole, if anything: one record ends one round, besides pinned messages."""
        whole, pinned = self._under_way.take()
        self._push(seq, *whole)
        for message in pinned:
            self._push(seq, message, pinned=True)

    def _push(
        self, seq: int, *messages: Message, opens_turn: bool = False, pinned: bool = False
    ) -> None:
        if messages:
            self.rounds.append(Round(messages, seq, opens_turn, pinned))


def messages(records: Iterable[e.Record], system: str) -> tuple[Message, ...]:
    """The prompt after these records, oldest message first."""
    prompt = Prompt()
    for record in records:
        prompt.add(record)
    return prompt.messages(system)


def _ends_model_call(event: e.Event) -> bool:
    """Whether the model writes no more after this event, if it did."""
    match event:
        case e.ThreadClaimed():
            return not event.releases
        case e.ModelFailed():
            return not event.claim
        case e.ModelReplied() | e.ThreadForked() | e.TrustChanged() | e.TurnEnded():
            return True
    return False
