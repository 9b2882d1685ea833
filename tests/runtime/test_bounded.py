"""Code that doesn't stop when its time is up is left behind, in words, and what it gives is not taken."""

import asyncio
import contextlib
from typing import Any

import pytest

from fakes import found, live
from treadle import Agent, Delta, Limits, MemoryStore, flow, step
from treadle.core import events as e
from treadle.models.scripted import ScriptedModel, says


class Deaf(ScriptedModel):
    """A model that goes on when it is cancelled."""

    def __init__(self, script: Any) -> None:
        super().__init__(script)
        self.free = asyncio.Event()

    async def reply(self, request: Any, emit: Any) -> Any:
        while not self.free.is_set():
            with contextlib.suppress(asyncio.CancelledError):
                await self.free.wait()
        return await super().reply(request, emit)


def test_a_model_that_swallows_its_cancellation_is_left_at_the_limit(caplog):
    pieces: list[Any] = []

    async def main() -> Any:
        model = Deaf([says("much too late")])
        agent = Agent(
            model=model, store=MemoryStore(), limits=Limits(seconds=1), listeners=[pieces.append]
        )
        loop = asyncio.get_running_loop()
        began = loop.time()
        result = await agent.run("go")
        took_s = loop.time() - began
        model.free.set()
        await asyncio.sleep(1)
        return result, took_s

    result, took_s = live(main())
    assert (result.status, result.reason) == ("limit", "seconds")
    assert took_s < 2
    assert found(result, e.ModelReplied) == []
    assert not any(isinstance(piece, Delta) for piece in pieces)
    assert "the model scripted was cancelled and is still running" in caplog.text


def test_cancelling_a_turn_leaves_a_deaf_model_behind(caplog):
    async def main() -> None:
        model = Deaf([says("late")])
        task = asyncio.create_task(Agent(model=model, store=MemoryStore()).run("go"))
        await asyncio.sleep(1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        model.free.set()
        await asyncio.sleep(1)

    live(main())
    assert "the model scripted was cancelled and is still running" in caplog.text


def test_a_flow_s_code_that_swallows_its_cancellation_is_named(caplog):
    async def main() -> None:
        free = asyncio.Event()

        @flow(store=MemoryStore())
        async def deaf() -> None:
            with contextlib.suppress(asyncio.CancelledError):
                await step(free.wait)
            await free.wait()

        task = asyncio.create_task(deaf.run())
        await asyncio.sleep(1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        free.set()
        await asyncio.sleep(1)

    live(main())
    assert (
        "the flow's code deaf was cancelled and is still running: it catches CancelledError"
        in caplog.text
    )
