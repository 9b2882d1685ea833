"""Flows, their steps, and what a run gives."""

from dataclasses import dataclass

from treadle import Agent, Context, Flow, Result, flow, step, tool


@dataclass
class Receipt:
    customer: str
    euros: int


async def charge(customer: str, euros: int, *, urgent: bool = False) -> Receipt:
    return Receipt(customer, euros)


def add(receipts: list[Receipt]) -> int:
    return sum(each.euros for each in receipts)


async def with_key(ctx: Context, customer: str) -> str:
    return f"{customer} {ctx.idempotency_key}"


@tool(idempotent=True)
async def look_up(ctx: Context[None], customer: str) -> Receipt:
    """Look it up."""
    return Receipt(customer, 0)


@flow
async def month(customers: list[str], *, euros: int = 20) -> list[Receipt]:
    receipts: list[Receipt] = []
    for each in customers:
        receipts.append(await step(charge, each, euros, urgent=True))
    total: int = await step(add, receipts)
    key: str = await step(with_key, customers[0])
    found: Receipt = await step(look_up, "ann")
    await step.options(id="last", retries=2, idempotent=True)(charge, found.customer, total)
    return [*receipts, Receipt(key, await step(lambda: 5))]


@flow(name="year", description="All months.")
async def year(customers: list[str]) -> int:
    inner: Result[list[Receipt]] = await month.run(customers)
    more: list[Receipt] = await month(customers, euros=5)
    return len(inner.output) + len(more)


first: list[Receipt] = month.run_sync(["ann"], euros=5).output
count: int = year.options(thread="2026", key="k").run_sync(["ann"]).output


async def go_on(some: Flow) -> str:
    result = await some.resume("t")
    return result.status


async def go_on_with_all() -> int:
    await go_on(month)
    return (await year.resume("2026", retry_failed=True)).output


agent = Agent("Talk.", tools=[month.as_tool()])
