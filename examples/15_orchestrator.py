"""Orchestrator and workers: one agent plans a report, one for each section writes it.

`treadle.patterns.map_reduce` also bounds how many run at a time, and outlives one that fails.
"""

import asyncio
from dataclasses import dataclass

from treadle import Agent


@dataclass
class Section:
    name: str
    description: str


planner = Agent(
    "Plan a short report on the topic as a list of three sections.", output=list[Section]
)
writer = Agent("Write this section of a report, in at most three sentences.")


async def main() -> None:
    plan = await planner.run("How language models get better with size")
    sections = await asyncio.gather(
        *(writer.run(f"{each.name}: {each.description}") for each in plan.output)
    )
    print("\n\n---\n\n".join(section.answer for section in sections))


if __name__ == "__main__":
    asyncio.run(main())
