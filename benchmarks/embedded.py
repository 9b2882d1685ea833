"""How often the embedded model gets it right, and how long a step takes: the command line's agent, several wordings.

    python benchmarks/embedded.py                 all questions, five wordings each; half an hour on busy cores
    python benchmarks/embedded.py sum clock       only these
    TREADLE_MODEL=http://127.0.0.1:8000/v1#name python benchmarks/embedded.py    another model, the same questions

Right means: the answer says it, and the tool that knows it was called. Nothing is asserted.
"""

import os
import re
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from treadle import Agent, MemoryStore, Result
from treadle.cli.agents import INSTRUCTIONS
from treadle.core.events import ModelReplied
from treadle.tools.shipped import load_shipped_tools

STOCK = "item,price,stock\nlamp,12.50,40\ndesk,180.00,3\nchair,64.90,12\nshelf,39.95,25\n"
NOTES = "Q1: 1200\nQ2: 1350\nQ3: 990\nQ4: 1610\n"


@dataclass(frozen=True)
class Task:
    """Wordings of one conversation, each a list of turns, and what its results must be."""

    wordings: Sequence[Sequence[str]]
    right: Callable[[list[Result]], bool]


def used(result: Result) -> list[str]:
    replies = [record.event for record in result.records if isinstance(record.event, ModelReplied)]
    return [call.name for reply in replies for call in reply.calls]


def says(result: Result, pattern: str) -> bool:
    return re.search(pattern, result.answer, re.I) is not None


TASKS = {
    "sum": Task(
        [
            ["What is 15% of 2,847, and is that more or less than 400?"],
            ["15% of 2,847 - what is it, and is it more or less than 400?"],
            ["Please work out 15% of 2,847. Is that more or less than 400?"],
            ["How much is 15 percent of 2,847? More or less than 400?"],
            ["What's 15% of 2847 and is it more than 400 or less?"],
        ],
        lambda r: (
            says(r[0], "427.05")
            and says(r[0], r"more|greater|above|exceed")
            and "calculator" in used(r[0])
        ),
    ),
    "file": Task(
        [
            ["Read notes.txt and tell me the total of the four quarters"],
            ["What is the total of the four quarters in notes.txt?"],
            ["Open notes.txt and add up the four quarters."],
            ["Please read the file notes.txt and give me the sum of all four quarters."],
            ["Total of the quarters in notes.txt?"],
        ],
        lambda r: says(r[0], r"5,?150") and "read_file" in used(r[0]),
    ),
    "clock": Task(
        [
            ["What time is it in Tokyo?"],
            ["what's the time in Tokyo now"],
            ["Tell me the current time in Tokyo, please."],
            ["Time in Tokyo?"],
            ["Do you know what time it is in Tokyo right now?"],
        ],
        lambda r: (
            says(r[0], r"\d\d?:\d\d")
            and "current_time" in used(r[0])
            and "Asia/Tokyo" in str(r[0].records)
        ),
    ),
    "dates": Task(
        [
            ["How many days are there between 1 March 2026 and 25 December 2026?"],
            ["Days between 2026-03-01 and 2026-12-25?"],
            ["How many days from March 1, 2026 to December 25, 2026?"],
            ["Count the days from 1 March 2026 until 25 December 2026, please."],
            ["What is the number of days between 1 March and 25 December 2026?"],
        ],
        lambda r: says(r[0], r"\b299\b") and "date_calculator" in used(r[0]),
    ),
    "table": Task(
        [
            ["Which item in stock.csv has the highest price times stock?"],
            ["In stock.csv, which item has the highest value of price * stock?"],
            ["Look at stock.csv: for which item is price times stock the largest?"],
            ["Which item in stock.csv is worth most in all, by price times stock?"],
            ["Find the item with the largest price multiplied by stock in stock.csv."],
        ],
        lambda r: says(r[0], "shelf") and "query_data" in used(r[0]),
    ),
    "hello": Task(
        [
            ["Hello, who are you?"],
            ["Hi, who are you?"],
            ["Good morning! What is your name?"],
            ["Who are you?"],
            ["Hello! Tell me who you are."],
        ],
        lambda r: says(r[0], "treadle") and not used(r[0]),
    ),
    "followup": Task(
        [
            ["What is 12% of 2,500?", "Double that.", "Is that more than 500?"],
            ["How much is 12% of 2,500?", "Now double it.", "Is it more than 500?"],
            ["12% of 2500?", "And twice that?", "Is that above 500?"],
            ["What's 12 percent of 2,500?", "Double that, please.", "Is the result more than 500?"],
            ["Compute 12% of 2,500.", "Multiply that by two.", "Is that more than 500?"],
        ],
        lambda r: (
            says(r[0], r"\b300\b")
            and says(r[1], r"\b600\b")
            and says(r[2], r"yes|\bis (indeed )?(more|above|greater)")
            and not says(r[2], r"\bnot\b|n't")
        ),
    ),
}


def main() -> None:
    tools = [tool for tool in load_shipped_tools().values() if tool.function]
    agent = Agent(INSTRUCTIONS, name="treadle", tools=tools, store=MemoryStore())
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "notes.txt").write_text(NOTES)
        Path(folder, "stock.csv").write_text(STOCK)
        os.chdir(folder)
        for name in sys.argv[1:] or TASKS:
            task, right, steps, seconds = TASKS[name], 0, 0, 0.0
            for number, turns in enumerate(task.wordings):
                results: list[Result] = []
                for text in turns:
                    results.append(agent.run_sync(text, thread=f"{name}-{number}"))
                    steps, seconds = steps + results[-1].steps, seconds + results[-1].seconds
                    print(
                        f"  {text} -> {used(results[-1])} {results[-1].answer!r}",
                        file=sys.stderr,
                        flush=True,
                    )
                right += task.right(results)
            count = len(task.wordings)
            print(
                f"{name:>10} {right} of {count} right, {steps / count:.1f} steps, {seconds / steps:.1f} s a step",
                flush=True,
            )


if __name__ == "__main__":
    main()
