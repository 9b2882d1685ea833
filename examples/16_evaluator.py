"""Evaluator and optimizer: one agent writes, another judges, three rounds at most.

`treadle.patterns.reflect` is this loop as a function.
"""

import asyncio
from dataclasses import dataclass

from treadle import Agent


@dataclass
class Verdict:
    feedback: str
    funny: bool


author = Agent("You write jokes, in two lines.")
critic = Agent(
    "You judge jokes. Say in a few words what to do better, and whether it is funny.",
    output=Verdict,
)


async def main() -> None:
    joke = await author.run("A joke about cats.")
    for _ in range(3):
        verdict = (await critic.run(joke.answer)).output
        print(joke.answer, verdict, sep="\n")
        if verdict.funny:
            break
        joke = await author.run(
            f"Write another joke about cats. {verdict.feedback}", thread=joke.thread_id
        )
    print("The joke:", joke.answer, sep="\n")


if __name__ == "__main__":
    asyncio.run(main())
