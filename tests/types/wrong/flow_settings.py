"""Wrong settings of @flow, and a flow that is no async function."""

from treadle import flow


@flow(limit=5)  # error
async def first(a: int) -> int:
    return a


@flow(unknown="stop")  # error
async def second(a: int) -> int:
    return a


@flow  # error
def third(a: int) -> int:
    return a
