"""A small MCP server with the SDK, over stdio: a tool that asks a person, and one that says how far it is."""

import asyncio
from typing import Annotated

from mcp.server import MCPServer
from mcp.server.mcpserver import AcceptedElicitation, Context, Elicit, ElicitationResult, Resolve
from pydantic import BaseModel

server = MCPServer("demo")


class Colour(BaseModel):
    colour: str


async def which() -> Elicit[Colour]:
    return Elicit("Which colour?", Colour)


@server.tool()
async def order(lamp: str, answer: Annotated[ElicitationResult[Colour], Resolve(which)]) -> str:
    """Order a lamp."""
    if isinstance(answer, AcceptedElicitation):
        return f"{lamp}, {answer.data.colour}"
    return f"{lamp}: {answer.action}"


@server.tool()
async def work(steps: int, ctx: Context) -> str:
    """Work that says how far it is."""
    for step in range(steps):
        await ctx.report_progress(step, steps, f"step {step}")
        await asyncio.sleep(0.05)
    return "done"


server.run("stdio")
