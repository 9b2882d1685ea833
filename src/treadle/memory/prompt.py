"""The prompt: what the model gets to see of a log. Pure.

1. Legal, always: a tool call and its result are never parted, results stand in the order the calls were asked for,
   the system prompt and the message that opened the turn are never dropped.
2. It fits by tokens. What doesn't fit is left out from the oldest end, in blocks, whole rounds at a time: the kept
   prefix then stays the same for many steps, and so does the provider's cache.
3. Each message is made once, when its record comes, and keeps its encoded form.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import msgspec

from .. import events as e
from ..models.model import Message
from ..turn import CUT

KEEP = 0.7
"""When the window is full it is cut down to this part of it, so that it need not be cut at every step."""

PLAN = (
    "Before you act: write a short numbered plan for this task, one step a line, and name the tool that each step"
    " needs, if any. Only the plan; don't carry it out yet. The tools are: {tools}"
)
ACT = "Now carry out your plan, step by step, with the tools. Then give the answer."
LAST_WORD = "No more tools can be used in this turn. Give the best answer you can from what is above, now."
EMPTY = "Your last reply was empty. Call a tool or give the answer."
CUT_OFF = "Your last reply was cut off at {tokens} tokens, so its tool calls were not read. Write less at once."
UNFIT = "That answer can't be used: {wrong}. Answer again, corrected."
DID_RUN = "done; the call was interrupted, but it did run. Its result was lost"
UNKNOWN = "the call was interrupted, and nobody knows if it had its effect. Check before you repeat it"
NOT_RUN = "not run: the turn ended before this call"
INTERRUPTED = "interrupted: the turn ended while this call ran; it may have had its effect"


@dataclass
class _Round:
    """Messages that stay together, and what they weigh. Calls still without a result are in `missing`."""

    messages: list[Message] = field(default_factory=list)
    missing: dict[str, Message | None] = field(default_factory=dict)
    opens_turn: bool = False

    @property
    def tokens(self) -> int:
        return sum(message.tokens for message in self.messages)


class Prompt:
    """Fed each record once, in order; gives the messages for the next model call at any time."""

    def __init__(self) -> None:
        self._rounds: list[_Round] = []
        self._weights: list[int] = []
        self._purpose = "step"
        self._model = ""
        self._started: set[str] = set()
        self._overflows = 0

    def add(self, record: e.Record) -> None:
        match record.event:
            case e.UserSaid(answers=""):
                self._close()
                self._overflows = 0
                said = Message("user", record.event.text, record.event.parts)
                self._push(_Round([said], opens_turn=True))
            case e.UserSaid():
                self._result(record.event.answers, record.event.text)
            case e.ModelCalled():
                self._purpose, self._model = record.event.purpose, record.event.model
            case e.ModelFailed(kind="overflow"):
                self._overflows += 1
            case e.ModelReplied():
                self._reply(record.event)
            case e.ToolStarted():
                self._started.add(record.event.call_id)
            case e.ToolReturned():
                self._result(record.event.call_id, record.event.content)
            case e.ToolFailed(retry_after_s=None):
                self._result(record.event.call_id, f"error: {record.event.message}")
            case e.OutcomeDecided(outcome="ran"):
                self._result(record.event.call_id, record.event.content or DID_RUN)
            case e.OutcomeDecided(outcome="tell"):
                self._result(record.event.call_id, f"error: {UNKNOWN}")
            case e.AnswerRejected():
                self._push(_Round([Message("user", UNFIT.format(wrong=record.event.message))]))
            case e.LimitReached() | e.TurnEnded():
                self._close()

    def messages(self, system: str, budget_tokens: int, note: str = "") -> tuple[Message, ...]:
        """At most about `budget_tokens`, oldest first: system, what fits of the history, and a `note` to the model.

        After an overflow the window is half of that for the rest of the turn: the provider counts in its own way.
        Raises nothing; a turn's own message and newest round stay even where they are too large, and then the
        provider is asked to judge.
        """
        head = [Message("system", system)] if system else []
        tail = [Message("user", note)] if note else []
        budget = (budget_tokens >> self._overflows) - sum(message.tokens for message in head + tail)
        return (*head, *(message for kept in self._window(budget) for message in kept.messages), *tail)

    def _window(self, budget: int) -> list[_Round]:
        if not self._rounds or sum(self._weights) <= budget:
            return self._rounds
        start = _cut(self._weights, budget)
        opens = [index for index, kept in enumerate(self._rounds) if kept.opens_turn]
        if start <= opens[-1]:
            return self._rounds[next(index for index in opens if index >= start) :]
        # The turn under way is too large by itself: its own message stays, its oldest rounds go.
        rest = opens[-1] + 1
        start = rest + _cut(self._weights[rest:], budget - self._weights[opens[-1]])
        return [self._rounds[opens[-1]], *self._rounds[start:]]

    def _reply(self, reply: e.ModelReplied) -> None:
        cut = reply.finish_reason in CUT
        calls = () if cut else tuple(map(_legal, reply.calls))
        owned = reply.opaque or any(call.opaque for call in calls)
        model = self._model if owned else ""
        said = Message("assistant", reply.text or reply.refusal, (), calls, "", reply.opaque, model)
        after = ""
        if self._purpose == "plan" and said.text.strip():
            after = ACT
        elif cut and reply.calls:
            after = CUT_OFF.format(tokens=reply.usage.output_tokens)
        elif not calls and not said.text.strip():
            after = EMPTY
        if calls:
            self._push(_Round([said], dict.fromkeys(call.id for call in calls)))
        else:
            heard = [said] if said.text.strip() else []
            self._push(_Round([*heard, Message("user", after)] if after else heard))

    def _result(self, call_id: str, text: str) -> None:
        if not self._rounds or call_id not in self._rounds[-1].missing:
            return
        current = self._rounds[-1]
        current.missing[call_id] = Message("tool", text, call_id=call_id)
        if all(current.missing.values()):
            self._settle()

    def _close(self) -> None:
        """The turn is over: calls without a result get one that says so."""
        if self._rounds and self._rounds[-1].missing:
            for call_id, result in self._rounds[-1].missing.items():
                if result is None:
                    why = INTERRUPTED if call_id in self._started else NOT_RUN
                    self._rounds[-1].missing[call_id] = Message("tool", why, call_id=call_id)
            self._settle()

    def _settle(self) -> None:
        current = self._rounds.pop()
        self._weights.pop()
        self._push(_Round([*current.messages, *filter(None, current.missing.values())]))

    def _push(self, new: _Round) -> None:
        self._rounds.append(new)
        self._weights.append(new.tokens)


def messages(records: Iterable[e.Record], system: str, budget_tokens: int) -> tuple[Message, ...]:
    """The prompt after these records, oldest first: `Prompt`, fed at once."""
    prompt = Prompt()
    for record in records:
        prompt.add(record)
    return prompt.messages(system, budget_tokens)


def _cut(weights: list[int], budget: int) -> int:
    """Where the window starts. Found by living through the history, so it moves in blocks and never back."""
    start = total = 0
    for end, weight in enumerate(weights):
        total += weight
        if total > budget:
            while start < end and total > budget * KEEP:
                total -= weights[start]
                start += 1
    return start


def _legal(call: e.Call) -> e.Call:
    """As a provider takes it back: a name of legal characters, arguments that are a JSON object."""
    name = "".join(char if char.isascii() and (char.isalnum() or char in "_-") else "_" for char in call.name)[:64]
    try:
        fine = isinstance(msgspec.json.decode(call.arguments or "{}"), dict)
    except (msgspec.DecodeError, ValueError, RecursionError):
        fine = False
    arguments: Any = call.arguments if fine else msgspec.json.encode({"not_json": call.arguments[:1000]}).decode()
    return e.Call(call.id, name or "_", arguments, call.opaque)
