"""What a run would take, before a request is made. Pure, but for the model's price table.

From a baseline: the mean of each case's real trials; a case that it lacks counts as the mean of the others. Without
one: the first prompt of each case is worked out exactly as it would be sent, and its tokens are estimated; a case is
taken to need a step for each tool call that its checks want and one for the answer (where they say nothing: two steps
if the agent has tools), each step to write OUTPUT_TOKENS, and each call with its result to add CALL_TOKENS to the next
prompt. Judges' requests are counted, and no more said of them.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from statistics import fmean

from ..core import events as e
from ..core.prompt import Prompt
from ..core.state import fold
from ..runtime.agent import Agent
from ..runtime.request import build_request
from .checks import Judge, Tools
from .dataset import Case, Dataset
from .report import CaseReport, Report

OUTPUT_TOKENS = 120
CALL_TOKENS = 120


@dataclass(frozen=True)
class Estimate:
    trials: int
    steps: float
    usage: e.Usage
    """Of all trials; `estimated`."""
    cost_usd: float | None
    """None where no price is known."""
    judge_calls: int
    measured: int
    """Cases whose numbers come from a baseline's real trials."""


def estimate(
    dataset: Dataset, agent: Agent, repeats: int, baseline: Report | None = None
) -> Estimate:
    """Of a run of so many repeats. Makes no request; raises UsageError as the agent does for its settings."""
    real = {case.name: case for case in baseline.cases if case.trials} if baseline else {}
    known = [case for case in dataset.cases if case.name in real]
    parts = [_measured(real[case.name]) for case in known]
    for case in dataset.cases:
        if case.name not in real:
            parts.append(_mean(parts[: len(known)]) if known else _guessed(case, agent))
    steps = repeats * sum(step for step, _, _ in parts)
    usage = e.Usage(
        round(repeats * sum(read for _, read, _ in parts)),
        round(repeats * sum(wrote for _, _, wrote in parts)),
        0,
        0,
        True,
    )
    judges = sum(isinstance(check, Judge) for case in dataset.cases for check in case.checks)
    cost_usd = agent.run_settings.model.cost_usd(usage)
    return Estimate(
        repeats * len(dataset.cases), steps, usage, cost_usd, repeats * judges, len(known)
    )


_Part = tuple[float, float, float]
"""Steps, tokens in, tokens out, of one trial."""


def _measured(case: CaseReport) -> _Part:
    trials = case.trials
    return (
        fmean(trial.steps for trial in trials),
        fmean(trial.input_tokens for trial in trials),
        fmean(trial.output_tokens for trial in trials),
    )


def _mean(parts: list[_Part]) -> _Part:
    return fmean(p[0] for p in parts), fmean(p[1] for p in parts), fmean(p[2] for p in parts)


def _guessed(case: Case, agent: Agent) -> _Part:
    wanted = [len(check.calls) for check in case.checks if isinstance(check, Tools)]
    per_turn = max(wanted, default=1 if agent.run_settings.policy.tools else 0) / len(case.messages)
    steps = read = wrote = carried = 0.0
    for message in case.messages:
        first = _first_prompt(agent, message) + carried
        rounds = per_turn + 1
        # Each step's prompt has all calls and replies before it: 0 + 1 + … + (rounds - 1) of them.
        read += rounds * first + rounds * (rounds - 1) / 2 * (OUTPUT_TOKENS + CALL_TOKENS)
        wrote += rounds * OUTPUT_TOKENS
        steps += rounds
        carried += len(message) / 3.5 + rounds * (OUTPUT_TOKENS + CALL_TOKENS)
    return steps, read, wrote


def _first_prompt(agent: Agent, message: str) -> float:
    """Tokens of the first request for this message, as the loop would make it."""
    opening: Mapping[int, e.Event] = {
        1: e.ThreadStarted(agent.name, "estimate"),
        2: e.UserSaid(message),
    }
    records = [e.Record("estimate", seq, 0.0, event) for seq, event in opening.items()]
    prompt = Prompt()
    for record in records:
        prompt.add(record)
    return float(
        agent.run_settings.count_tokens(
            build_request(prompt, agent.run_settings, "step"), fold(records)
        )
    )
