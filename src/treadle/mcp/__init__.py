"""MCP both ways: the tools of MCP servers for an agent, and an agent as an MCP server.

agent = Agent(tools=[mcp("python -m mcp_server_time")])
"""

from .tools import McpTools, mcp

__all__ = ["McpTools", "mcp"]
