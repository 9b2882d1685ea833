"""What this process drives: every drive can be heard, joined and stopped, from any event loop.

Nothing here decides who may write: that is up to the log. A fork begins with no drives.
"""

import asyncio
import contextlib
import functools
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from weakref import WeakSet

from ..core.check_settings import check_number
from ..core.errors import Stopped
from ..core.events import Record
from ..stores.store import Attended, Store
from .listeners import Delta, TextSoFar
from .log import Log
from .world import wait_for_any

LEAVE_S = 5.0
"""How long `stop` waits for what it has cancelled after the grace."""

Heard = Record | Delta | None
"""What a drive tells; None once it has ended."""


class Drive:
    """One driver of one thread, from its claim to its end."""

    def __init__(self, log: Log) -> None:
        self.log = log
        self.loop = asyncio.get_running_loop()
        self.task = asyncio.current_task()
        self.error: BaseException | None = None
        """What ended it, where its log may not say it: a StoreError, a bug."""
        self.cause: BaseException | None = None
        """What the turn has failed by, as the code of its flow has raised it."""
        self.was_cancelled = False
        """Whether `stop` has cancelled it."""
        self.let_go = False
        """Whether it has left the turn open for whoever resumes it."""
        self._ended = False
        self._hearers: list[Callable[[Heard], None]] = []
        self._text = TextSoFar()
        self._lock = threading.Lock()

    @contextmanager
    def hear(self) -> Iterator["asyncio.Queue[Heard]"]:
        """All that it tells from here on: records, pieces of text, and None at its end.

        First comes the text so far of what is being written: whoever comes late misses nothing.
        """
        queue: asyncio.Queue[Heard] = asyncio.Queue()
        loop = asyncio.get_running_loop()

        def put(what: Heard) -> None:
            if loop is self.loop:
                queue.put_nowait(what)
                return
            with contextlib.suppress(RuntimeError):  # the hearer's loop is closed
                loop.call_soon_threadsafe(queue.put_nowait, what)

        with self._lock:
            for piece in self._text.read():
                queue.put_nowait(piece)
            self._hearers.append(put)
        if self._ended:
            queue.put_nowait(None)
        try:
            yield queue
        finally:
            self._hearers.remove(put)

    async def wait_for_end(self, seconds: float) -> None:
        """Wait so long, or until it has ended."""
        with self.hear() as queue, contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while await queue.get():
                    pass

    def tell(self, what: Heard) -> None:
        """Tell all who hear it. Waits for nobody."""
        with self._lock:
            if what:
                self._text.take(what)
            hearers = list(self._hearers)
        for put in hearers:
            put(what)

    def end(self) -> None:
        """Tell all who hear it that it has ended."""
        self._ended = True
        self.tell(None)

    def ask_to_stop(self) -> None:
        """Let it begin nothing new. From any thread."""
        self._call(self.log.stop_asked.set)

    def cancel(self) -> None:
        """Cancel it, if it hasn't ended. From any thread."""

        def act() -> None:
            if self.task and not self._ended:
                self.was_cancelled = True
                self.task.cancel()

        self._call(act)

    def _call(self, act: Callable[[], Any]) -> None:
        with contextlib.suppress(RuntimeError):  # its loop is closed, and it with that
            self.loop.call_soon_threadsafe(act)


@dataclass
class _Drives:
    """All drives of this process."""

    running: dict[tuple[Any, str], list[Drive]] = field(default_factory=dict)
    """By store and thread. There are two while one that has lost its thread still ends."""
    background: set["asyncio.Task[Any]"] = field(default_factory=set)
    """Tasks that nobody else holds: asyncio itself would let go of them."""
    stops: int = 0
    """How many `stop` are under way."""
    stopped: "WeakSet[asyncio.AbstractEventLoop]" = field(default_factory=WeakSet)
    """The event loops in which `stop` was called: they begin nothing any more."""
    lock: threading.Lock = field(default_factory=threading.Lock)


@functools.cache
def _drives_of(pid: int) -> _Drives:
    return _Drives()


def _drives() -> _Drives:
    return _drives_of(os.getpid())


