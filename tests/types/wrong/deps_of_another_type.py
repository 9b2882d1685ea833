"""Deps of another type than the tools and the instructions need."""

from treadle import Agent, Context


class Db:
    url = ""


class Cache:
    size = 0


def instruct(ctx: Context[Db]) -> str:
    return ctx.deps.url


agent = Agent(instruct)
agent.run_sync("Go.", deps=Cache())  # error
agent.run_sync("Go.", deps=Db)  # error


async def go_on() -> None:
    await agent.resume("t", deps=Cache())  # error
