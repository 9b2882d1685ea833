"""Stops the tasks of a flow's code, and waits for what they do."""

import asyncio
from collections.abc import Sequence
from typing import Any

from ..runtime.bounded import warn_of_deaf
from ..runtime.world import World

STOP_S = 0.5
"""How long the code may take to stop after it was cancelled."""


async def stop_all(tasks: Sequence["asyncio.Task[Any]"]) -> None:
    """Cancel these tasks and wait until they have stopped, at most STOP_S seconds."""
    cancel_all(tasks)
    await wait_for_end(tasks)


def cancel_all(tasks: Sequence["asyncio.Task[Any]"]) -> None:
    """Cancel these tasks."""
    for task in tasks:
        task.cancel()  # which does nothing to one that is done


async def wait_for_end(tasks: Sequence["asyncio.Task[Any]"]) -> None:
    """Wait until these tasks have stopped, at most STOP_S seconds; warn of those that haven't."""
    left = {task for task in tasks if not task.done()}
    if left:
        _, left = await asyncio.wait(left, timeout=STOP_S)
    for task in left:
        warn_of_deaf(f"the flow's code {getattr(task.get_coro(), '__qualname__', '')}")
    # asyncio warns of an exception that nobody reads, also of a task that had failed before.
    for task in tasks:
        task.add_done_callback(lambda done: done.cancelled() or done.exception())


async def wait_until_due(moved: asyncio.Event, due: float | None, world: World) -> None:
    """Wait until something moves, or this moment has come: seconds since the epoch."""
    if due is None:
        await moved.wait()
        return
    timer = asyncio.ensure_future(world.sleep(max(0.0, due - world.now())))
    timer.add_done_callback(lambda _: moved.set())
    try:
        await moved.wait()
    finally:
        timer.cancel()
