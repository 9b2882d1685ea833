"""Makes a thread of a chat-completions history that was kept elsewhere. Runs nothing."""

from dataclasses import dataclass
from typing import Any

from ..core import events as e
from ..core.errors import UsageError
from ..models.chat.read_history import ChatHistory, Successor, read_history
from .instructions import Instructions
from .log import Log


@dataclass(frozen=True)
class ImportedHistory:
    """The new thread, and what of the history it doesn't have."""

    thread_id: str
    lost: tuple[str, ...]
    """What couldn't be carried over, in words. Most of it has words in its place."""


async def import_history(
    log: Log,
    history: ChatHistory,
    agent: str,
    instructions: Instructions[Any] | None = None,
    mark: e.TrustChanged | None = None,
) -> ImportedHistory:
    """Write the history as the first records of this thread.

    `agent` is to go on with it, by `instructions` (None, or a function of them: not known yet);
    `mark` comes last. Raises UsageError for a thread that exists, and for what is no history.
    """
    if log.records:
        raise UsageError(
            f"thread {log.thread_id!r} is already in this store; give the history another name"
        )
    key = log.world.new_id()
    known = None
    if isinstance(instructions, str):
        known = instructions
    read = read_history(history, Successor(agent, key, known))
    marks = (mark,) if mark else ()
    await log.append(e.ThreadStarted(agent, key), *read.events, *marks, after=0)
    return ImportedHistory(log.thread_id, read.lost)
