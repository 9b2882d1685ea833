"""Estimates what a run would take, without a request. Pure, except for the model's price table.

With a baseline: the means of each case's real trials; a case that it lacks counts as the mean of
the others.

Without one: the first prompt of each case is built as it would be sent, and its tokens are counted.
A case is taken to need one step for each tool call that its checks expect and one for the
answer; a case that expects none needs two steps if the agent has tools. Each step
writes OUTPUT_TOKENS, and each tool call with its result adds CALL_TOKENS to the next prompt.
Requests to judges are counted, but not their tokens.

Each step of a case is priced as its mean step: prices may depend on how long one prompt is.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

from ..core import events as e
from ..core.prompt import Prompt
from ..core.state import fold
from ..runtime.agent import AnyAgent
from ..runtime.request import build_request
from .checks import Judge, Tools
from .dataset import Case, Dataset
from .report import Report, TrialReport

OUTPUT_TOKENS = 120
CALL_TOKENS = 120


@dataclass(frozen=True)
class Estimate:
    """What all trials of a run would take."""

    trials: int
    steps: float
    usage: e.Usage
    cost_usd: float | None
    """None if no price is known."""
    judge_calls: int
    measured: int
    """How many cases have their numbers from a baseline."""


@dataclass(frozen=True)
class _PerTrial:
    """What one trial of a case would take."""

    steps: float
    input_tokens: float
    output_tokens: float


def estimate(
    dataset: Dataset, agent: AnyAgent, repeats: int, baseline: Report | None = None
) -> Estimate:
    """What a run with this many repeats would take.

    Raises UsageError for an agent whose settings are wrong.
    """
    measured: dict[str, _PerTrial] = {}
    if baseline:
        names = {case.name for case in dataset.cases}
        known = [case for case in baseline.cases if case.trials and case.name in names]
        measured = {case.name: _mean(case.trials) for case in known}
    per_case: list[_PerTrial] = []
    for case in dataset.cases:
        if case.name in measured:
            per_case.append(measured[case.name])
        elif measured:
            per_case.append(_mean(list(measured.values())))
        else:
            per_case.append(_guess(case, agent))
    usage = e.Usage(
        input_tokens=round(repeats * sum(each.input_tokens for each in per_case)),
        output_tokens=round(repeats * sum(each.output_tokens for each in per_case)),
        estimated=True,
    )
    judges = sum(isinstance(check, Judge) for case in dataset.cases for check in case.checks)
    return Estimate(
        trials=repeats * len(dataset.cases),
        steps=repeats * sum(each.steps for each in per_case),
        usage=usage,
        cost_usd=_price(per_case, agent, repeats),
        judge_calls=repeats * judges,
        measured=len(measured),
    )


def _price(per_case: list[_PerTrial], agent: AnyAgent, repeats: int) -> float | None:
    """US dollars for so many trials of each case; None if no price is known."""
    total_usd = 0.0
    for each in per_case:
        steps = max(1.0, each.steps)
        step = e.Usage(
            input_tokens=round(each.input_tokens / steps),
            output_tokens=round(each.output_tokens / steps),
            estimated=True,
        )
        step_usd = agent.run_settings.cost_usd(step)
        if step_usd is None:
            return None
        total_usd += repeats * steps * step_usd
    return total_usd


def _mean(counted: Sequence[TrialReport | _PerTrial]) -> _PerTrial:
    return _PerTrial(
        fmean(each.steps for each in counted),
        fmean(each.input_tokens for each in counted),
        fmean(each.output_tokens for each in counted),
    )


def _guess(case: Case, agent: AnyAgent) -> _PerTrial:
    expected = [len(check.calls) for check in case.checks if isinstance(check, Tools)]
    if not expected and agent.run_settings.policy.tools:
        expected = [1]
    per_turn = max(expected, default=0) / len(case.messages)
    steps = input_tokens = output_tokens = carried = 0.0
    for message in case.messages:
        first = _count_first_prompt(agent, message) + carried
        rounds = per_turn + 1
        # Each prompt holds all calls and replies before it: 0 + 1 + … + (rounds - 1) of them.
        earlier = rounds * (rounds - 1) / 2
        input_tokens += rounds * first + earlier * (OUTPUT_TOKENS + CALL_TOKENS)
        output_tokens += rounds * OUTPUT_TOKENS
        steps += rounds
        carried += len(message) / 3.5 + rounds * (OUTPUT_TOKENS + CALL_TOKENS)
    return _PerTrial(steps, input_tokens, output_tokens)


def _count_first_prompt(agent: AnyAgent, message: str) -> float:
    """The tokens of the first request for this message, as the loop would make it."""
    opening: list[e.Event] = [e.ThreadStarted(agent.name, "estimate"), e.UserSaid(message)]
    records = [e.Record("estimate", seq, 0.0, event) for seq, event in enumerate(opening, 1)]
    prompt = Prompt()
    for record in records:
        prompt.add(record)
    settings = agent.run_settings
    return float(settings.count_tokens(build_request(prompt, settings, "step"), fold(records)))
