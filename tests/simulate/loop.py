"""An event loop in virtual time that runs several simulated processes in one thread, by a seed.

1. Each handle belongs to the process whose code has scheduled it: a context variable says which, and
   asyncio copies contexts for us. A process's own handles run in their order, as asyncio promises;
   which process runs next is chosen by chance.
2. Nothing of a dead process runs ever again: not even a `finally`. What a paused one has to do waits.
3. When nobody can run, the clock goes to the next timer. Nothing waits for real.
4. Sets of tasks and futures have the same order in every run, since these count up for their hash.
5. What other threads call in (Treadle's own thread that looks for blocked loops) takes no part in this.
"""

import asyncio
import collections
import contextlib
import heapq
import inspect
import itertools
import random
import threading
import warnings
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any

STEP_S = 1e-6
"""What the clock goes on with each step, so that no two things happen at the same time."""


class SimulatedProcess:
    """Whatever lives, dies or stands still as one."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.dead = False
        self.paused = False

    def __repr__(self) -> str:
        return self.name


PROCESS: ContextVar[SimulatedProcess | None] = ContextVar("process", default=None)
"""The process of the code that runs; None for the simulation itself."""


class Stalled(Exception):
    """Somebody waits, and nothing is left that could ever happen."""


class _Counted:
    number = 0

    def __hash__(self) -> int:
        return self.number


class SimTask(_Counted, asyncio.Task):  # type: ignore[type-arg]
    def __init__(self, numbers: "itertools.count[int]", *args: Any, **settings: Any) -> None:
        self.number = next(numbers)
        super().__init__(*args, **settings)


class SimFuture(_Counted, asyncio.Future):  # type: ignore[type-arg]
    def __init__(self, number: int, loop: asyncio.AbstractEventLoop) -> None:
        self.number = number
        super().__init__(loop=loop)


class SimLoop(asyncio.BaseEventLoop):
    """Runs everything that happens in one simulation."""

    def __init__(self, chance: random.Random) -> None:
        super().__init__()
        self.steps = 0
        self.before_step: Callable[[SimulatedProcess | None], None] = lambda _: None
        """Called with the process that is about to run. It may kill or pause that one, or others."""
        self.tasks: list[SimTask] = []
        """Every task there was, so that none is garbage-collected before the end."""
        self._chance = chance
        self._now_s = 1000.0
        self._numbers = itertools.count(1)
        self._from_threads: collections.deque[asyncio.Handle] = collections.deque()
        self._own_thread = threading.get_ident()
        self.set_task_factory(self._make_task)
        self.set_exception_handler(lambda loop, told: None)

    def time(self) -> float:
        return self._now_s

    def create_future(self) -> SimFuture:
        return SimFuture(next(self._numbers), self)

    def call_soon_threadsafe(self, callback: Any, *args: Any, context: Any = None) -> Any:
        if threading.get_ident() == self._own_thread:
            return self.call_soon(callback, *args, context=context)
        handle = asyncio.Handle(callback, args, self, context)
        self._from_threads.append(handle)
        return handle

    def run_in_executor(self, executor: Any, func: Any, *args: Any) -> Any:
        """What would run in a pool of threads runs here, a moment later."""
        future = self.create_future()

        def work() -> None:
            if future.done():
                return
            try:
                future.set_result(func(*args))
            except Exception as error:
                future.set_exception(error)

        self.call_later(self._chance.choice((0.0, 0.0, 0.01, 1.0)), work)
        return future

    def _make_task(self, loop: Any, coro: Any, **settings: Any) -> SimTask:
        task = SimTask(self._numbers, coro, loop=self, **settings)
        self.tasks.append(task)
        return task

    def _run_once(self) -> None:
        while self._from_threads:
            self._from_threads.popleft()._run()
        self._take_due()
        while (index := self._choose()) is None:
            self._go_to_next_timer()
        handle = self._ready[index]  # type: ignore[attr-defined]
        process = handle._context.get(PROCESS)
        self.steps += 1
        self._now_s += STEP_S
        self.before_step(process)
        if process and (process.dead or process.paused):
            return
        del self._ready[index]  # type: ignore[attr-defined]
        if not handle._cancelled:
            handle._run()

    def _choose(self) -> int | None:
        """The place of the handle that runs next, the oldest of some process; None if none can run."""
        ready: collections.deque[Any] = self._ready  # type: ignore[attr-defined]
        if not ready:
            return None
        first: dict[Any, int] = {}
        gone: list[int] = []
        for index, handle in enumerate(ready):
            process = handle._context.get(PROCESS)
            if handle._cancelled or (process and process.dead):
                gone.append(index)
            elif not (process and process.paused) and process not in first:
                first[process] = index - len(gone)
        for index in reversed(gone):
            del ready[index]
        if not first:
            return None
        if len(first) == 1:
            return next(iter(first.values()))
        return self._chance.choice(list(first.values()))

    def _take_due(self) -> None:
        timers: list[Any] = self._scheduled  # type: ignore[attr-defined]
        while timers and timers[0]._when <= self._now_s:
            timer = heapq.heappop(timers)
            timer._scheduled = False
            self._ready.append(timer)  # type: ignore[attr-defined]

    def _go_to_next_timer(self) -> None:
        timers: list[Any] = self._scheduled  # type: ignore[attr-defined]
        while timers and timers[0]._cancelled:
            heapq.heappop(timers)._scheduled = False
        if not timers:
            raise Stalled("nothing is scheduled any more, and somebody still waits")
        self._now_s = max(self._now_s, timers[0]._when)
        self._take_due()

    def _check_closed(self) -> None:
        """What is garbage-collected later may still want to schedule something; it never runs."""

    def _timer_handle_cancelled(self, handle: Any) -> None:
        pass

    def _process_events(self, event_list: Any) -> None:
        pass

    def _write_to_self(self) -> None:
        pass

    def dispose_all(self) -> None:
        """End whatever is left. What that raises concerns nobody: its process is gone."""
        self._ready.clear()  # type: ignore[attr-defined]
        self._scheduled.clear()  # type: ignore[attr-defined]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of coroutines that were never awaited
            self.run_until_complete(self._close_tasks())
        self._ready.clear()  # type: ignore[attr-defined]
        self._scheduled.clear()  # type: ignore[attr-defined]
        self.tasks.clear()
        self.close()

    async def _close_tasks(self) -> None:
        current = asyncio.current_task(self)
        for task in list(self.tasks):
            task._log_destroy_pending = False  # type: ignore[attr-defined]
            code = task.get_coro()
            if task.done() or task is current or code is None:
                continue
            for each in (*_given_to(code), code):
                with contextlib.suppress(BaseException):
                    each.close()


def _given_to(code: Any) -> list[Any]:
    """The coroutines that this one was to await, if it has never begun: nobody else would end them."""
    if not inspect.iscoroutine(code) or inspect.getcoroutinestate(code) != inspect.CORO_CREATED:
        return []
    return [each for each in code.cr_frame.f_locals.values() if inspect.iscoroutine(each)]
