"""Plan and execute: all steps first, then one after the other; where one fails, what is left is planned anew."""

from collections.abc import Sequence
from dataclasses import dataclass, make_dataclass, replace
from typing import Annotated, Any

from ..runtime.agent import Agent
from .outcome import Ask, Outcome, Part, outcome_of, run_ask


@dataclass(frozen=True)
class Report:
    """What a worker says of its step."""

    result: str
    succeeded: bool


async def plan_and_execute(
    planner: Agent,
    worker: Agent,
    task: str,
    *,
    replans: int = 2,
    most_steps: int = 8,
    deps: Any = None,
) -> Outcome:
    """The worker's answer, once every step of the planner's plan has succeeded.

    A step that fails, by the worker's word or for want of one, goes back to the planner with all that is done so far,
    up to `replans` times. Where that isn't enough, the answer is the last result there was. A step that waits for a
    person ends it too: nothing is planned round what somebody may yet allow.
    """
    planner, doer = replace(planner, output=_plan(most_steps)), replace(worker, output=Report)
    parts: list[Part] = []
    for _ in range(replans + 1):
        said = f"{task}\n\n{_so_far(parts)}Plan the steps that are left."
        parts.append(plan := await run_ask(Ask(planner, "plan", task, said), deps))
        if not plan.answered:
            return Outcome(_last(parts), False, f"no plan: {plan.problem}", tuple(parts))
        for step in plan.output.steps:
            said = (
                f"The whole task:\n{task}\n\n{_so_far(parts)}Do this step, and only this:\n{step}"
            )
            parts.append(await run_ask(Ask(doer, "step", step, said), deps))
            if _failed(parts[-1]):
                break
        else:
            said = f"{task}\n\n{_so_far(parts)}All steps are done. Give the answer."
            parts.append(answer := await run_ask(Ask(worker, "answer", task, said), deps))
            return outcome_of(
                answer, answer.answered, answer.problem or "every step succeeded", parts
            )
        if parts[-1].result and parts[-1].result.waiting:
            break
    last = parts[-1]
    return Outcome(
        _last(parts), False, f"stopped at the step {last.about!r}: {_failed(last)}", tuple(parts)
    )


def _plan(most_steps: int) -> Any:
    """The type of a plan."""
    from pydantic import Field  # only who plans pays for the import

    return make_dataclass(
        "Plan", [("steps", Annotated[list[str], Field(min_length=1, max_length=most_steps)])]
    )


def _failed(step: Part) -> str:
    """Why; "" if it succeeded."""
    if step.problem or step.output.succeeded:
        return step.problem
    return step.output.result or "the worker doesn't say why"


def _last(parts: Sequence[Part]) -> str:
    """The last step's result that there is."""
    return next(
        (
            part.output.result
            for part in reversed(parts)
            if part.role == "step" and not _failed(part)
        ),
        "",
    )


def _so_far(parts: Sequence[Part]) -> str:
    lines = []
    for part in (part for part in parts if part.role == "step"):
        failed = _failed(part)
        lines += [
            f"- {'failed' if failed else 'done'}: {part.about}",
            f"  {failed or part.output.result}",
        ]
    return "\n".join(("So far:", *lines, "", "")) if lines else ""
