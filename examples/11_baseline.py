"""Baselines: a new prompt more than doubles the average cost of a query; a comparison catches it.

On the command line: treadle eval cases.yaml --save-baseline was.json, and after the change:
treadle eval cases.yaml --against was.json
The models are scripted here, so that it runs at once and costs nothing.
"""

from treadle import Agent, MemoryStore, ScriptedModel, run_sync, tool
from treadle.evals import (
    Case,
    Contains,
    Dataset,
    MaxSteps,
    Run,
    compare_reports,
    evaluate,
    render_comparison,
)
from treadle.models import Reply, Request
from treadle.testing import calls, says

NAMES = ("lamp", "desk", "chair", "shelf", "rug", "clock", "vase", "sofa", "bed", "door")
STOCK = dict(zip(NAMES, (17, 4, 31, 9, 2, 12, 8, 1, 3, 6), strict=True))


@tool(read_only=True)
def stock(item: str) -> int:
    """How many of an item are in stock."""
    return STOCK[item]


def clerk(instructions: str) -> Agent:
    def answer(request: Request) -> Reply:
        item = next(item for item in STOCK if item in request.messages[1].text)
        looks = sum(message.role == "tool" for message in request.messages)
        enough = looks >= (2 if "twice" in instructions else 1)
        return says(f"There are {STOCK[item]}.") if enough else calls(("stock", {"item": item}))

    model = ScriptedModel([answer] * 99, price_usd=(0.4e-6, 1.6e-6))
    return Agent(instructions, tools=[stock], model=model, store=MemoryStore())


cases = [
    Case(f"How many {item}s are there?", [Contains(str(n)), MaxSteps(4)], item)
    for item, n in STOCK.items()
]


def main() -> None:
    dataset = Dataset("shop", cases)
    was = run_sync(evaluate(Run(dataset, clerk("Answer from the stock list."))))
    careful = "Answer from the stock list. Check every number twice, and guess nothing."
    now = run_sync(evaluate(Run(dataset, clerk(careful))))
    print(render_comparison(compare_reports(was, now)))


if __name__ == "__main__":
    main()
