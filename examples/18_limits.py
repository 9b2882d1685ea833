"""Limits: a flow waits at its own, a person raises it, and it goes on; a budget for the day."""

import asyncio

from treadle import Agent, Budget, Limits, ModelSettings, flow

team = Budget("team", tokens_a_day=200_000, requests_a_minute=600)
"""What all agents that name it may use together, in all processes with this database."""

reader = Agent(
    "Sum up the book in one short line.",
    name="reader",
    settings=ModelSettings(max_output_tokens=100),
    budgets=[team],
)


@flow(limits=Limits(tokens=150, tool_calls=100))
async def read(books: list[str]) -> list[str]:
    """One account for the flow and all that works for it: together they stay within its limits."""
    read = await asyncio.gather(*(reader.run(book) for book in books))
    return [each.answer for each in read]


async def main() -> None:
    books = [f"book {number}" for number in range(1, 11)]
    result = await read.run(books)
    # What fits is done. The rest waits and loses nothing: see `treadle limit THREAD`.
    print(f"{result.status}: {result.reason}")
    if result.status == "waiting":
        await read.raise_limit(result.thread_id, "ann", tokens=50_000, reason="it is worth it")
        result = await read.resume(result.thread_id)
    print(result.status, result.output)
    print(result.usage.total_tokens, "tokens of 50,150")


if __name__ == "__main__":
    asyncio.run(main())
