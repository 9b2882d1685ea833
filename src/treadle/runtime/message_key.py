"""Message keys: the same message, delivered twice, is one turn.

1. The key stands in the UserSaid that opens the turn, or steers one. Whoever brings it again finds
   it there.
2. Without a thread's name, owner and key make one. So all who bring the message meet in one log,
   and the store lets only one of them write the first record.
3. Of a deleted thread its store keeps enough to tell whether it had a message of this key.
"""

from dataclasses import dataclass
from hashlib import blake2b

from msgspec.structs import replace

from ..core import events as e
from ..core.errors import UsageError
from ..core.name_kind import name_kind
from ..core.visible import shorten
from ..stores.store import Erasable
from .local_time import format_time
from .log import Log
from .thread_name import name_or_new
from .world import World

MAX_CHARS = 1000
_SHOWN = 100


def with_key(said: e.UserSaid, key: str | None) -> e.UserSaid:
    """The message with this key. Raises UsageError for what can be no key."""
    if key is None:
        key = said.key
        if key == "":
            return said
    if not isinstance(key, str):
        raise UsageError(f"key is {name_kind(key)}; give a text that names the message")
    if not key.strip() or len(key) > MAX_CHARS:
        raise UsageError(
            f"a message's key has 1 to {MAX_CHARS} characters; leave it out (None) for none"
        )
    try:
        key.encode()
    except UnicodeEncodeError:
        raise UsageError(f"the key {key!r} has half a character (a lone surrogate)") from None
    if said.key not in ("", key):
        raise UsageError(f"the message has the key {said.key!r} already, so it can't be {key!r}")
    return replace(said, key=key)


def thread_of_key(owner: str, key: str) -> str:
    """The name of the thread in which this agent or flow begins with a message of this key."""
    return f"key-{blake2b(f'{len(owner)}:{owner}{key}'.encode(), digest_size=15).hexdigest()}"


@dataclass(frozen=True)
class Message:
    """What is said, and where."""

    said: e.UserSaid
    thread_id: str
    made_by_key: bool
    """Whether the key has made the thread's name."""


def address(
    said: e.UserSaid, thread: str | None, key: str | None, owner: str, world: World
) -> Message:
    """The message with its key, and its thread: as given, else by the key, else a new one.

    Raises UsageError.
    """
    said = with_key(said, key)
    by_key = thread_of_key(owner, said.key)
    if thread is None and said.key:
        return Message(said, by_key, True)
    name = name_or_new(thread, world)
    return Message(said, name, name == by_key)


def find_message(log: Log, said: e.UserSaid, made_by_key: bool) -> tuple[int, int] | None:
    """The seqs of the message with the same key, and of the one that opened its turn.

    None if there is none, and for no key.

    Raises UsageError if that one has other words, and where the key has made the thread's name but
    somebody else has begun the thread.
    """
    if not said.key:
        return None
    opened_seq = 0
    for record in log.records:
        event = record.event
        if not isinstance(event, e.UserSaid) or event.answers:
            continue
        if event.opens_turn:
            opened_seq = record.seq
        if event.key != said.key:
            continue
        if event.content != said.content:
            raise _other_words(log, said.key, record.at)
        return record.seq, opened_seq
    if made_by_key and log.records:
        raise UsageError(
            f"thread {log.thread_id} was begun without the key {_show(said.key)}, whose thread it"
            " would be; give a thread="
        )
    return None


def was_posted(log: Log, event: object) -> bool:
    """Whether this answer, by its key, is in the log. Raises UsageError if with other words."""
    if not isinstance(event, e.UserSaid) or not event.key:
        return False
    for record in log.records:
        said = record.event
        if isinstance(said, e.UserSaid) and said.key == event.key and said.answers:
            if (said.content, said.answers) != (event.content, event.answers):
                raise _other_words(log, event.key, record.at)
            return True
    return False


def _other_words(log: Log, key: str, at: float) -> UsageError:
    return UsageError(
        f"the key {_show(key)} is that of another message: it was said with other words in thread"
        f" {log.thread_id} at {format_time(at)}. Give each message a key of its own"
    )


async def refuse_deleted(log: Log, said: e.UserSaid) -> None:
    """Raise UsageError if a message of this key was in a thread of this name that was deleted."""
    if not said.key or not isinstance(log.store, Erasable):
        return
    if await log.store.was_deleted(log.thread_id, said.key):
        raise UsageError(
            f"the message with the key {_show(said.key)} was said already, in thread"
            f" {log.thread_id}, which was deleted; it doesn't run again"
        )


def _show(key: str) -> str:
    return repr(shorten(key, _SHOWN))
