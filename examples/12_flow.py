"""A durable flow: two agents, a person's approval, a payment; after a kill it goes on."""

import asyncio

from treadle import Agent, ApprovalGiven, Context, approve, flow, step

buyer = Agent("You buy for a shop. Answer with one short line.", name="buyer")
seller = Agent("You sell what a shop buys. Answer with one short line.", name="seller")


async def pay(euros: int, context: Context) -> str:
    """The payment. Hand its key to the bank: it is the same at every attempt, in every process."""
    return f"{euros} EUR paid, key {context.idempotency_key[:8]}"


@flow
async def purchase(item: str, euros: int) -> str:
    wanted, offered = await asyncio.gather(
        buyer.run(f"Why do we want a {item}?"),
        seller.run(f"What is good about your {item}?"),
    )
    said = await approve(f"buy a {item}", euros=euros, why=wanted.answer, offer=offered.answer)
    if not said:
        return f"not bought: {said.by} says {said.reason}"
    return await step.options(timeout_s=30)(pay, euros)


async def main() -> None:
    waiting = await purchase.run("lamp", 120)
    for call in (
        waiting.waiting
    ):  # days may pass here, and the process may die: the thread has all that is done
        print(f"{waiting.status}: {call.name}({call.final_arguments})")
        await purchase.post(waiting.thread_id, ApprovalGiven(call.id, True, by="eve"))
    done = await purchase.resume(waiting.thread_id)
    print(done.status, done.output)
    print(done.summary())


if __name__ == "__main__":
    asyncio.run(main())
