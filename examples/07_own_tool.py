"""A tool of your own: any function. Its signature and docstring are the schema. A typed answer."""

from dataclasses import dataclass
from typing import Literal

from pydantic import BaseModel

from treadle import Agent, Context, tool


@dataclass
class Shop:
    """What the tools may use, and the model never sees."""

    prices: dict[str, float]


@tool(read_only=True)
def price(
    ctx: Context[Shop], item: str, currency: Literal["EUR", "USD"] = "EUR"
) -> dict[str, object]:
    """The price of an item.

    Args:
        item: Its name, in the singular.
        currency: The currency of the price.
    """
    rate = {"EUR": 1.0, "USD": 1.1}[currency]
    return {"item": item, "price": round(ctx.deps.prices[item] * rate, 2), "currency": currency}


class Quote(BaseModel):
    item: str
    price: float
    currency: str


agent = Agent("You give quotes. Look every price up.", tools=[price], deps_type=Shop, output=Quote)


def main() -> None:
    result = agent.run_sync(
        "What does a lamp cost in euros?", deps=Shop({"lamp": 12.5, "desk": 240.0})
    )
    print(repr(result.output))


if __name__ == "__main__":
    main()
