"""The deps are found out where there is one kind of tool, or instructions that need them."""

from treadle import Agent, Context, tool


class Clock:
    def now(self) -> float:
        return 0.0


class ExactClock(Clock):
    pass


@tool
def hour(ctx: Context[Clock]) -> float:
    """The hour."""
    return ctx.deps.now() / 3600


async def instructions(ctx: Context[Clock]) -> str:
    return f"It is {ctx.deps.now()}."


one = Agent("Tell the time.", tools=[hour])
two = Agent(instructions)
one.run_sync("When?", deps=Clock())
two.run_sync("When?", deps=ExactClock())
exact: Agent[ExactClock, str] = one  # who is content with a Clock is content with an exact one
