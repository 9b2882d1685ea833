"""Reflection: draft, critique, revise, for so many rounds at most."""

from dataclasses import dataclass, replace
from typing import Any

from ..core.check_settings import check_whole_number
from ..runtime.agent import AnyAgent
from .outcome import Ask, Outcome, outcome_of, run_ask


@dataclass(frozen=True)
class Critique:
    """A critic's opinion of a draft."""

    feedback: str
    good_enough: bool


async def reflect(
    author: AnyAgent, critic: AnyAgent, task: str, *, rounds: int = 3, deps: Any = None
) -> Outcome:
    """The first draft that the critic finds good enough, else the last one.

    A round is a critique and a revision. If one of them fails, the outcome is the last good draft.
    """
    check_whole_number("rounds", rounds)
    critic = replace(critic, output=Critique)
    draft = await run_ask(Ask(author, "draft", task, task), deps)
    parts = [draft]
    if not draft.answered:
        return outcome_of(draft, False, f"no draft: {draft.problem}", parts)
    for _ in range(rounds):
        said = f"Judge this draft.\n\nThe task:\n{task}\n\nThe draft:\n{draft.answer}"
        parts.append(critique := await run_ask(Ask(critic, "critique", task, said, parts), deps))
        if not critique.answered:
            return outcome_of(draft, False, f"no critique: {critique.problem}", parts)
        if critique.output.good_enough:
            return outcome_of(draft, True, "accepted", parts)
        said = (
            f"{task}\n\nYour last draft:\n{draft.answer}"
            f"\n\nRevise it by this criticism:\n{critique.output.feedback}"
        )
        parts.append(revised := await run_ask(Ask(author, "draft", task, said, parts), deps))
        if not revised.answered:
            return outcome_of(draft, False, f"no revision: {revised.problem}", parts)
        draft = revised
    return outcome_of(
        draft, False, f"revised in each of {rounds} rounds, and accepted in none", parts
    )
