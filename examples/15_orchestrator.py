"""Orchestrator and workers: one agent plans a report, as many as it has sections write them, and they are joined.

With `treadle.patterns.map_reduce` so many run at a time, and a section that fails takes nothing from the others.
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
