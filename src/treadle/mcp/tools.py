"""`mcp()`: the tools of MCP servers, for an agent's `tools=[...]`."""

import os
from collections.abc import Sequence
from dataclasses import replace
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from ..core.check_settings import check_flags, check_number
from ..core.errors import UsageError
from ..core.tool import Tool
from ..this_user import expand_home
from .server_config import ServerConfig, read_config, read_server

if TYPE_CHECKING:
    from .server_tools import NamedTool, ServerTools

TIMEOUT_S = 60.0


def mcp(
    server: str,
    *,
    name: str = "",
    tools: Sequence[str] = ("*",),
    trusted: bool = False,
    timeout_s: float = TIMEOUT_S,
) -> "McpTools":
    """The tools of an MCP server, or of all servers of an `mcp.json`.

        mcp("python -m mcp_server_time")     a command line: stdio
        mcp("https://example.com/mcp")       a URL: streamable HTTP
        mcp("mcp.json")                      a file, as other clients write it

    A tool's name is `time__convert_time`: the server's name (`name`, else made of the command), two
    underscores, its own. `tools` are globs over their own names. Each call needs approval, unless a
    rule of the agent says otherwise, or `trusted`: then the server's hints say which do.
    `timeout_s`: for a call, from its last word of progress. Nothing starts before an agent runs.
    Raises UsageError.
    """
    check_number("mcp(timeout_s=)", timeout_s)
    check_flags("mcp", trusted=trusted)
    if isinstance(tools, str):
        tools = (tools,)
    found = _read(server, name)
    return McpTools(found, tuple(tools), trusted, timeout_s)


class McpTools:
    """Gives an agent the tools of MCP servers: see `mcp`."""

    def __init__(
        self,
        servers: Sequence[ServerConfig],
        globs: tuple[str, ...],
        trusted: bool,
        timeout_s: float,
    ) -> None:
        self.servers = tuple(servers)
        self._globs = globs
        self._trusted = trusted
        self._timeout_s = timeout_s
        self._found: tuple[tuple[NamedTool, ...], ...] = ()
        self._tools: tuple[Tool, ...] = ()

    def __repr__(self) -> str:
        return f"mcp({', '.join(server.name for server in self.servers)})"

    def find_tools(self) -> Sequence[Tool]:
        """The tools of its servers, which are started where they aren't yet. Raises UsageError."""
        found = tuple(each.find_named() for each in self.sources())
        if any(new is not old for new, old in zip(found, self._found, strict=False)) or not (
            self._found
        ):
            self._found = found
            self._tools = tuple(
                tool for tools in found for own, tool in tools if self._is_chosen(own)
            )
        return self._tools

    def sources(self) -> "list[ServerTools]":
        """Its servers, one by one. Raises UsageError where the SDK isn't installed."""
        try:
            from .server_tools import server_tools
        except ImportError as error:
            raise UsageError(
                f"MCP needs a library that isn't installed ({error.name}): pip install"
                " 'treadle[mcp]'"
            ) from None
        return [server_tools(each, self._trusted, self._timeout_s) for each in self.servers]

    def _is_chosen(self, own_name: str) -> bool:
        return any(fnmatchcase(own_name, glob) for glob in self._globs)


def _read(server: str, name: str) -> list[ServerConfig]:
    if not isinstance(server, str):
        raise UsageError(
            f"mcp({server!r}): give a command line, a URL or the path of an mcp.json, as a text"
        )
    path = expand_home(server)
    if path.suffix != ".json":
        return [read_server(server, name)]
    try:
        text = path.read_text("utf8")
        place, folder = os.path.abspath(path), os.getcwd()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"mcp({server!r}): {error}") from None
    found = read_config(text, server)
    if name:
        found = [each for each in found if each.name == name]
    if not found:
        raise UsageError(f"{server} names no server {name}".rstrip())
    return [replace(each, source=place, folder=folder) for each in found]
