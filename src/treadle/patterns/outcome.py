"""What came of a recipe, and of each run in it; and the two ways in which recipes run agents."""

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from ..core.errors import ModelDenied, ModelError, TreadleError, TurnFailed, UsageError
from ..core.events import PendingDecision, Usage
from ..core.result import Result
from ..runtime.agent import Agent

Role = Literal[
    "plan", "step", "answer", "draft", "critique", "candidate", "judge", "item", "reduce"
]


@dataclass(frozen=True)
class Part:
    """One run of one agent in a recipe."""

    role: Role
    about: str
    """The step, the item, or the task."""
    result: Result | None
    """None where nothing is known but the error."""
    error: TreadleError | None = None
    """What the run raised."""

    @property
    def answered(self) -> bool:
        return self.result is not None and self.result.status == "answered"

    @property
    def answer(self) -> str:
        """ "" where there is none; how far a run had got that stopped half-way is in its result."""
        return self.result.answer if self.result and self.answered else ""

    @property
    def output(self) -> Any:
        return self.result.output if self.result else None

    @property
    def problem(self) -> str:
        """Why there is no answer; "" where there is one."""
        if self.answered:
            return ""
        if self.error:
            return str(self.error)
        return (
            f"{self.result.status}, {self.result.reason}"
            if self.result
            else "nothing is known of it"
        )


@dataclass(frozen=True)
class Outcome:
    """What came of a recipe."""

    answer: str
    """The best there is; "" where there is none."""
    done: bool
    """It came to its proper end: accepted, agreed, every step and item answered."""
    reason: str
    """How it ended, in words."""
    parts: tuple[Part, ...]
    """Every run, in the order in which they were asked for."""
    output: Any = None
    """The answer as a type, where the agent that gave it was asked for one."""

    @property
    def usage(self) -> Usage:
        return sum((part.result.usage for part in self.parts if part.result), Usage())

    @property
    def cost_usd(self) -> float | None:
        """None where a price, or what a run has used, isn't known."""
        costs = [part.result.summary().cost_usd if part.result else None for part in self.parts]
        return None if None in costs else sum(cost for cost in costs if cost is not None)

    @property
    def waiting(self) -> tuple[PendingDecision, ...]:
        """What people must decide on in these threads. The recipe has ended without them."""
        return tuple(held for part in self.parts if part.result for held in part.result.waiting)


@dataclass(frozen=True)
class Ask:
    """Who is asked, as what, about what, and in which words."""

    agent: Agent
    role: Role
    about: str
    said: str


async def run_ask(ask: Ask, deps: Any) -> Part:
    """One run, also one that failed. Raises what would be said to every other run too."""
    try:
        return Part(ask.role, ask.about, await ask.agent.run(ask.said, deps=deps))
    except ModelDenied:
        raise
    except (ModelError, TurnFailed) as error:
        return Part(ask.role, ask.about, error.result, error)


async def run_asks(asks: Sequence[Ask], at_once: int, deps: Any) -> tuple[Part, ...]:
    """All of these runs, at most so many at a time, in their order."""
    if at_once < 1:
        raise UsageError(f"at_once={at_once}: at least one must run")
    gate = asyncio.Semaphore(at_once)

    async def one(ask: Ask) -> Part:
        async with gate:
            return await run_ask(ask, deps)

    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(one(ask)) for ask in asks]
    except BaseExceptionGroup as several:
        raise several.exceptions[0] from None
    return tuple(task.result() for task in tasks)


def outcome_of(best: Part, done: bool, reason: str, parts: Iterable[Part]) -> Outcome:
    """The outcome whose answer is this part's."""
    return Outcome(best.answer, done, reason, tuple(parts), best.output)
