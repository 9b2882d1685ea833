"""A misspelt field of the deps, or deps whose type nobody has said."""

from treadle import Context, tool


class Db:
    url = ""


@tool
def look_up(ctx: Context[Db], name: str) -> str:
    """Look it up."""
    return ctx.deps.ulr + name  # error


@tool
def look(ctx: Context) -> str:
    """Look."""
    return ctx.deps.url  # error


@tool
def see(ctx: Context[Db]) -> str:
    """See."""
    return ctx.thread  # error
