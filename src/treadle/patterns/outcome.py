"""The outcome of a recipe and of each run in it, and the functions by which recipes run agents."""

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from ..core.check_settings import check_whole_number
from ..core.errors import (
    ModelDenied,
    ModelError,
    NotAnswered,
    StepFailed,
    TreadleError,
    TurnFailed,
)
from ..core.events import Label, PendingDecision, Usage, UserSaid
from ..core.result import Result
from ..core.taint import join_labels
from ..runtime.agent import AnyAgent

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
    """None if only the error is known."""
    error: TreadleError | None = None
    """What the run raised."""

    @property
    def answered(self) -> bool:
        return self.result is not None and self.result.status == "answered"

    @property
    def answer(self) -> str:
        """The answer; "" if there is none. What a stopped run had so far is in its result."""
        if self.result is None or not self.answered:
            return ""
        return self.result.answer

    @property
    def output(self) -> Any:
        return self.result and self.result.find_output()

    @property
    def labels(self) -> tuple[Label, ...]:
        """What its thread holds of strangers' text and private data."""
        return self.result.labels if self.result else ()

    @property
    def problem(self) -> str:
        """Why there is no answer; "" if there is one."""
        if self.answered:
            return ""
        if self.error:
            return str(self.error)
        if self.result:
            return f"{self.result.status}, {self.result.reason}"
        return "nothing is known of it"


@dataclass(frozen=True)
class Outcome:
    """The outcome of a recipe."""

    answer: str
    """The best answer there is; "" if there is none."""
    done: bool
    """Whether it came to its proper end: accepted, agreed, every step and item answered."""
    reason: str
    """How it ended, in words."""
    parts: tuple[Part, ...]
    """Every run, in the order in which they were asked for."""
    output: Any = None
    """The answer as a typed value, if the agent that gave it has an output type."""

    @property
    def usage(self) -> Usage:
        return sum((part.result.usage for part in self.parts if part.result), Usage())

    @property
    def cost_usd(self) -> float | None:
        """The cost of all runs; None if a price, or what a run has used, isn't known."""
        total = 0.0
        for part in self.parts:
            if part.result is None:
                return None
            cost_usd = part.result.summary().cost_usd
            if cost_usd is None:
                return None
            total += cost_usd
        return total

    @property
    def labels(self) -> tuple[Label, ...]:
        """What all these threads hold: as `Result.labels`."""
        return join_labels(part.labels for part in self.parts)

    @property
    def waiting(self) -> tuple[PendingDecision, ...]:
        """What people must decide on in these threads. The recipe has ended without them."""
        return tuple(held for part in self.parts if part.result for held in part.result.waiting)


@dataclass(frozen=True)
class Ask:
    """Who is asked, as what, about what, and in which words."""

    agent: AnyAgent
    role: Role
    about: str
    said: str
    after: Sequence[Part] = ()
    """The runs whose words stand in it: what their threads hold goes along."""


async def run_ask(ask: Ask, deps: Any) -> Part:
    """One run, also one that failed. Raises what would be said to every other run too."""
    said = UserSaid(ask.said, labels=join_labels(part.labels for part in ask.after))
    try:
        return Part(ask.role, ask.about, await ask.agent.run(said, deps=deps))
    except NotAnswered as error:  # in a flow's code
        return Part(ask.role, ask.about, error.result)
    except ModelDenied:
        raise
    except (ModelError, TurnFailed) as error:
        return Part(ask.role, ask.about, error.result, error)
    except StepFailed as error:  # a person may have said so, or its time was up
        return Part(ask.role, ask.about, None, error)


async def run_asks(asks: Sequence[Ask], at_once: int, deps: Any) -> tuple[Part, ...]:
    """All of these runs, at most so many at a time, in their order."""
    check_whole_number("at_once", at_once, 1)
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
