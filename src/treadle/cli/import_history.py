"""`treadle db import --openai`: threads of chat-completions histories."""

import sys

from ..core.errors import UsageError
from ..core.events import TrustChanged
from ..core.visible import visible_line
from ..models.chat.history_file import read_histories
from ..models.chat.read_history import ChatHistory, Successor, read_history
from ..observe.amounts import format_count
from ..runtime.import_history import import_history
from ..runtime.log import open_log
from ..runtime.sync import run_sync
from ..runtime.world import World
from ..stores.store import Store
from ..this_user import current_user
from .agents import DEFAULT_NAME
from .terminal import Screen


def import_histories(store: Store, file: str, thread: str | None) -> list[str]:
    """Add a thread for each history in the file; their names. Raises UsageError."""
    screen = Screen()
    data = _read_file(file)
    try:
        histories = read_histories(data)
        for history in histories:  # all or none
            read_history(history, Successor(DEFAULT_NAME, ""))
    except UsageError as error:
        raise UsageError(f"{file}: {error}; nothing was imported") from None
    world = World()
    names = _choose_names(thread, histories, world)
    for name in names:
        if run_sync(store.read(name)):
            raise UsageError(
                f"thread {name!r} is already in this store; nothing was imported. Give another"
                " name: --thread NAME"
            )
    mark = TrustChanged(False, current_user(), f"from {file}")
    for name, history in zip(names, histories, strict=True):
        log = run_sync(open_log(name, store, world))
        done = run_sync(import_history(log, history, DEFAULT_NAME, mark=mark))
        for what in done.lost:
            screen.note(
                f"thread {visible_line(name, 100)} lacks {visible_line(what, 300)}", "yellow"
            )
    screen.note(f"{format_count(len(names), 'thread')} added")
    return names


def _choose_names(thread: str | None, histories: list[ChatHistory], world: World) -> list[str]:
    if thread is None:
        return [world.new_id() for _ in histories]
    if len(histories) == 1:
        return [thread]
    return [f"{thread}-{number}" for number in range(1, len(histories) + 1)]


def _read_file(name: str) -> bytes:
    if name == "-":
        return sys.stdin.buffer.read()
    try:
        with open(name, "rb") as file:
            return file.read()
    except OSError as error:
        raise UsageError(f"{name} can't be read: {error.strerror}") from None
