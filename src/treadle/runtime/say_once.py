"""Says a message in a thread, once: who brings it again gets the turn that it has opened."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from ..core import events as e
from ..core.errors import SeqTaken
from ..core.result import Result
from ..stores.store import Store
from .background import Begun, OnBegun, tell_opening
from .children import require_own
from .drives import refuse_while_stopping
from .log import Log, open_log
from .message_key import find_message, name_thread, refuse_deleted, thread_of_key, with_key
from .world import World


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
    name = name_thread(thread, said, owner, world)
    return Message(said, name, name == thread_of_key(owner, said.key))


async def say_once(
    message: Message,
    store: Store,
    world: World,
    on_begun: OnBegun | None,
    begin: Callable[[Log], Awaitable[Result]],
    finish: Callable[[int], Awaitable[Result]],
) -> Result:
    """What `begin` gives, which opens a turn in the log with the message, and drives it.

    Where the message, by its key, has opened a turn already, what `finish` gives of that one: it
    gets the seq of the message. `on_begun` is told as soon as the turn has begun; then the turn is
    let go where its driver is cancelled. Raises as both; UsageError for the thread of somebody
    else, and for a message of a thread that was deleted; Stopped.
    """
    said = message.said
    listeners = [tell_opening(on_begun)] if on_begun else []
    while True:
        log = await open_log(message.thread_id, store, world, listeners)
        log.lets_go = on_begun is not None
        require_own(log)
        if opened_seq := find_message(log, said, message.made_by_key):
            if on_begun:
                on_begun(Begun(log.thread_id, opened_seq))
            return await finish(opened_seq)
        refuse_while_stopping()
        await refuse_deleted(log, said)
        try:
            return await begin(log)
        except SeqTaken:  # perhaps another caller has brought it at the same moment
            if log.has_claimed or not said.key:
                raise
