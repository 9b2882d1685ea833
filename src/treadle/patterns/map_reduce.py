"""Map and reduce: run an agent on many items, then make one answer of all its answers."""

from collections.abc import Awaitable, Callable, Iterable, Sequence
from inspect import isawaitable
from typing import Any, TypeVar

from ..runtime.agent import Agent, AnyAgent
from .outcome import Ask, Outcome, Part, outcome_of, run_ask, run_asks

Item = TypeVar("Item")


async def map_reduce(
    items: Iterable[Item],
    mapper: AnyAgent,
    reducer: AnyAgent | Callable[[Sequence[Part]], str | Awaitable[str]],
    *,
    task: Callable[[Item], str] = str,
    at_once: int = 5,
    deps: Any = None,
) -> Outcome:
    """One answer made of the mapper's answers; `task` turns an item into the mapper's message.

    A reducer that is a function, which may be async, gets a Part for each item, in order, also for
    those that failed; an agent gets them as text. The outcome is `done` only if every item has an
    answer. If none has, nothing is reduced.
    """
    asks = [Ask(mapper, "item", said, said) for said in map(task, items)]
    parts = await run_asks(asks, at_once, deps)
    answered = sum(part.answered for part in parts)
    whole, reason = answered == len(parts), f"{answered} of {len(parts)} items answered"
    if not answered:
        return Outcome("", whole, reason, parts)
    if not isinstance(reducer, Agent):
        reduced = reducer(parts)
        if isawaitable(reduced):
            reduced = await reduced
        return Outcome(reduced, whole, reason, parts)
    told = "\n\n".join(
        f"{part.about}\n{part.answer or f'(no answer: {part.problem})'}" for part in parts
    )
    last = await run_ask(Ask(reducer, "reduce", reason, told, parts), deps)
    if last.problem:
        return outcome_of(last, False, f"{reason}; not reduced: {last.problem}", (*parts, last))
    return outcome_of(last, whole, reason, (*parts, last))
