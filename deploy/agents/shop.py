"""The agent that compose.yaml serves: put your own in its place, or beside it."""

from treadle import Agent, tool


@tool(read_only=True)
def stock(item: str) -> int:
    """How many of an item are in stock."""
    return {"lamp": 17}.get(item, 0)


shop = Agent("You answer the customers of a shop.", tools=[stock], name="shop")
