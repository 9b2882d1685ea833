"""How often the right one of 300 tools is among the first 1, 3 and 5 that a search finds, and what they cost a prompt.

    pip download --no-deps bfcl-eval && unzip bfcl_eval-*.whl -d bfcl
    python benchmarks/tool_search.py bfcl/bfcl_eval/data
    python benchmarks/tool_search.py bfcl/bfcl_eval/data --misses

The questions and the tools are those of the Berkeley Function Calling Leaderboard (the package bfcl-eval, Apache 2.0):
`multiple`, whose questions were written for it, and `live_multiple`, whose questions came from users of a service. The
first 300 names of each set are the tools, and every question whose right tool is among them is asked in its own words.
Nothing is asserted: figures are for people. The search is the one that agents use.
"""

import argparse
import json
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from treadle import Agent, ScriptedModel, Tool
from treadle.core.prompt import Prompt
from treadle.runtime.request import build_request
from treadle.tools.on_demand import on_demand
from treadle.tools.tool_search import find_tools

TOOLS = 300
SETS = {
    "multiple": ["multiple", "simple_python"],
    "live_multiple": ["live_multiple", "live_simple"],
}


def read(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text("utf8").splitlines()]


def name_of(name: str) -> str:
    return re.sub(r"[^a-zA-Z0-9_-]", "_", name)[:64]


def read_tools(folder: Path, sets: list[str]) -> list[Tool]:
    """The first tools of these sets; of two of one name, the first."""
    found: dict[str, Tool] = {}
    for each in sets:
        for row in read(folder / f"BFCL_v4_{each}.json"):
            for told in row["function"]:
                name = name_of(told["name"])
                if name not in found and len(found) < TOOLS:
                    found[name] = Tool(
                        name, told["description"], as_schema(told["parameters"]), lambda: None, dict
                    )
    return list(found.values())


def as_schema(told: Any) -> Any:
    """JSON Schema, of the Python words for types that the set has."""
    words = {"dict": "object", "float": "number", "tuple": "array", "any": "string"}
    if isinstance(told, list):
        return [as_schema(each) for each in told]
    if not isinstance(told, dict):
        return told
    schema = {key: as_schema(value) for key, value in told.items()}
    if isinstance(schema.get("type"), str):
        schema["type"] = words.get(schema["type"].lower(), schema["type"])
    return schema


def read_questions(folder: Path, name: str, known: set[str]) -> Iterator[tuple[str, set[str]]]:
    """Each question, with the names of the tools that are right."""
    answers = {
        row["id"]: row["ground_truth"]
        for row in read(folder / "possible_answer" / f"BFCL_v4_{name}.json")
    }
    for row in read(folder / f"BFCL_v4_{name}.json"):
        right = {name_of(called) for truth in answers[row["id"]] for called in truth}
        said = " ".join(
            message["content"] for message in row["question"][0] if message["role"] == "user"
        )
        if right & known:
            yield said, right


def count_prompt(tools: list[Tool]) -> int:
    """Tokens that the first request of an agent with these tools on demand has, without the agent's own words."""
    agent = Agent(tools=[on_demand(tools)], model=ScriptedModel([]))
    return build_request(Prompt(), agent.run_settings, "step").tokens


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path)
    parser.add_argument("--misses", action="store_true")
    options = parser.parse_args()
    for name, sets in SETS.items():
        tools = read_tools(options.data, sets)
        began = time.perf_counter()
        places = []
        for said, right in read_questions(options.data, name, {tool.name for tool in tools}):
            found = [tool.name for tool in find_tools(tools, said, 5)]
            place = next((at for at, each in enumerate(found, 1) if each in right), 99)
            places.append(place)
            if options.misses and place > 5:
                print(f"  {said[:150]!r}: {', '.join(sorted(right))}; found: {', '.join(found)}")
        took_ms = (time.perf_counter() - began) * 1000 / len(places)
        rates = ", ".join(
            f"{sum(place <= at for place in places) / len(places):.1%} at {at}" for at in (1, 3, 5)
        )
        plain = sum(tool.schema.tokens for tool in tools)
        print(
            f"{name}: {len(places)} questions, {len(tools)} tools: {rates}; {took_ms:.1f} ms a search;"
        )
        print(
            f"  the prompt has {count_prompt(tools):,} tokens with them on demand, {plain:,} with all definitions"
        )


if __name__ == "__main__":
    main()
