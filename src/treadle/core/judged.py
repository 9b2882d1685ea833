"""What a prompt, or another reader, shows where a check has changed or refused what was said. Pure.

The log keeps what was said, and after it what was said of that (`Checked`). Only that is shown: to
the model, and to whatever searches what was said.
"""

from collections.abc import Iterable, Sequence

from msgspec.structs import replace

from . import events as e
from .message import Message
from .prompt_words import WITHHELD
from .values import Said, text_of


def content_of(checked: e.Checked) -> Said | None:
    """What takes the place of what was judged; None where that stays."""
    if checked.verdict == "deny":
        return WITHHELD.format(reason=checked.reason or "a check has refused it")
    return checked.content


def put_in_place(
    messages: Sequence[Message], old: Sequence[Message], said: str, new: Said
) -> tuple[Message, ...]:
    """The messages with this in the place of the `old` ones, which show what was `said`."""
    found: list[Message] = []
    for message in messages:
        if not any(message is each for each in old):
            found.append(message)
        elif message is old[0]:
            content = _within(message, said, new)
            found.append(replace(message, content=content, opaque={}, model="", prompt_hash=""))
    return tuple(found)


def as_judged(records: Iterable[e.Record]) -> list[e.Record]:
    """The records, with what checks have put in the place of messages and answers."""
    found = list(records)
    last_reply = -1
    places: dict[int, int] = {}
    for index, record in enumerate(found):
        match record.event:
            case e.UserSaid():
                places[record.seq] = index
            case e.ModelReplied():
                last_reply = index
            case e.Checked(what="message", said_seq=seq) as checked if seq in places:
                content = content_of(checked)
                if content is not None:
                    found[places[seq]] = _with_content(found[places[seq]], content)
            case e.Checked(what="answer") as checked:
                content = content_of(checked)
                if content is not None and last_reply >= 0:
                    found[last_reply] = _with_content(found[last_reply], text_of(content))
    return found


def _within(message: Message, said: str, new: Said) -> Said:
    """A late answer stands in a message with words about its call: those stay."""
    if message.result_of and said:
        return message.text.replace(said, text_of(new))
    return new


def _with_content(record: e.Record, content: Said) -> e.Record:
    event = record.event
    assert isinstance(event, e.UserSaid | e.ModelReplied)
    return replace(record, event=replace(event, content=content))
