"""Work that goes on elsewhere: its handle, and what a tool raises that waits for it. Pure.

A handle is any JSON value that names the work: `{"ci": "builds", "job": 7}`. In the log it is JSON
text with sorted keys, so that the same value is the same text.
"""

import inspect
import json
from datetime import datetime, timedelta
from typing import Any

import msgspec

from .check_settings import check_number
from .errors import UsageError
from .name_kind import name_kind

MAX_HANDLE_CHARS = 500
POLL_AFTER_S = 60.0
"""When a tool with a `poll` is asked first, if it doesn't say when."""
SLOWER = 10
"""A tool that doesn't say when it is asked next is asked ever less often: after at least a tenth
of the time that its call has waited. So a wait of a day is some fifty questions."""

Due = float | timedelta | datetime | None
"""Seconds from now, as a number or a timedelta; or a moment, as a datetime with its time zone."""


class Pending(Exception):
    """Raise it in a tool whose work goes on elsewhere: the call waits, and no process does.

    The result comes by a post that names the handle (`Agent.settle`), or by the tool's `poll`.
    `due` is when that is asked; without a `poll`, when the model is told that no result came.
    """

    def __init__(self, handle: object, *, due: Due = None) -> None:
        self.handle = write_handle(handle)
        """As JSON text."""
        self.due = _check_due(due)
        super().__init__(f"waits for {self.handle}")


def write_handle(handle: object) -> str:
    """The handle as JSON text. Raises UsageError for what can be none."""
    try:
        text = msgspec.json.encode(handle, order="sorted").decode()
        json.dumps(msgspec.to_builtins(handle), allow_nan=False)  # msgspec writes null for NaN
    except (TypeError, ValueError, RecursionError) as error:
        raise UsageError(f"a handle is a JSON value, such as a text or a dict: {error}") from None
    if handle in (None, "", {}, []):
        raise UsageError(f"the handle {handle!r} names nothing; give what names the work")
    if len(text) > MAX_HANDLE_CHARS:
        raise UsageError(
            f"a handle has at most {MAX_HANDLE_CHARS} characters as JSON: {text[:60]}…"
        )
    return text


def read_handle(text: str) -> Any:
    """The JSON value that the text says."""
    return msgspec.json.decode(text)


def due_at(due: Due, now: float) -> float | None:
    """The moment, in seconds since the epoch, to the millisecond."""
    if due is None:
        return None
    if isinstance(due, datetime):
        return round(due.timestamp(), 3)
    seconds = due.total_seconds() if isinstance(due, timedelta) else due
    return round(now + seconds, 3)


def next_poll(first_s: float, waited_s: float, now: float) -> float:
    """When a tool is asked next that doesn't say so: `first_s` after the call began to wait."""
    return round(now + max(first_s, waited_s / SLOWER), 3)


def _check_due(due: Due) -> Due:
    if isinstance(due, datetime):
        if due.tzinfo is None:
            raise UsageError(f"Pending(due={due}): in which time zone? Give the datetime one")
        return due
    seconds = due.total_seconds() if isinstance(due, timedelta) else due
    check_number("Pending(due", seconds, or_none="no time")
    return due


def refuse_poll(poll: Any, whose: str) -> None:
    """Raise UsageError for a `poll` that can't be asked. `whose` says in errors whose it is.

    Otherwise it would fail each time, and be asked again for ever.
    """
    if not callable(poll):
        raise UsageError(f"{whose}: poll is {name_kind(poll)}, not a function")
    try:
        inspect.signature(poll).bind("the handle", "the Context")
    except TypeError as error:
        raise UsageError(
            f"{whose}: poll is called as poll(handle, context), and can't be: {error}"
        ) from None
    except ValueError:  # a built-in one without a signature
        pass
