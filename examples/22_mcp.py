"""MCP: an agent uses the tools of a server, which is this file too; a person allows each order."""

import asyncio
import sys

from treadle import Agent, ApprovalGiven, Rule
from treadle.mcp import mcp


def serve() -> None:
    """The server, made with the protocol's own SDK: any program that speaks MCP will do."""
    from mcp.server import MCPServer

    server = MCPServer("stock")
    lamps = {"red": 17}

    @server.tool()
    def count(colour: str) -> int:
        """How many lamps of a colour are in stock."""
        return lamps.get(colour, 0)

    @server.tool()
    def order(colour: str, number: int) -> str:
        """Order lamps of a colour."""
        lamps[colour] = lamps.get(colour, 0) + number
        return f"{lamps[colour]} {colour} lamps now"

    server.run()


agent = Agent(
    "You keep the stock of a lamp shop: there are to be twenty lamps of each colour.",
    tools=[mcp(f"{sys.executable} {__file__} serve", name="stock")],
    rules=[Rule("stock__count", "allow")],  # each other call of the server asks a person
)


async def main() -> None:
    result = await agent.run("Do we have enough red lamps?")
    while result.status == "waiting":
        [call] = result.waiting
        print(f"allowed: {call.name} {call.final_arguments}")
        yes = ApprovalGiven(call.id, True, "ada", digest=call.digest)
        await agent.post(result.thread_id, yes)
        result = await agent.resume(result.thread_id)
    print(result.status, result.answer)


if __name__ == "__main__":
    if sys.argv[1:] == ["serve"]:
        serve()
    else:
        asyncio.run(main())
