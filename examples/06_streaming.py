"""Streaming: the same loop, watched. Text is shown as the model writes it."""

import asyncio

from treadle import Agent, Delta, Result
from treadle.events import ToolReturned, ToolStarted
from treadle.tools import calculator

agent = Agent("Use the calculator for every sum.", tools=[calculator])


async def main() -> None:
    async for item in agent.stream("What is (19 + 23) * 12? Explain in two sentences."):
        match item:
            case Delta(text=text):
                print(text, end="", flush=True)
            case Result(status=status):
                print(f"\n[{status}]")
            case _ if isinstance(item.event, ToolStarted | ToolReturned):
                print(f"[{item.event}]")


if __name__ == "__main__":
    asyncio.run(main())
