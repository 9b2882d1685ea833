"""Plan and execute: plan all steps, then do them one by one; if one fails, plan the rest again."""

from collections.abc import Sequence
from dataclasses import dataclass, make_dataclass, replace
from typing import Annotated, Any

from ..core.check_settings import check_whole_number
from ..runtime.agent import AnyAgent
from .outcome import Ask, Outcome, Part, outcome_of, run_ask


@dataclass(frozen=True)
class Report:
    """A worker's report on its step."""

    result: str
    succeeded: bool


async def plan_and_execute(
    planner: AnyAgent,
    worker: AnyAgent,
    task: str,
    *,
    replans: int = 2,
    most_steps: int = 8,
    deps: Any = None,
) -> Outcome:
    """The worker's answer after every step of the planner's plan has succeeded.

    If a step fails, or the worker says so, the planner plans again with all that is done so far, up
    to `replans` times. If that isn't enough, the answer is the last step's result. It also stops at
    a step that waits for a person, because the person may still allow that step.
    """
    check_whole_number("replans", replans)
    check_whole_number("most_steps", most_steps, 1)
    planner = replace(planner, output=_plan_type(most_steps))
    doer = replace(worker, output=Report)
    parts: list[Part] = []
    for _ in range(replans + 1):
        said = f"{task}\n\n{_so_far(parts)}Plan the steps that are left."
        plan = await run_ask(Ask(planner, "plan", task, said, parts), deps)
        parts.append(plan)
        if not plan.answered:
            return Outcome(_last_result(parts), False, f"no plan: {plan.problem}", tuple(parts))
        for step in plan.output.steps:
            said = (
                f"The whole task:\n{task}\n\n{_so_far(parts)}Do this step, and only this:\n{step}"
            )
            parts.append(await run_ask(Ask(doer, "step", step, said, parts), deps))
            if _failure(parts[-1]):
                break
        else:
            said = f"{task}\n\n{_so_far(parts)}All steps are done. Give the answer."
            answer = await run_ask(Ask(worker, "answer", task, said, parts), deps)
            parts.append(answer)
            reason = answer.problem or "every step succeeded"
            return outcome_of(answer, answer.answered, reason, parts)
        if parts[-1].result and parts[-1].result.waiting:
            break
    last = parts[-1]
    reason = f"stopped at the step {last.about!r}: {_failure(last)}"
    return Outcome(_last_result(parts), False, reason, tuple(parts))


def _plan_type(most_steps: int) -> Any:
    from pydantic import Field  # imported only when it is needed, because it is slow

    steps = Annotated[list[str], Field(min_length=1, max_length=most_steps)]
    return make_dataclass("Plan", [("steps", steps)])


def _failure(step: Part) -> str:
    """Why a step failed; "" if it succeeded."""
    if step.problem or step.output.succeeded:
        return step.problem
    return step.output.result or "the worker doesn't say why"


def _last_result(parts: Sequence[Part]) -> str:
    """The result of the last step that succeeded; "" if none did."""
    for part in reversed(parts):
        if part.role == "step" and not _failure(part):
            return str(part.output.result)
    return ""


def _so_far(parts: Sequence[Part]) -> str:
    """The steps done so far, as text for a model; "" if there are none."""
    lines = []
    for part in parts:
        if part.role != "step":
            continue
        failure = _failure(part)
        if failure:
            lines += [f"- failed: {part.about}", f"  {failure}"]
        else:
            lines += [f"- done: {part.about}", f"  {part.output.result}"]
    if not lines:
        return ""
    return "\n".join(("So far:", *lines, "", ""))
