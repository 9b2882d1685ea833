"""Approval: the turn waits in the log, for a second or for a month, and costs nothing meanwhile."""

import asyncio

from treadle import Agent, ApprovalGiven, tool


@tool(needs_approval=lambda arguments: arguments["amount"] > 100)
def refund(customer: str, amount: float) -> str:
    """Pay money back to a customer.

    Args:
        customer: The customer's number.
        amount: In euros.
    """
    return f"{amount:.2f} EUR paid back to {customer}"


agent = Agent("You handle refunds with the tool.", tools=[refund])


async def main() -> None:
    result = await agent.run("Refund 250 euros to customer C-17.")
    for call in result.waiting:
        print(f"waits for approval: {call.name}({call.final_arguments})")
        # Another process may do this, next month: `treadle approve THREAD`, or --edit, or --deny.
        edited = '{"customer": "C-17", "amount": 200}'
        await agent.post(result.thread_id, ApprovalGiven(call.id, True, by="ann", arguments=edited))
    result = await agent.resume(result.thread_id)
    print(result.status, result.answer)


if __name__ == "__main__":
    asyncio.run(main())
