"""Deps that may be None may be left out."""

from treadle import Agent, Context


class User:
    name = "ann"


def greet(ctx: Context[User | None]) -> str:
    return f"You talk to {ctx.deps.name}." if ctx.deps else "You talk to a stranger."


agent = Agent(greet)
agent.run_sync("Hello.")
agent.run_sync("Hello.", deps=User())
