"""Recovery: what may pass is tried again, the model is told of the rest, and limits always hold."""

from treadle import Agent, Limits, ToolError, ToolRetry, tool

outages = iter([True, False])


@tool(read_only=True, retries=2, timeout_s=5)
def stock(item: str) -> int:
    """How many of an item are in stock.

    Args:
        item: Its name, in the singular.
    """
    if next(outages, False):
        raise ToolRetry(
            "the warehouse is busy"
        )  # nothing has happened yet: the same call is made again
    if item != "lamp":
        raise ToolError(
            f"no item {item!r}; there are: lamp"
        )  # told to the model, which can mend it
    return 17


agent = Agent(
    "You answer from the stock list. If a tool fails, say what went wrong or try another way.",
    tools=[stock],
    limits=Limits(steps=8, tool_calls=8, tokens=50_000, seconds=300),
)


def main() -> None:
    result = agent.run_sync("How many lamps are in stock?")
    print(result.status, result.reason, result.answer)
    print(result.summary())


if __name__ == "__main__":
    main()
