"""An agent that needs no deps: none are given, and any may be."""

from treadle import Agent, Limits

agent = Agent("Talk.", limits=Limits(steps=3))


async def talk() -> list[str]:
    first = await agent.run("Hello.", thread="t")
    second = await agent.run("And?", thread=first.thread_id, when_busy="queue", deps=None)
    name = await agent.start("Later.", key="k")
    third = await agent.resume(name)
    return [first.output, second.answer, third.reason]


def bare(some: Agent) -> str:
    return some.run_sync("Hello.").output


bare(agent)
