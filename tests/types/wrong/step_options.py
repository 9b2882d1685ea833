"""Wrong options of a step, and its result taken for something else."""

from treadle import flow, step


def add(a: int, b: int) -> int:
    return a + b


@flow
async def sums() -> None:
    await step.options(ids="pay")(add, 1, 2)  # error
    await step.options(timeout_s="5")(add, 1, 2)  # error
    await step.options(id=5)(add, 1, 2)  # error
    text: str = await step(add, 1, 2)  # error
    number: int = step(add, 1, 2)  # error
    print(text, number)
