"""Resume: a process dies during a payment; the next one knows what is done and what is unknown."""

import asyncio
import os
import sys

from treadle import Agent, OutcomeDecided, tool


@tool(read_only=True)
def balance(account: str) -> int:
    """The balance of an account, in euros."""
    return 900


@tool
def pay(account: str, amount: int) -> str:
    """Pay from an account."""
    if "--crash" in sys.argv:
        os._exit(1)  # as kill -9 would, with the payment under way
    return f"{amount} EUR paid from {account}"


agent = Agent("You pay bills. Look at the balance first.", tools=[balance, pay])
THREAD = "bills"


async def main() -> None:
    if "--crash" in sys.argv:
        await agent.run("Pay 300 euros from account A-1.", thread=THREAD)
    result = await agent.resume(THREAD)
    for call in result.waiting:  # it started, and has no result: it is never repeated unasked
        print(f"unknown: did {call.name}({call.final_arguments}) happen?")
        await agent.post(
            THREAD, OutcomeDecided(call.id, "not_run", by="ann", reason="not on the statement")
        )
    result = await agent.resume(THREAD)
    print(result.status, result.answer)


if __name__ == "__main__":
    asyncio.run(main())
