"""The rounds of a prompt, and the one that isn't whole yet: open calls, what came meanwhile. Pure.

1. A reply and the results of its calls make one round, in the order in which they were asked for.
2. A call that is deferred gets words in the place of its result, so that the round can be whole.
   Its result is a later message, which names the call.
3. What a person says while a call is open or the model writes stands after that.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

from . import events as e
from .judged import put_in_place
from .kept import kept
from .legal import one_line
from .model import Message
from .prompt_words import (
    CAME_LATER,
    DID_RUN,
    EDITED,
    HANDED_OFF,
    INTERRUPTED,
    NOT_RUN,
    RULED,
    SHOWN,
    UNKNOWN,
)
from .values import Said


@dataclass(frozen=True)
class Round:
    """Messages that stay together: what a person said, or a reply with the results of its calls."""

    messages: tuple[Message, ...]
    seq: int
    """Of its last record."""
    opens_turn: bool = False
    pinned: bool = False

    @kept
    def tokens(self) -> int:
        return sum(message.tokens for message in self.messages)


@dataclass
class OpenRound:
    """A reply whose calls wait for their results."""

    reply: Message
    results: dict[str, Message | None] = field(default_factory=dict)
    """By call id, in the order of the calls."""
    shown: list[Message] = field(default_factory=list)
    """Pictures and files that came with a person's answers; no tool message can hold them."""
    left: int = 0
    """How many calls have no result yet."""


@dataclass
class ReadRounds:
    """The messages and the tokens of the first so many rounds."""

    rounds: int = 0
    messages: list[Message] = field(default_factory=list)
    tokens: int = 0


class RoundUnderWay:
    """Takes what became of calls, and what people say; gives it once it can be shown."""

    def __init__(self) -> None:
        self._open: OpenRound | None = None
        self._done: list[Message] = []
        self._later: list[Message] = []
        """What comes after the round: messages of people, results of deferred calls."""
        self._pinned: list[Message] = []
        self._deferred: dict[str, e.Call] = {}
        """By id, the calls whose results come as later messages."""
        self._started: set[str] = set()
        self._edits: dict[str, tuple[str, str]] = {}
        """By call id, who put other arguments in place of the model's, in words, and which."""

    @property
    def is_whole(self) -> bool:
        """Whether every call has its result, or words in its place."""
        return self._open is None

    def begin(self, reply: Message) -> None:
        """A reply that asks for calls."""
        results: dict[str, Message | None] = dict.fromkeys(call.id for call in reply.calls)
        self._open = OpenRound(reply, results, left=len(results))

    def add(self, *messages: Message) -> None:
        """A reply without calls, with what is said to the model of it."""
        self._done += messages

    def say(self, message: Message, pinned: bool = False) -> None:
        """What a person says meanwhile."""
        said = self._pinned if pinned else self._later
        said.append(message)

    def take(self) -> tuple[list[Message], list[Message]]:
        """What can be shown now, as one round; and pinned messages, each a round of its own."""
        whole, pinned = self._done + self._later, self._pinned
        self._done, self._later, self._pinned = [], [], []
        return whole, pinned

    def add_answer(self, said: e.UserSaid) -> tuple[Message, ...]:
        """A person's answer to a question; the messages that show it."""
        parts = said.parts
        shown: list[Message] = []
        if parts and self._open:
            shown.append(Message("user", (SHOWN, *parts)))
            self._open.shown += shown
            parts = ()
        return (self._add_result(said.answers, said.text, parts), *shown)

    def put_in_place(self, old: tuple[Message, ...], said: str, new: Said) -> None:
        """Show this instead of the `old` messages, where they stand here."""
        for messages in (self._done, self._later, self._pinned):
            messages[:] = put_in_place(messages, old, said, new)
        if not self._open:
            return
        self._open.shown = [m for m in self._open.shown if not any(m is each for each in old)]
        for call_id, result in self._open.results.items():
            if result and result is old[0]:
                [self._open.results[call_id]] = put_in_place((result,), old, said, new)

    def add_outcome(self, event: e.Event) -> None:
        """What became of a call, if the event says that."""
        match event:
            case e.ToolStarted():
                self._started.add(event.call_id)
            case e.ToolDeferred():
                self._defer(event)
            case e.ApprovalGiven(allowed=True, arguments=str(edited)):
                self._edits[event.call_id] = EDITED, one_line(edited)
            case e.Checked(content=str(changed)):
                self._edits[event.call_id] = RULED, one_line(changed)
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

    def cut_off(self) -> None:
        """The turn is over: give each call without a result one that says so."""
        self._put_cut_off([*self._deferred])
        self.cut_off_round()

    def cut_off_round(self) -> None:
        """The same for the calls of the round alone: those that are deferred may still go on."""
        if self._open:
            results = self._open.results.items()
            self._put_cut_off([call_id for call_id, result in results if not result])

    def _put_cut_off(self, call_ids: Iterable[str]) -> None:
        for call_id in call_ids:
            text = NOT_RUN
            if call_id in self._started:
                text = self._with_edit(call_id, INTERRUPTED)
            self._put_result(call_id, Message("tool", text, call_id=call_id, is_error=True))

    def _defer(self, event: e.ToolDeferred) -> None:
        for call in self._open.reply.calls if self._open else ():
            if call.id == event.call_id:
                message = Message("tool", event.message, call_id=call.id)
                self._put_result(call.id, message)
                self._deferred[call.id] = call

    def _add_result(
        self,
        call_id: str,
        text: str,
        parts: tuple[e.Attachment, ...] = (),
        is_error: bool = False,
    ) -> Message:
        text = self._with_edit(call_id, text)
        content = (text, *parts) if parts else text
        return self._put_result(
            call_id, Message("tool", content, call_id=call_id, is_error=is_error)
        )

    def _put_result(self, call_id: str, result: Message) -> Message:
        """Put it where it belongs; the message that shows it."""
        deferred = self._deferred.pop(call_id, None)
        if self._open and call_id in self._open.results:
            self._open.left -= self._open.results[call_id] is None
            self._open.results[call_id] = result  # nobody has seen words that stood there
            if not self._open.left:
                done, self._open = self._open, None
                self._done += [done.reply, *filter(None, done.results.values()), *done.shown]
        elif deferred:
            result = _as_message(deferred, result)
            self._later.append(result)
        return result

    def _with_edit(self, call_id: str, text: str) -> str:
        """The result of a call, after the arguments that it was made to run with."""
        if call_id not in self._edits:
            return text
        words, arguments = self._edits[call_id]
        return words.format(arguments=arguments, result=text)


def _as_message(call: e.Call, result: Message) -> Message:
    """The result of a deferred call as a message of its own."""
    arguments = one_line(call.arguments or "{}")
    text = CAME_LATER.format(id=call.id, name=call.name, arguments=arguments, result=result.text)
    content = (text, *result.parts) if result.parts else text
    return Message("user", content, result_of=call.id)
