"""The options of the commands about MCP. Imports nothing slow."""

from dataclasses import dataclass
from typing import Annotated

from .options import StoreOptions
from .parameters import make_argument, make_option


@dataclass(frozen=True, kw_only=True)
class McpAllowOptions:
    server: Annotated[
        str,
        make_argument(metavar="SERVER", help="A command line, a URL or the path of an mcp.json."),
    ]
    name: Annotated[
        str | None,
        make_option(metavar="NAME", help="Of an mcp.json, only the server of this name."),
    ] = None
    trust: Annotated[
        bool,
        make_option("--trust", help="Let its hints say which calls need your approval."),
    ] = False
    yes: Annotated[bool, make_option("--yes", help="Ask nothing.")] = False
    forget: Annotated[bool, make_option("--forget", help="Take it back.")] = False


@dataclass(frozen=True, kw_only=True)
class McpLoginOptions:
    server: Annotated[
        str, make_argument(metavar="SERVER", help="Its URL, or the path of an mcp.json.")
    ]
    name: Annotated[
        str | None,
        make_option(metavar="NAME", help="Of an mcp.json, only the server of this name."),
    ] = None
    forget: Annotated[bool, make_option("--forget", help="Forget the tokens.")] = False


@dataclass(frozen=True, kw_only=True)
class McpServeOptions(StoreOptions):
    agent: Annotated[
        str, make_argument(metavar="MODULE:AGENT", help="Your Agent; or path/file.py:name.")
    ]
    http: Annotated[
        int | None,
        make_option(
            min=0,
            max=65_535,
            metavar="PORT",
            help="Streamable HTTP on 127.0.0.1, with a token; else standard input and output.",
        ),
    ] = None
