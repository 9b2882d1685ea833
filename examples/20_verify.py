"""Check instead of ask: a process dies during a payment; the next one asks the bank about it.

`python examples/20_verify.py --crash` dies before the bank has heard of the payment, with `--crash
late` just after that; then run it without. Nobody is asked, and nothing is paid twice.
"""

import asyncio
import os
import sys
from pathlib import Path

from treadle import Agent, CannotTell, Context, DidNotRun, Ran, tool

BANK = Path("bank.txt")
"""Stands for a service: a line for each payment that it has made, `key amount account`."""
THREAD = "bills-20"


def payments() -> list[str]:
    return BANK.read_text().splitlines() if BANK.exists() else []


def was_paid(ctx: Context, amount: int) -> Ran | DidNotRun | CannotTell:
    """Ask the bank. It gets the arguments that it names, and a Context with the same key."""
    if "--closed" in sys.argv:
        return CannotTell("the bank doesn't answer")  # only this waits for a person
    for line in payments():
        if line.startswith(ctx.idempotency_key):
            return Ran(f"{amount} EUR paid: {line}")
    return DidNotRun()


# It runs again once its process is known to be dead and settle_s have passed since; where the bank
# does nothing twice under one key, say honours_key=True: then at once.
@tool(verify=was_paid, settle_s=2)
def pay(ctx: Context, account: str, amount: int) -> str:
    """Pay from an account."""
    if sys.argv[1:] == ["--crash"]:
        os._exit(1)  # as kill -9 would
    with BANK.open("a") as bank:
        bank.write(f"{ctx.idempotency_key} {amount} {account}\n")
    if sys.argv[1:] == ["--crash", "late"]:
        os._exit(1)  # it is paid, and no log says so
    return f"{amount} EUR paid from {account}"


agent = Agent("You pay bills.", tools=[pay])


async def main() -> None:
    if "--crash" in sys.argv:
        await agent.run("Pay 300 euros from account A-1.", thread=THREAD)
    result = await agent.resume(THREAD)
    print(*[each.event for each in result.records if hasattr(each.event, "outcome")], sep="\n")
    print(result.status, result.answer, f"({len(payments())} payment)")


if __name__ == "__main__":
    asyncio.run(main())
