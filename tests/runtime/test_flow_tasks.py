"""Code of a flow is watched until it is at rest, and what it raises ends nothing but its task."""

import asyncio
import collections
import contextvars
import gc
from weakref import WeakSet

import pytest

from fakes import live
from treadle.runtime.flow_tasks import codes_of, find_ready, settle, start_flow_code


class Caller:
    def __init__(self):
        self.tasks = WeakSet()


async def nested(depth: int, last):
    if depth:
        return await asyncio.shield(asyncio.create_task(nested(depth - 1, last)))
    return await last


async def rounds_until_rest(code, ready: bool) -> int:
    """After how many steps of the code it was at rest; the future that it awaits is never set."""
    caller = Caller()
    main = start_flow_code(caller, code)
    await settle(caller, main, find_ready() if ready else None)
    found = len(caller.tasks)
    assert all(each.waits for each in codes_of([main, *caller.tasks]))
    for task in (main, *caller.tasks):
        task.cancel()
    await asyncio.wait([main, *caller.tasks])
    return found


def test_threads_may_add_to_what_runs_next_while_it_is_looked_at():
    class Handle:
        @property
        def _context(self):
            ready.append(Handle())  # as `call_soon_threadsafe` of another thread
            return contextvars.copy_context()

    ready = collections.deque([Handle(), Handle()])

    async def whole():
        main = asyncio.ensure_future(asyncio.sleep(0))
        await settle(Caller(), main, ready)
        await main

    asyncio.run(whole())
    assert len(ready) == 4


@pytest.mark.parametrize("ready", [True, False], ids=["asyncio", "a loop that shows nothing"])
@pytest.mark.parametrize("depth", [0, 1, 40])
def test_code_is_at_rest_when_all_of_its_tasks_wait(depth, ready):
    async def whole():
        last = asyncio.get_running_loop().create_future()
        return await rounds_until_rest(nested(depth, last), ready)

    assert live(whole()) == depth


def test_code_is_at_rest_after_callbacks_that_no_task_shows():
    """Each future calls back the next one; 60 rounds lie between a result and the code's step."""

    async def whole():
        loop, caller, seen = asyncio.get_running_loop(), Caller(), []
        first = loop.create_future()

        async def code():
            last = first
            for _ in range(30):
                last = asyncio.gather(asyncio.shield(last))
            seen.append(await last)
            await loop.create_future()

        main = start_flow_code(caller, code())
        await settle(caller, main, find_ready())
        assert seen == []
        first.set_result("came")
        await settle(caller, main, find_ready())
        main.cancel()
        await asyncio.wait([main])
        return len(seen)

    assert live(whole()) == 1


@pytest.mark.parametrize("ready", [True, False])
def test_code_that_polls_counts_as_at_rest_at_some_time(ready):
    async def whole():
        async def polls():
            while True:  # noqa: ASYNC110 - it does what it shouldn't
                await asyncio.sleep(0)

        caller = Caller()
        main = start_flow_code(caller, polls())
        await settle(caller, main, find_ready() if ready else None)
        main.cancel()
        await asyncio.wait([main])

    live(whole())


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, GeneratorExit])
def test_what_would_end_the_event_loop_ends_only_its_task(error):
    async def raises():
        raise error("enough")

    async def whole():
        caller = Caller()

        async def code():
            return await asyncio.gather(raises(), asyncio.sleep(0, "fine"), return_exceptions=True)

        return await start_flow_code(caller, code())

    failed, fine = live(whole())
    assert str(failed) == f"{error.__name__}: enough (raised by a task of the flow's code)"
    assert fine == "fine"


@pytest.mark.slow
def test_a_task_that_is_cancelled_before_it_begins_leaves_no_warning(recwarn):
    async def whole():
        async def code():
            asyncio.create_task(asyncio.sleep(1)).cancel()
            await asyncio.sleep(0)

        await start_flow_code(Caller(), code())

    live(whole())
    gc.collect()
    assert not recwarn.list


def test_tasks_of_other_code_are_left_alone():
    async def whole():
        async def code():
            pass

        await start_flow_code(Caller(), code())
        other = asyncio.create_task(asyncio.sleep(0))
        await other
        return codes_of([other]), type(other.get_coro()).__name__

    assert live(whole()) == ([], "coroutine")
