"""Checks the name of a thread before anything is read or written under it. Pure."""

from typing import Any

from ..core.errors import UsageError
from ..core.name_kind import name_kind
from .world import World

RESERVED = ("last", "-")
"""On the command line, these mean the thread that was written last."""


def name_or_new(thread: str | None, world: World) -> str:
    """The thread that is given, or a new name where none is. Raises UsageError."""
    if thread is None:
        return world.new_id()
    check_thread_name(thread)
    return thread


def check_thread_name(name: Any) -> None:
    """Raise UsageError, which says what to give instead, for what names no thread."""
    if not isinstance(name, str):
        instead = "the thread's name, which is a text"
        if isinstance(getattr(name, "thread_id", None), str):
            instead = "its thread_id"
        raise UsageError(f"thread is {name_kind(name)}; give {instead}")
    if not name.strip():
        raise UsageError(
            "the thread's name is empty; give a name, or leave it out (None) for a new thread"
        )
    try:
        name.encode()
    except UnicodeEncodeError:
        raise UsageError(
            f"the thread's name {name!r} has half a character (a lone surrogate), which no store"
            " can keep; leave that out"
        ) from None


def refuse_reserved(name: str) -> None:
    """Raise UsageError for a name that no new thread may have."""
    if "\0" in name:
        raise UsageError(
            f"there is no thread {name!r}, and none can get that name: it has a NUL character"
        )
    if name in RESERVED:
        raise UsageError(
            f"there is no thread {name!r}, and none can get that name: on the command line it means"
            " the last thread (treadle -c goes on with that one). Give another name"
        )
