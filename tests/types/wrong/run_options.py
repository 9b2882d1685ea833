"""Wrong options of run_sync, run and start."""

from treadle import Agent, UserSaid

agent = Agent("Talk.")
agent.run_sync("Hello.", tread="t")  # error
agent.run_sync("Hello.", thread=7)  # error
agent.run_sync("Hello.", when_busy="wait")  # error
agent.run_sync(["Hello."])  # error
agent.run_sync(said=UserSaid("Hello."), settings={"temperature": 0})  # error


async def start() -> None:
    await agent.start("Hello.", key=1)  # error
    agent.run_sync()  # error
