"""The event loop of all MCP connections: one in each process, in a thread of its own.

A connection outlives the event loops of those who use it: `run_sync` makes a new one at each call.
"""

import asyncio
import atexit
import contextlib
import logging
import os
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from typing import Any, TypeVar

T = TypeVar("T")
CLOSING_S = 8.0
"""How long servers are waited for at the process's end."""

_lock = threading.Lock()
_loops: dict[int, asyncio.AbstractEventLoop] = {}
"""By process: a fork has none yet."""
_closers: list[Callable[[], Coroutine[Any, Any, None]]] = []


def submit(work: Coroutine[Any, Any, T]) -> "Future[T]":
    """Begin the work in that loop. Cancelling the future cancels it."""
    return asyncio.run_coroutine_threadsafe(work, _loop())


async def do(work: Coroutine[Any, Any, T]) -> T:
    """Do the work in that loop, and await it in this one."""
    return await asyncio.wrap_future(submit(work))


def close_at_end(close: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Call this in that loop when the process ends."""
    if close not in _closers:
        _closers.append(close)


def close_all() -> None:
    """Close what is open. A later call opens it again."""
    loop = _loops.get(os.getpid())
    if loop is None or not _closers:
        return
    closing = asyncio.run_coroutine_threadsafe(_close(), loop)
    with contextlib.suppress(Exception):  # at the process's end nobody can act on it
        closing.result(CLOSING_S)


async def _close() -> None:
    closers = [*_closers]
    _closers.clear()
    await asyncio.gather(*(close() for close in closers), return_exceptions=True)


def _loop() -> asyncio.AbstractEventLoop:
    with _lock:
        loop = _loops.get(os.getpid())
        if loop is None:
            loop = asyncio.new_event_loop()
            _loops.clear()
            _closers.clear()
            _loops[os.getpid()] = loop
            logging.getLogger("mcp").addHandler(
                logging.NullHandler()
            )  # its errors are ours to tell
            threading.Thread(target=loop.run_forever, name="treadle-mcp", daemon=True).start()
            atexit.register(close_all)
        return loop
