"""The agents of benchmarks/workers.py: they answer by what they are shown, so that any worker can go on."""

import asyncio
from collections.abc import Callable
from typing import Any

from treadle import Agent, ContextWindow, Limits, ScriptedModel, tool
from treadle.core.model import Reply, Request
from treadle.models.scripted import calls, says

MODEL_S = 0.05
"""What each reply takes: nobody's model is faster."""
ROUNDS = {"quick": 2, "long": 99, "slow": 1}
PAGE = "All that is known of it, in words. " * 150


class Pilot(ScriptedModel):
    """Asks for one tool a round, and answers after the last."""

    def __init__(self, name: str) -> None:
        super().__init__([])
        self._name = name

    async def reply(self, request: Request, emit: Callable[[Any], None]) -> Reply:
        await asyncio.sleep(MODEL_S)
        said = max(n for n, each in enumerate(request.messages) if each.role == "user")
        rounds = sum(each.role == "tool" for each in request.messages[said:])
        if rounds < ROUNDS[self._name]:
            return calls(("nap" if self._name == "slow" else "read", {"number": rounds}))
        return says("done")


@tool(read_only=True)
async def read(number: int) -> str:
    """Read a page of 5 KB."""
    return f"{number}: {PAGE}"


@tool(idempotent=True)
async def nap(number: int) -> str:
    """Sleep."""
    await asyncio.sleep(3)
    return "rested"


def make(name: str) -> Agent:
    return Agent(
        "Do it.",
        name=name,
        tools=[read, nap],
        model=Pilot(name),
        limits=Limits(steps=None, tool_calls=None, tokens=None, repeats=None),
        context_window=ContextWindow(summarize=False),
    )


quick, long, slow = make("quick"), make("long"), make("slow")
