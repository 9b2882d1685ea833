"""Agents as tools of one another, and handoffs."""

from dataclasses import dataclass

from treadle import Agent, Context, tool


class Db:
    def find(self, name: str) -> str:
        return name


@dataclass
class Bill:
    euros: int


@tool
def look_up(ctx: Context[Db], name: str) -> str:
    """Look a customer up."""
    return ctx.deps.find(name)


finder = Agent("Find.", name="finder", tools=[look_up])
calm = Agent("Calm them.", name="calm")
lead = Agent("Lead.", tools=[finder.as_tool(), calm.as_tool()], deps_type=Db, output=Bill)
euros: int = lead.run_sync("How much?", deps=Db()).output.euros

billing = Agent("Bill.", name="billing", tools=[look_up], output=Bill)
front = Agent[Db, str | Bill]("Greet.", handoffs=[billing, "calm"])
greeted = front.run_sync("My bill?", deps=Db()).output
said = greeted if isinstance(greeted, str) else f"{greeted.euros} euros"
