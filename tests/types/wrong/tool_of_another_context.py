"""A tool that needs other deps than the agent has."""

from treadle import Agent, Context, tool


class Db:
    url = ""


class Cache:
    size = 0


@tool
def size(ctx: Context[Cache]) -> int:
    """The size."""
    return ctx.deps.size


def instruct(ctx: Context[Cache]) -> str:
    return str(ctx.deps.size)


one = Agent("Go.", tools=[size], deps_type=Db)  # error
two = Agent[Db, str]("Go.", tools=[size])  # error
three = Agent[Db, str](instruct)  # error
four: Agent[Db, str] = Agent("Go.", tools=[Agent("Ask.", tools=[size]).as_tool()])  # error
