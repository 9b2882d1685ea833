"""The agent that the browser talks to: it answers by what was said last. A process of its own runs it."""

import asyncio
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from treadle import Agent, ModelSettings, tool
from treadle.core.model import Reply
from treadle.core.values import Call, Text, Usage
from treadle.graphs.graph import Graph
from treadle.graphs.nodes import END, START, Choice, Edge, Join, Node

PLACE = Path(os.environ["PAGE_TEST_FOLDER"])
ORDERED = '{"account": "shop-7", "amount": 212.5, "currency": "EUR", "note": "17 lamps"}'
HOSTILE = (
    "<script>alert(1)</script><img src=x onerror=alert(2)> \u202egnp.exe \x1b[31mred " + "A" * 300
)
PIECE_S = 0.02


@tool(read_only=True)
async def look_up(item: str) -> dict[str, str | int]:
    """How many of an item are in stock."""
    return {"item": item, "stock": 17}


@tool(needs_approval=True)
async def pay(
    account: str, amount: float, currency: Literal["EUR", "USD"] = "EUR", note: str = ""
) -> str:
    """Pay an amount from an account."""
    with (PLACE / "paid").open("a") as file:
        file.write(f"{amount}\n")
    return "paid"


class Talker:
    """A model that orders, tells hostile text, talks for long, or just answers."""

    name = "talker"
    context_tokens = 128_000
    max_output_tokens = 4096
    settings = ModelSettings()
    carried_settings = ()

    def cost_usd(self, usage):
        return usage.total_tokens / 1_000_000

    async def reply(self, request, emit):
        last = [message for message in request.messages if message.role in ("user", "tool")][-1]
        if last.role == "tool" and "paid" in last.text:
            text = "The payment went through."
        elif last.role == "tool":
            blocks = (Text("There are enough. "), Call("1", "pay", ORDERED))
            return Reply(blocks, finish_reason="tool_calls", usage=Usage(900, 60))
        elif "order" in last.text:
            blocks = (
                Call("1", "look_up", '{"item": "lamp"}'),
                Call("2", "look_up", '{"item": "chair"}'),
            )
            return Reply(blocks, finish_reason="tool_calls", usage=Usage(900, 40))
        elif "hostile" in last.text:
            text = HOSTILE
        elif "long" in last.text:
            text = " ".join(f"word{number}" for number in range(120))
        else:
            text = f"You said: {last.text}"
        for word in text.split(" "):
            emit(word + " ")
            await asyncio.sleep(PIECE_S)
        return Reply(text + " ", usage=Usage(700, 60))


agent = Agent(
    "Sell lamps.", tools=[look_up, pay], model=Talker(), name="shop", store=PLACE / "page.db"
)


@dataclass
class Order:
    item: str = "lamp"
    stock: int = 0
    price: float = 0.0
    tries: int = 0
    sent: str = ""


async def count(item: str) -> int:
    return 17


async def price(item: str) -> float:
    return 12.5


async def check(stock: int, price: float, tries: int) -> int:
    return tries + 1


def enough(tries: int) -> str:
    return "look again" if tries < 2 else "send it"


async def send(item: str) -> str:
    return f"sent <b>{item}</b>"


order = Graph(
    Order,
    [
        Node(count, "stock"),
        Node(price, "price"),
        Node(check, "tries"),
        Node(send, "sent", approve="before"),
    ],
    [
        Edge(START, "count"),
        Edge(START, "price"),
        Join(("count", "price"), "check"),
        Choice("check", enough, {"look again": "check", "send it": "send"}),
        Edge("send", END),
    ],
    name="order",
    store=agent.store,
)
