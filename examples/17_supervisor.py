"""Supervisor: a model leads a team and answers; what a member needs of a person is asked of you."""

import asyncio

from treadle import Agent, ApprovalGiven, Limits, tool
from treadle.patterns import supervisor
from treadle.tools import calculator


@tool(needs_approval=True)
def refund(customer: str, amount: float) -> str:
    """Pay money back to a customer."""
    return f"{amount:.2f} EUR paid back to {customer}"


sums = Agent(
    "Work it out with the calculator.", name="sums", description="Does sums.", tools=[calculator]
)
till = Agent("Pay with the tool.", name="till", description="Pays customers back.", tools=[refund])
desk = supervisor(
    [sums, till], Agent("You are the desk of a shop.", name="desk", limits=Limits(tokens=50_000))
)


async def main() -> None:
    result = await desk.run("Pay C-17 250 euros back, and tell me what 15% of 250 is.")
    while result.status == "waiting":
        for call in (
            result.waiting
        ):  # of a member, in a thread of its own; asked here, or by: treadle approve THREAD
            print(f"waits for approval: {call.name}({call.final_arguments}) in {call.thread_id}")
            await desk.post(call.thread_id, ApprovalGiven(call.id, True, by="ann"))
        result = await desk.resume(result.thread_id)
    print(result.status, result.answer)
    print(result.summary())


if __name__ == "__main__":
    asyncio.run(main())
