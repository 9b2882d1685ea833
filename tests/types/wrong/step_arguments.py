"""Wrong arguments of a step."""

from treadle import Context, flow, step, tool


async def charge(customer: str, euros: int, *, urgent: bool = False) -> str:
    return f"{customer} {euros} {urgent}"


@tool
def look_up(ctx: Context[None], name: str) -> str:
    """Look it up."""
    return name


@flow
async def month() -> None:
    await step(charge, "ann", "20")  # error
    await step(charge, "ann")  # error
    await step(charge, "ann", 20, urgnt=True)  # error
    await step(charge, "ann", 20, id="pay")  # error
    await step(look_up, 7)  # error
    await step(look_up)  # error
    await step("charge", "ann", 20)  # error
