"""Map and reduce: one agent over many items, so many at a time, then one answer out of all of theirs."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar

from ..runtime.agent import Agent
from .outcome import Ask, Outcome, Part, outcome_of, run_ask, run_asks

Item = TypeVar("Item")


async def map_reduce(
    items: Iterable[Item],
    mapper: Agent,
    reducer: Agent | Callable[[Sequence[Part]], str],
    *,
    task: Callable[[Item], str] = str,
    at_once: int = 5,
    deps: Any = None,
) -> Outcome:
    """One answer out of the mapper's for each item; `task` says an item to it.

    A function that reduces gets each item's Part, in the items' order, also of those that failed; an agent is told of
    them all. It is `done` only where every item has its answer; where none has, nothing is reduced.
    """
    asks = [Ask(mapper, "item", said, said) for said in map(task, items)]
    parts = await run_asks(asks, at_once, deps)
    answered = sum(part.answered for part in parts)
    whole, reason = answered == len(parts), f"{answered} of {len(parts)} items answered"
    if not answered:
        return Outcome("", whole, reason, parts)
    if not isinstance(reducer, Agent):
        return Outcome(reducer(parts), whole, reason, parts)
    told = "\n\n".join(
        f"{part.about}\n{part.answer or f'(no answer: {part.problem})'}" for part in parts
    )
    reduced = await run_ask(Ask(reducer, "reduce", reason, told), deps)
    if reduced.problem:
        return outcome_of(
            reduced, False, f"{reason}; not reduced: {reduced.problem}", (*parts, reduced)
        )
    return outcome_of(reduced, whole, reason, (*parts, reduced))
