"""Baselines: a change of the prompt doubles the average cost of a query, and one comparison catches it.

On the command line: treadle eval cases.yaml --save-baseline was.json, and after the change: ... --against was.json
The models are scripted here, so that it runs at once and costs nothing.
"""

from treadle import Agent, MemoryStore, ScriptedModel, run_sync, tool
from treadle.evals.baseline import against
from treadle.evals.checks import Contains, MaxSteps
from treadle.evals.dataset import Case, Dataset
from treadle.evals.run import Run, evaluate
from treadle.evals.text import compared
from treadle.models.model import Reply, Request
from treadle.models.scripted import calls, says

STOCK = {
    "lamp": 17,
    "desk": 4,
    "chair": 31,
    "shelf": 9,
    "rug": 2,
    "clock": 12,
    "vase": 8,
    "sofa": 1,
    "bed": 3,
    "door": 6,
}


@tool(read_only=True)
def stock(item: str) -> int:
    """How many of an item are in stock."""
    return STOCK[item]


def clerk(instructions: str) -> Agent:
    def answer(request: Request) -> Reply:
        item = next(item for item in STOCK if item in request.messages[1].text)
        looks = sum(message.role == "tool" for message in request.messages)
        enough = 2 if "Check every number twice" in instructions else 1
        return calls(("stock", {"item": item})) if looks < enough else says(f"There are {STOCK[item]}.")

    model = ScriptedModel([answer] * 1000, price_usd=(0.4e-6, 1.6e-6))
    return Agent(instructions, tools=[stock], model=model, store=MemoryStore())


dataset = Dataset(
    "shop",
    [Case(f"How many of item {item} are there?", [Contains(str(n)), MaxSteps(4)], item) for item, n in STOCK.items()],
)


def main() -> None:
    was = run_sync(evaluate(Run(dataset, clerk("Answer from the stock list."))))
    careful = "Answer from the stock list. Check every number twice, and say nothing that you have not looked up."
    now = run_sync(evaluate(Run(dataset, clerk(careful))))
    found = against(was, now)
    print(compared(found))
    for change in found.regressions:
        print(f"{change.name} got worse: {change.now / change.before:.1f} times what it was")


if __name__ == "__main__":
    main()
