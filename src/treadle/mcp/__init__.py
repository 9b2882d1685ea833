"""MCP both ways: the tools of MCP servers for an agent, and an agent as an MCP server.

agent = Agent(tools=[mcp("python -m mcp_server_time")])
"""

from typing import TYPE_CHECKING

from ..on_use import import_on_use

if TYPE_CHECKING:
    from .serve import make_server
    from .tools import McpTools, mcp
else:
    __getattr__ = import_on_use(__name__, {".serve": "make_server", ".tools": "McpTools mcp"})

__all__ = ["McpTools", "make_server", "mcp"]
