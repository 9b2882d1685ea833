"""Wrong arguments and options of a flow's run."""

from treadle import flow


@flow
async def month(customers: list[str], *, euros: int = 20) -> int:
    return len(customers) * euros


month.run_sync("ann")  # error
month.run_sync(["ann"], euro=5)  # error
month.run_sync()  # error
month.run_sync(["ann"], thread="march")  # error
month.options(tread="march").run_sync(["ann"])  # error
text: str = month.run_sync(["ann"]).output  # error


async def inner() -> None:
    await month.start(7)  # error
    month.stream(["ann"], 20)  # error
    await month(["ann"], euros="5")  # error
