"""Vote and best of n: get several answers to one task, and choose one of them."""

import math
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import make_dataclass, replace
from inspect import isawaitable
from typing import Any, Literal

from ..core.check_settings import check_whole_number
from ..core.errors import UsageError
from ..core.result import Result
from ..runtime.agent import Agent, AnyAgent
from .outcome import Ask, Outcome, Part, outcome_of, run_ask, run_asks

_BEFORE = "\"'`*("
_AFTER = ".,;:!?\"'`*)"


def plain(answer: str) -> str:
    """The answer in lower case without punctuation around words, to compare answers by.

    A point that begins a word stays: `.5` isn't 5.
    """
    words = (each.rstrip(_AFTER).lstrip(_BEFORE) for each in answer.casefold().split())
    return " ".join(filter(None, words))


async def vote(
    voters: Sequence[AnyAgent],
    task: str,
    *,
    judge: AnyAgent | None = None,
    same: Callable[[str], str] = plain,
    at_once: int = 5,
    deps: Any = None,
) -> Outcome:
    """The answer that most voters give. A voter that fails has no vote; one may be listed twice.

    Of answers that tie the judge chooses. Without one it is the earliest voter's, and not `done`.
    """
    parts = await run_asks([Ask(voter, "candidate", task, task) for voter in voters], at_once, deps)
    first: dict[str, Part] = {}
    for part in parts:
        if part.answered:
            first.setdefault(same(part.answer), part)
    if not first:
        return Outcome("", False, "nobody answered", parts)
    counts = Counter(same(part.answer) for part in parts if part.answered)
    most = max(counts.values())
    leading = [part for key, part in first.items() if counts[key] == most]
    if len(leading) == 1:
        return outcome_of(leading[0], True, f"{most} of {len(parts)}", parts)
    if judge:
        return await _judged(judge, task, leading, parts, deps)
    return outcome_of(
        leading[0], False, f"{len(leading)} answers tie at {most} of {len(parts)}", parts
    )


async def best_of(
    agent: AnyAgent,
    task: str,
    judge: AnyAgent | Callable[[Result], float | Awaitable[float]],
    *,
    n: int = 3,
    at_once: int = 5,
    deps: Any = None,
) -> Outcome:
    """The best of `n` answers to one task: the judge's choice, or the highest score.

    A judge that is a function, which may be async, gives the score of each Result.
    """
    check_whole_number("n", n, 1)
    parts = await run_asks([Ask(agent, "candidate", task, task)] * n, at_once, deps)
    given = [part for part in parts if part.answered]
    if not given:
        return Outcome("", False, "nobody answered", parts)
    if isinstance(judge, Agent):
        return await _judged(judge, task, given, parts, deps)
    scores = [await _score(judge, part.result) for part in given if part.result]
    best = max(scores)
    return outcome_of(given[scores.index(best)], True, f"scored {best:g}", parts)


async def _score(judge: Callable[[Result], float | Awaitable[float]], result: Result) -> float:
    score = judge(result)
    if isawaitable(score):
        score = await score
    with suppress(TypeError):  # of what is no number
        if math.isfinite(score):
            return score
    raise UsageError(f"the judge's score is {score!r}; it must be a finite number")


async def _judged(
    judge: AnyAgent, task: str, given: Sequence[Part], parts: tuple[Part, ...], deps: Any
) -> Outcome:
    """The answer that the judge chooses by its number; the first one if it chooses none."""
    numbers = tuple(range(1, len(given) + 1))
    choice = make_dataclass(
        "Choice", [("why", str), ("number", Literal[numbers])]
    )  # first the reasons, then the word
    answers = "\n\n".join(
        f"Answer {number}:\n{part.answer}" for number, part in zip(numbers, given, strict=True)
    )
    said = f"The task:\n{task}\n\n{answers}\n\nWhich answer is the best?"
    ruling = await run_ask(Ask(replace(judge, output=choice), "judge", task, said, given), deps)
    parts = (*parts, ruling)
    if not ruling.answered:
        return outcome_of(given[0], False, f"no judgement: {ruling.problem}", parts)
    return outcome_of(given[ruling.output.number - 1], True, ruling.output.why, parts)
