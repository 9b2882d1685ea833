"""An agent's deps, as its tools need them."""

from dataclasses import dataclass

from treadle import Agent, Context, Result, tool


@dataclass
class Shop:
    prices: dict[str, float]


@tool(read_only=True)
def price(ctx: Context[Shop], item: str) -> float:
    """What an item costs."""
    return ctx.deps.prices[item]


@tool
async def note(text: str, times: int = 1) -> str:
    """Needs no deps."""
    return text * times


def shout(text: str) -> str:
    """A plain function."""
    return text.upper()


seller = Agent("Sell.", tools=[price, note, shout], deps_type=Shop)


async def sell(shop: Shop) -> str:
    result: Result[str] = await seller.run("A lamp?", deps=shop, thread="t")
    return result.output


said: str = seller.run_sync("A lamp?", deps=Shop({}), key="k").output
