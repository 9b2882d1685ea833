"""A tool's function can be called, as in a test of it."""

from treadle import Context, Tool, tool


@tool
def add(a: int, b: int = 1) -> int:
    """Add."""
    return a + b


@tool(idempotent=True, timeout_s=None)
async def fetch(ctx: Context[str], name: str, *, fresh: bool = False) -> bytes:
    """Fetch."""
    return f"{ctx.deps}/{name}/{fresh}".encode()


def half(number: float) -> float:
    return number / 2


halve = tool(half, name="halve")
three: int = add.function(1, b=2)
one: float = halve.function(2)


async def check(ctx: Context[str]) -> bytes:
    return await fetch.function(ctx, "a", fresh=True)


tools: list[Tool] = [add, halve]
