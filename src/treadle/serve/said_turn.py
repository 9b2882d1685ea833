"""The turn of a message, as the history of a client shows it. Pure."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from ..core import events as e
from ..core.check_due import checks_output
from ..core.result import read_result
from ..core.turn_after import goes_on_when_resumed
from ..core.values import text_of
from ..models.chat.read_message import ChatMessage
from ..runtime.log import Log
from ..runtime.one_turn import up_to_turn

WAITS = "[Waits for a person]"
"""How an answer begins that says what a turn waits for."""
_SPACES = re.compile(r"\s+")


@dataclass(frozen=True)
class SaidTurn:
    """The turn that a message opened or steered, as far as a history can show it."""

    end: int | None
    """The seq of its end; None where it is open."""
    is_last: bool
    texts: tuple[str, ...]
    """What the model said in it, reply by reply; not what waited for a check of the answer."""
    answer: str
    """What its Result has."""
    tools: tuple[str, ...]
    """Which it called."""
    asked: bool
    """Whether it has waited for a person, or was left and gone on with."""
    replied_seq: int
    """The seq of the model's last reply in it; 0 where there is none."""
    has_failed: bool
    """Whether it has failed for good: it doesn't go on where its thread is resumed."""

    def is_answered_by(self, replies: Sequence[ChatMessage]) -> bool:
        """Whether the client's messages are what this turn has answered, or a beginning of it.

        What a client was told while the turn waited for a person counts, too.
        """
        if self.end is None:
            return True
        sent = [text_of_message(each) for each in replies if each.role == "assistant"]
        told = [text.partition(WAITS)[0] for text in sent]
        told = [squeezed for text in told if (squeezed := _squeeze(text))]
        if not told and any(sent):
            return self.asked
        texts = list(self.texts)
        if texts and self.answer.startswith(texts[-1]):  # more was said of it, such as of a limit
            texts.pop()
        if self.answer not in texts:
            texts.append(self.answer)
        return _follow_each_other(told, texts)


def find_turn(log: Log, key: str) -> SaidTurn | None:
    """The turn of the message with this key."""
    reading = _Reading()
    opened_seq = 0
    found, is_last = False, True
    for record in log.records:
        event = record.event
        if isinstance(event, e.UserSaid):
            if event.opens_turn and found:
                is_last = False
                break
            if event.opens_turn:
                opened_seq = record.seq
            found = found or event.key == key
        elif isinstance(event, e.AgentDescribed):
            reading.checked = checks_output(event)
        elif found:
            reading.take(record)
    if not found:
        return None
    records, state = up_to_turn(log.records, log.state, opened_seq)
    result = read_result(records, state)
    has_failed = result.status == "failed" and not goes_on_when_resumed(state.turn)
    return SaidTurn(
        end=reading.end,
        is_last=is_last,
        texts=tuple(reading.texts),
        answer=result.answer,
        tools=tuple(reading.tools),
        asked=reading.asked,
        replied_seq=reading.replied_seq,
        has_failed=has_failed,
    )


def text_of_message(message: ChatMessage) -> str:
    """All of its text."""
    said = message.replied if message.role == "assistant" else message.said
    return text_of(said).strip()


@dataclass
class _Reading:
    """What was read of a turn so far."""

    texts: list[str] = field(default_factory=list)
    tools: list[str] = field(default_factory=list)
    end: int | None = None
    asked: bool = False
    replied_seq: int = 0
    purpose: str = "step"
    """What the model was called for last."""
    checked: bool = False
    """Whether a check judges the answers of the agent in charge."""

    def take(self, record: e.Record) -> None:
        """Take in a record of the turn."""
        match record.event:
            case e.ThreadClaimed(reopens=True):
                self.end = None
            case _ if self.end is not None:
                return
            case e.TurnEnded():
                self.end = record.seq
            case e.ModelCalled(purpose=purpose):
                self.purpose = purpose
            case e.ModelReplied(text=text, calls=calls) if self.purpose != "compact":
                self.replied_seq = record.seq
                self.texts += [text] if text.strip() and not self.checked else []
                self.tools += [call.name for call in calls]
            case e.ApprovalAsked() | e.QuestionAsked() | e.ChildWaits() | e.ThreadClaimed():
                self.asked = True


def _follow_each_other(told: Sequence[str], texts: Sequence[str]) -> bool:
    """Whether each thing that was told begins with one of the texts, one after the other."""
    whole, starts = "", [0]
    for text in texts:
        whole = _squeeze(f"{whole} {text}")
        starts.append(len(whole) + 1)
    end = 0
    for each in told:
        places = (start for start in starts if start >= end and whole.startswith(each, start))
        start = next(places, None)
        if start is None:
            return False
        end = start + len(each)
    return True


def _squeeze(text: str) -> str:
    return _SPACES.sub(" ", text).strip()
