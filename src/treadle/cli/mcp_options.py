"""The options of the commands about MCP. Imports nothing slow."""

from dataclasses import dataclass

from .options import StoreOptions
from .parameters import make_argument, make_flag, make_option


@dataclass(frozen=True, kw_only=True)
class McpAllowOptions:
    server: str = make_argument("SERVER", "A command line, a URL or the path of an mcp.json.")
    name: str | None = make_option("NAME", "Of an mcp.json, only the server of this name.")
    trust: bool = make_flag("Let its hints say which calls need your approval.")
    yes: bool = make_flag("Ask nothing.")
    forget: bool = make_flag("Take it back.")


@dataclass(frozen=True, kw_only=True)
class McpLoginOptions:
    server: str = make_argument("SERVER", "Its URL, or the path of an mcp.json.")
    name: str | None = make_option("NAME", "Of an mcp.json, only the server of this name.")
    forget: bool = make_flag("Forget the tokens.")


@dataclass(frozen=True, kw_only=True)
class McpServeOptions(StoreOptions):
    agent: str = make_argument("MODULE:AGENT", "Your Agent; or path/file.py:name.")
    http: int | None = make_option(
        "PORT",
        "Streamable HTTP on 127.0.0.1, with a token; else standard input and output.",
        min=0,
        max=65_535,
    )