def place_of(store: Store, thread_id: str) -> tuple[Any, str]:
    """Names a thread in this process. Two stores on one file are one."""
    path = getattr(store, "path", None)
    if path is None:
        return id(store), thread_id
    return str(path), thread_id


def find_drive(store: Store, thread_id: str) -> Drive | None:
    """The drive of this thread in this process, if there is one."""
    running = _drives().running.get(place_of(store, thread_id))
    return running[-1] if running else None


@contextmanager
def driving(drive: Drive) -> Iterator[None]:
    """Drive its log until the block is left. Raises Stopped where nothing new may begin."""
    drives, log = _drives(), drive.log
    place = place_of(log.store, log.thread_id)
    with drives.lock:
        refuse_while_stopping()
        drives.running.setdefault(place, []).append(drive)
    before = log.listeners
    log.listeners += (drive.tell,)
    try:
        yield
    finally:
        log.listeners = before
        with drives.lock:
            drives.running[place].remove(drive)
            if not drives.running[place]:
                del drives.running[place]
        drive.end()


def is_stopping() -> bool:
    """Whether `stop` was called, in this event loop or just now in the process."""
    drives = _drives()
    return bool(drives.stops) or asyncio.get_running_loop() in drives.stopped


def refuse_while_stopping() -> None:
    """Raise Stopped where `stop` was called, in this event loop or just now in the process."""
    if is_stopping():
        raise Stopped(
            "this process has been told to stop, so nothing new begins; the same call in another"
            " process works"
        )


def find_beat(log: Log) -> int | None:
    """A number that changes while somebody alive drives the log's thread; None where nobody does.

    A store that can't say it knows only of this process.
    """
    return find_beat_of(log.store, log.thread_id, log.state.claim)


def find_beat_of(store: Store, thread_id: str, claim: str) -> int | None:
    """As `find_beat`, of a thread whose last claim this is."""
    if isinstance(store, Attended):
        return store.find_beat(claim)
    if find_drive(store, thread_id):
        return time.monotonic_ns()
    return None


async def rest(log: Log, seconds: float, until: asyncio.Event | None = None) -> None:
    """Wait so long by the world's clock, or until that is set.

    Raises Stopped as soon as the log's driver is to stop.
    """
    await wait_for_any(log.world, filter(None, (log.stop_asked, until)), seconds)
    log.refuse_if_stopping()


def keep_task(task: "asyncio.Task[Any]") -> None:
    """Hold the task until it is done."""
    tasks = _drives().background
    tasks.add(task)
    task.add_done_callback(tasks.discard)


def is_kept(task: "asyncio.Task[Any] | None") -> bool:
    """Whether the task is held by the process: nobody cancels it but who lets go."""
    return task in _drives().background


async def stop(grace_s: float = 10.0) -> list[str]:
    """Let go of all that this process drives: agents, flows and graphs, in every event loop.

    Nothing new begins. Model calls and tools under way get `grace_s` seconds, and what they give is
    kept; then they are cancelled. Turns stay open: whoever resumes them goes on. Call it once, at
    the end: in the event loop that calls it nothing begins any more (Stopped). Returns the names
    of the threads that were let go.
    """
    check_number("stop(grace_s", grace_s)
    drives = _drives()
    drives.stopped.add(asyncio.get_running_loop())
    drives.stops += 1
    try:
        with drives.lock:
            running = [drive for each in drives.running.values() for drive in each]
        for drive in running:
            drive.ask_to_stop()
        await _wait(running, grace_s)
        for drive in running:
            if not drive.log.is_child:  # which ends with its parent
                drive.cancel()
        await _wait(running, LEAVE_S)
        # Tasks in the background have only to tell what came.
        loop = asyncio.get_running_loop()
        if tasks := [task for task in drives.background if task.get_loop() is loop]:
            await asyncio.wait(tasks, timeout=LEAVE_S)
    finally:
        drives.stops -= 1
    left = [drive.log for drive in running if drive.let_go]
    return [log.thread_id for log in left if not log.is_child]


async def _wait(running: list[Drive], seconds: float) -> None:
    """Until all of these have ended, or so long."""
    await asyncio.gather(*(drive.wait_for_end(seconds) for drive in running))
