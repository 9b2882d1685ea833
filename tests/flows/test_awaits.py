"""A flow awaits steps: whatever else it awaits is named, and a busy event loop misleads nobody."""

import asyncio
import threading

import pytest

from fakes import live, world
from treadle import (
    Agent,
    Flow,
    FlowChanged,
    FlowStuck,
    MemoryStore,
    ScriptedModel,
    StepFailed,
    ask,
    flow,
    step,
)
from treadle.core import events as e
from treadle.models.scripted import says
from treadle.runtime.log import open_log
from treadle.runtime.world import World


def made(function, **settings) -> Flow:
    return flow(**{"store": MemoryStore(), "world": world(), **settings})(function)


async def number(n: int) -> int:
    return n


async def crashed(one: Flow, thread: str, at: int | None = None) -> str:
    """A copy of the thread as a crash left it: without its end."""
    rows = await one.store.read(thread)
    kept = [row for row in rows if b'"TurnEnded"' not in row.event][:at]
    await one.store.append("copy", kept)
    return "copy"


async def deep(depth: int, n: int) -> int:
    if depth:
        return await asyncio.create_task(deep(depth - 1, n))
    return await step(number, n)


async def busily(work):
    """Await the work in an event loop each of whose rounds takes a second."""
    loop, running = asyncio.get_running_loop(), True

    def tick():
        loop._jumping.now_s += 1.0
        if running:
            loop.call_soon(tick)

    tick()
    try:
        return await work
    finally:
        running = False


@pytest.mark.parametrize("depth", [1, 10, 100])
def test_nested_tasks_in_a_busy_loop_are_no_change_of_the_code(depth):
    async def whole():
        async def order() -> int:
            return await deep(depth, 1) + await deep(depth, 2)

        one = made(order)
        await busily(one.options(thread="t").run())
        return (await busily(one.resume(await crashed(one, "t")))).output

    assert live(whole()) == 3


def test_nested_tasks_ask_a_person_before_the_flow_stops():
    async def whole():
        async def order() -> list[str]:
            async def inner(depth: int) -> str:
                if depth:
                    return await asyncio.gather(inner(depth - 1))
                return await ask("which?")

            return await asyncio.gather(ask("first?"), asyncio.create_task(inner(40)))

        return await busily(made(order).options(thread="t").run())

    [first, nested] = live(whole()).waiting
    assert first.id == "ask"
    assert nested.id.endswith("1.1.1.ask")


async def from_elsewhere():
    await asyncio.get_running_loop().create_future()


async def polls():
    while True:  # noqa: ASYNC110 - it does what it shouldn't
        await asyncio.sleep(0)


async def locked():
    lock = asyncio.Lock()
    await lock.acquire()
    async with lock:
        pass


async def in_a_thread():
    left = threading.Event()
    try:  # work that ended by itself might do so before anybody looks
        await asyncio.to_thread(left.wait)
    finally:
        left.set()


STRAYS = [
    (lambda: asyncio.sleep(3600), r"asyncio.sleep \(test_awaits.py, line \d+\)"),
    (in_a_thread, "asyncio.to_thread"),
    (from_elsewhere, "a Future"),
    (locked, "asyncio.Lock.acquire"),
    (lambda: asyncio.Event().wait(), "asyncio.Event.wait"),
    (lambda: asyncio.Queue().get(), "asyncio.Queue.get"),
    (polls, "nothing, and yields for ever"),
    (lambda: asyncio.gather(asyncio.sleep(9), from_elsewhere()), "a Future.*, and asyncio.sleep"),
    (lambda: asyncio.wait_for(asyncio.sleep(9), 20), "asyncio.sleep"),
]


@pytest.mark.parametrize(("awaits", "named"), STRAYS)
def test_what_is_no_step_is_named_in_the_first_run_and_in_each_later_one(awaits, named):
    strays = True

    async def order() -> int:
        first = await step(number, 1)
        if strays:
            await awaits()
        return first + await step(number, 2)

    async def whole():
        nonlocal strays
        one = made(order)
        with pytest.raises(FlowStuck, match=f"awaits .*{named}.*Use treadle.sleep or until"):
            await one.options(thread="t").run()
        strays = False
        assert (await one.resume("t")).output == 3
        strays = True
        with pytest.raises(FlowStuck, match=named):
            await one.resume(await crashed(one, "t"))
        records = (await open_log("copy", one.store, World())).records
        assert not isinstance(records[-1].event, e.TurnEnded)
        strays = False
        return (await one.resume("copy")).output

    assert live(whole()) == 3


