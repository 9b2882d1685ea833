"""Says a message in a thread, once: who brings it again gets the turn that it has opened."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from ..core import events as e
from ..core.errors import SeqTaken, TurnOpen
from ..core.result import Result
from ..core.state import OPEN_PHASES
from ..stores.store import Store
from .background import Begun, OnBegun, tell_opening
from .children import require_own
from .drives import refuse_while_stopping
from .log import Log, open_log
from .message_key import find_message, name_thread, refuse_deleted, thread_of_key, with_key
from .steer import steer
from .when_busy import WhenBusy, in_line, says_into_turn, wait_for_end
from .world import World


@dataclass(frozen=True)
class Message:
    """What is said, and where."""

    said: e.UserSaid
    thread_id: str
    made_by_key: bool
    """Whether the key has made the thread's name."""
    when_busy: WhenBusy = "refuse"


def address(
    said: e.UserSaid,
    thread: str | None,
    key: str | None,
    owner: str,
    world: World,
    when_busy: WhenBusy = "refuse",
) -> Message:
    """The message with its key, and its thread: as given, else by the key, else a new one.

    Raises UsageError.
    """
    said = with_key(said, key)
    name = name_thread(thread, said, owner, world)
    return Message(said, name, name == thread_of_key(owner, said.key), when_busy)


async def say_once(
    message: Message,
    store: Store,
    world: World,
    on_begun: OnBegun | None,
    begin: Callable[[Log], Awaitable[Result]],
    finish: Callable[[int], Awaitable[Result]],
) -> Result:
    """What `begin` gives, which opens a turn in the log with the message, and drives it.

    Where the message was said in a turn already, by its key, or is said into an open one, what
    `finish` gives of that: it gets the seq of the turn's first message. `on_begun` is told as soon
    as the turn has begun; then the turn is let go where its driver is cancelled. Raises as both;
    UsageError for the thread of somebody else, and for a message of a thread that was deleted;
    Stopped.
    """
    if message.when_busy != "queue":
        return await _say(message, store, world, on_begun, begin, finish)
    async with in_line(store, message.thread_id):
        return await _say(message, store, world, on_begun, begin, finish)


async def _say(
    message: Message,
    store: Store,
    world: World,
    on_begun: OnBegun | None,
    begin: Callable[[Log], Awaitable[Result]],
    finish: Callable[[int], Awaitable[Result]],
) -> Result:
    said = message.said
    while True:
        log = await open_log(message.thread_id, store, world)
        if on_begun:
            log.lets_go = True
            log.listeners = (tell_opening(log, on_begun),)
        require_own(log)
        found = find_message(log, said, message.made_by_key)
        if not found:
            refuse_while_stopping()
            await refuse_deleted(log, said)
            is_open = log.state.phase in OPEN_PHASES
            if is_open and message.when_busy == "queue":
                await wait_for_end(log, finish)
                continue
            if is_open and says_into_turn(message.when_busy, log.state):
                steered = await steer(log, said)
                found = steered.seq, steered.turn_seq
        if found:
            _, opened_seq = found
            if on_begun:
                on_begun(Begun(log.thread_id, opened_seq))
            return await finish(opened_seq)
        try:
            return await begin(log)
        except SeqTaken:  # perhaps another caller has brought it at the same moment
            if log.has_claimed or not said.key:
                raise
        except TurnOpen:  # another turn has begun at the same moment
            if log.has_claimed or message.when_busy not in ("steer", "queue"):
                raise
