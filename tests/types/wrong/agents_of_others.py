"""An agent where one is due that answers or needs something else."""

from treadle import Agent, Context


class Db:
    url = ""


def instruct(ctx: Context[Db]) -> str:
    return ctx.deps.url


needy = Agent(instruct)
counter = Agent("Count.", output=int)


def talk(agent: Agent) -> str:
    return agent.run_sync("Hello.").output


def count(agent: Agent[Db, int]) -> int:
    return agent.run_sync("Go.", deps=Db()).output


talk(needy)  # error
talk(counter)  # error
count(needy)  # error
front = Agent("Greet.", output=str, handoffs=[counter], deps_type=Db)
front.run_sync("Hello.", deps=Db()).output.upper()  # error
