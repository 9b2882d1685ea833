"""Both types said where the agent is made, or in an annotation."""

from dataclasses import dataclass
from typing import Protocol

from treadle import Agent, Context, tool


class Bank(Protocol):
    def pay(self, euros: int) -> str: ...


class TestBank:
    def pay(self, euros: int) -> str:
        return f"paid {euros}"


@dataclass
class Receipt:
    number: str


@tool
def pay(ctx: Context[Bank], euros: int) -> str:
    """Pay."""
    return ctx.deps.pay(euros)


first = Agent[Bank, Receipt]("Pay.", tools=[pay], output=Receipt)
second: Agent[Bank, Receipt] = Agent("Pay.", tools=[pay], output=Receipt)
third = Agent("Pay.", tools=[pay], deps_type=Bank, output=Receipt)
number: str = first.run_sync("5.", deps=TestBank()).output.number


def run_both(*agents: Agent[TestBank, Receipt]) -> list[str]:
    return [each.run_sync("5.", deps=TestBank()).output.number for each in agents]


run_both(first, second, third)
