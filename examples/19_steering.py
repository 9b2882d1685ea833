"""Talk to it while it works, and while it waits: a message is one more fact in the log."""

import asyncio

from treadle import Agent, ApprovalGiven, tool

BEGUN = asyncio.Event()
SAID = asyncio.Event()


@tool
async def survey(garden: str) -> str:
    """Measure a garden. It takes a while."""
    BEGUN.set()
    await SAID.wait()
    return f"{garden}: 40 square metres"


@tool(needs_approval=True)
def order(plants: str) -> str:
    """Order plants."""
    return f"ordered: {plants}"


@tool(background=True)
async def forecast(week: int) -> str:
    """The weather of a week. The model goes on meanwhile."""
    await asyncio.sleep(0.1)
    return f"week {week}: dry"


agent = Agent("You plan gardens. Ask before you order.", tools=[survey, order, forecast])


async def main() -> None:
    planning = asyncio.create_task(agent.run("Plan the garden behind the house.", thread="garden"))
    await BEGUN.wait()  # from here on it works
    steered = await agent.steer("garden", "No roses, please.", key="no-roses")
    print("opened a turn:", steered.opened)
    SAID.set()
    result = await planning
    print(f"{result.status}: {result.waiting[0].name}({result.waiting[0].final_arguments})")

    # The order waits, for days perhaps; the person goes on talking. It is never made twice.
    result = await agent.run("When will it come?", thread="garden")
    print(f"{result.status}: {result.answer}")

    await agent.post("garden", ApprovalGiven(result.waiting[0].id, True, by="ann"))
    result = await agent.resume("garden")
    print(f"{result.status}: {result.answer}")


if __name__ == "__main__":
    asyncio.run(main())
