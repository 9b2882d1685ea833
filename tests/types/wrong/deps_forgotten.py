"""No deps where a tool needs them."""

from treadle import Agent, Context, tool


class Db:
    url = ""


@tool
def look_up(ctx: Context[Db], name: str) -> str:
    """Look it up."""
    return ctx.deps.url + name


agent = Agent("Find.", tools=[look_up], deps_type=Db)
agent.run_sync("Ann.")  # error
agent.run_sync("Ann.", deps=None)  # error


async def run() -> None:
    await agent.run("Ann.", thread="t")  # error
    await agent.start("Ann.")  # error
    agent.stream("Ann.")  # error
