"""Parallel: three agents at work on one topic at once, and what they wrote put together."""

import asyncio

from treadle import Agent

KINDS = ("story", "joke", "poem")
writers = [Agent(f"Write a {kind} about the topic, in two sentences.") for kind in KINDS]


async def main() -> None:
    topic = "cats"
    results = await asyncio.gather(*(writer.run(topic) for writer in writers))
    for kind, result in zip(KINDS, results, strict=True):
        print(f"A {kind} about {topic}:\n{result.answer}\n")


if __name__ == "__main__":
    asyncio.run(main())
