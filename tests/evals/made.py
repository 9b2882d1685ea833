"""Trials out of scripted agents, and reports out of a few numbers."""

from fakes import agent, live
from treadle import Tool, tool
from treadle.core import events as e
from treadle.evals.conversation import read_records, run_conversation
from treadle.evals.dataset import Case
from treadle.evals.grade import Verdict
from treadle.evals.report import CaseReport, Report, TrialReport
from treadle.evals.trial import Trial


@tool(read_only=True)
def add(a: int, b: int) -> int:
    """Add."""
    return a + b


@tool(needs_approval=True)
def send(to: str) -> str:
    """Send."""
    return f"sent to {to}"


TOOLS: tuple[Tool, ...] = (add, send)


def trial(model, case=None, *, tools=TOOLS, **settings) -> Trial:
    """What comes of the case (one message, unless it is given) with this model."""
    case = case or Case("1+2?", name="sum")
    one = agent(model, *tools, **settings)

    async def held() -> Trial:
        done = await run_conversation(one, "t", case)
        return Trial(
            case.name,
            1,
            "t",
            done.status,
            done.answer,
            await read_records(one, "t"),
            done.reason,
            "",
            done.find_output(),
        )

    return live(held())


def report(cases, *, tokens=(100,), cost_usd=0.01, model="scripted", steps=2) -> Report:
    """Cases as name -> whether each trial passed, None: not judged; `tokens` by turns."""
    made, count = [], 0
    for name, passes in cases.items():
        trials = []
        for number, passed in enumerate(passes, 1):
            used = tokens[count % len(tokens)]
            count += 1
            cost = None if cost_usd is None else cost_usd * used / 100
            verdicts = (
                Verdict("status answered", True),
                Verdict("contains 3", passed, "" if passed else "it isn't"),
            )
            trials.append(
                TrialReport(
                    number,
                    f"eval/d/r/{name}/{number}",
                    "answered",
                    "3",
                    verdicts,
                    steps,
                    1,
                    used,
                    10,
                    cost,
                    1.5,
                )
            )
        made.append(CaseReport(name, (f"about {name}?",), tuple(trials)))
    return Report("d", "r", e.AgentDescribed("agent", model, "i"), 1000.0, 9.0, count, tuple(made))
