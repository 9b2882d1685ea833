"""Async code that blocks the event loop is named while it does, whoever it belongs to."""

import asyncio
import logging
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from fakes import live
from treadle import Agent, MemoryStore, flow, step, tool
from treadle.models.scripted import ScriptedModel, calls, says


class Freeing(logging.Handler):
    """Sets the event at the first warning."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.warned = threading.Event()
        self.text = ""

    def emit(self, record: logging.LogRecord) -> None:
        self.text += record.getMessage()
        self.warned.set()


@pytest.fixture
def freeing() -> Iterator[Freeing]:
    handler = Freeing()
    logging.getLogger("treadle").addHandler(handler)
    yield handler
    logging.getLogger("treadle").removeHandler(handler)


def run_agent(*tools: Any, model: Any = None) -> str:
    model = model or ScriptedModel([calls(tools[0].name), says("ok")])
    return live(Agent(model=model, tools=tools, store=MemoryStore()).run("go")).answer


def test_an_async_tool(freeing):
    @tool
    async def blocks() -> bool:
        """Block."""
        await asyncio.sleep(0)
        return freeing.warned.wait(30)

    assert run_agent(blocks) == "ok"
    assert "the async tool blocks has blocked the event loop for more than 1 s" in freeing.text


@pytest.mark.slow
def test_a_task_that_a_tool_has_begun(freeing):
    async def inner() -> bool:
        return freeing.warned.wait(30)

    @tool
    async def begins() -> bool:
        """Begin a task."""
        return (await asyncio.gather(inner()))[0]

    assert run_agent(begins) == "ok"
    assert "inner (test_blocking.py, line" in freeing.text
    assert "has blocked the event loop" in freeing.text


@pytest.mark.slow
def test_a_model(freeing):
    class Blocking(ScriptedModel):
        async def reply(self, request: Any, emit: Any) -> Any:
            assert freeing.warned.wait(30)
            return await super().reply(request, emit)

    assert run_agent(model=Blocking([says("ok")])) == "ok"
    assert "the model scripted has blocked the event loop" in freeing.text


async def nothing() -> None: ...


@pytest.mark.slow
def test_a_flow_s_own_code_and_a_task_of_it(freeing):
    async def inner() -> bool:
        return freeing.warned.wait(30)

    @flow(store=MemoryStore())
    async def blocks() -> bool:
        await step(nothing)
        return (await asyncio.gather(inner()))[0]

    assert live(blocks.run()).output is True
    assert "the flow's code" in freeing.text
    assert "inner has blocked the event loop" in freeing.text


def test_code_that_only_takes_its_time_is_not_named(freeing):
    @tool
    async def busy() -> str:
        """Be busy."""
        for _ in range(200):
            await asyncio.sleep(0.1)
        return "done"

    assert run_agent(busy) == "ok"
    assert freeing.text == ""