def test_a_timer_of_asyncio_beside_a_question_is_named_and_a_flow_s_own_is_not():
    async def order() -> str:
        asked = asyncio.create_task(ask("which?"))
        await asyncio.sleep(3600)
        return await asked

    with pytest.raises(FlowStuck, match=r"asyncio\.sleep"):
        live(made(order).run())


def test_a_task_that_is_not_the_flow_s_is_named():
    async def whole():
        outside = asyncio.create_task(asyncio.sleep(3600), name="outside")

        async def order() -> None:
            await outside

        with pytest.raises(FlowStuck, match="the task outside"):
            await made(order).run()
        outside.cancel()
        await asyncio.wait([outside])

    live(whole())


def test_what_tasks_of_one_flow_wait_for_among_themselves_is_no_stray():
    async def order() -> list[int]:
        lock, queue, done = asyncio.Lock(), asyncio.Queue(), asyncio.Event()
        gate, signal = asyncio.Semaphore(1), asyncio.get_running_loop().create_future()

        async def worker(n: int):
            async with lock, gate:
                await queue.put(await step(number, n))
            if queue.qsize() == 3:
                done.set()
                signal.set_result("all")

        async with asyncio.TaskGroup() as group:
            for n in range(3):
                group.create_task(worker(n))
            await done.wait()
            await signal
        return [await queue.get() for _ in range(3)] + [int(await ask("and?"))]

    async def whole():
        one = made(order)
        waits = await one.options(thread="t").run()
        for end in range(3, len(waits.records)):
            copy = Flow(one.function, name="order", store=MemoryStore(), world=world())
            await copy.store.append("copy", (await one.store.read("t"))[:end])
            [held] = (await copy.resume("copy")).waiting
            if held.status == "unknown":
                continue
            await copy.post("copy", e.UserSaid("7", answers=held.id))
            assert (await copy.resume("copy")).output == [0, 1, 2, 7]

    live(whole())


def test_changed_code_says_what_it_awaits_beside_its_steps():
    changed = False

    async def order() -> None:
        lock = asyncio.Lock()
        await lock.acquire()

        async def second():
            if changed:
                await lock.acquire()
            await step(number, 2)

        task = asyncio.create_task(second())
        await asyncio.gather(step(number, 1), task)

    async def whole():
        nonlocal changed
        one = made(order)
        await one.options(thread="t").run()
        changed = True
        with pytest.raises(FlowChanged, match=r"1.number.* any more and awaits asyncio.Lock.acq"):
            await one.resume(await crashed(one, "t"))

    live(whole())


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, GeneratorExit])
def test_what_would_end_the_process_is_an_error_of_its_step_or_task(error):
    def raises():
        raise error("enough")

    async def raises_later():
        raise error("enough")

    async def order() -> list[str]:
        said = []
        for work in (raises, raises_later):
            try:
                await step(work)
            except StepFailed as failed:
                said.append(str(failed))
        try:
            await asyncio.create_task(raises_later())
        except RuntimeError as failed:
            said.append(str(failed))
        return said

    sync_step, async_step, task = live(made(order).run()).output
    assert f"{error.__name__}: enough" in sync_step
    assert async_step == f"RuntimeError: {error.__name__}: enough (raised by raises_later)"
    assert task == f"{error.__name__}: enough (raised by a task of the flow's code)"


class SlowStore(MemoryStore):
    """One whose reads take a while, as those of a database elsewhere do."""

    async def read(self, thread_id, after_seq=0):
        await asyncio.sleep(1)
        return await super().read(thread_id, after_seq)


def test_a_child_s_log_that_takes_long_to_read_is_no_stray():
    store = SlowStore()
    writer = Agent(name="writer", model=ScriptedModel([says("a lamp"), says("a desk")]))
    below = made(number, name="below", store=store)

    async def order() -> list:
        first = (await writer.run("go")).answer
        return [first, (await below.run(3)).output, (await writer.run("go")).answer]

    one = made(order, store=store)
    output = ["a lamp", 3, "a desk"]
    assert live(one.options(thread="t").run()).output == output
    assert live(one.replay("t")) is None
    cut = SlowStore()
    for info in live(store.threads()):
        rows = live(store.read(info.thread_id))
        live(cut.append(info.thread_id, rows[:-1] if info.thread_id == "t" else rows))
    assert live(made(order, store=cut).resume("t")).output == output
