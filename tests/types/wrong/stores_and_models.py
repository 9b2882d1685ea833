"""What is no model, no store and no listener."""

from treadle import Agent, MemoryStore


class NoModel:
    name = "none"


def listen(text: str) -> None:
    print(text)


one = Agent("Talk.", model=NoModel())  # error
two = Agent("Talk.", store=5)  # error
three = Agent("Talk.", listeners=[listen])  # error
four = Agent("Talk.", store=MemoryStore)  # error
