"""`--mcp`, and `treadle mcp-allow`: shows what an MCP server is and says, and asks whether it may.

All that a server says is untrusted text, and a model reads all of it: so all of it is shown.
"""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec

from ..core.errors import UsageError
from ..core.visible import make_json_visible, visible_block, visible_line, visible_word
from ..mcp.consents import read_consent, write_consent
from ..mcp.tools import McpTools, mcp
from .parameters import make_argument, make_flag, make_option
from .terminal import Screen, is_interactive

if TYPE_CHECKING:
    from ..mcp.definitions import Definition
    from ..mcp.server_tools import ServerTools


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


def find_servers(given: Iterable[str], interactive: bool) -> list[McpTools]:
    """The tools that `--mcp` names. A person is asked about what they haven't allowed yet.

    Raises UsageError where nobody can be asked, and where they refuse.
    """
    found = [mcp(each) for each in given]
    if not (interactive and is_interactive()):
        return found
    for source in found:
        for server in source.sources():
            _ask_about(server, Screen())
    return found


def allow(settings: McpAllowOptions) -> int:
    """Look at an MCP server, its command line and all of its tools, and allow what they are now.

    With --forget that is taken back. Nothing of it is kept in a project's folder.
    """
    screen = Screen()
    for server in mcp(settings.server, name=settings.name or "").sources():
        if settings.forget:
            write_consent(server.config, None)
            screen.note(f"forgotten: {visible_line(server.config.line, 500)}")
            continue
        _show_server(server, screen)
        if not (settings.yes or _agrees("Start it?", screen)):
            raise UsageError("nothing was allowed")
        tools = server.definitions()
        _show_tools(tools, screen)
        if not (settings.yes or _agrees(f"Allow these {len(tools)} tools?", screen)):
            raise UsageError("nothing was allowed")
        _allow(server, tools, settings.trust)
        screen.note(f"allowed: {visible_line(server.config.name, 100)}", "bold")
    return 0


def login(settings: McpLoginOptions) -> int:
    """Log in at an MCP server that wants it (OAuth): you open the address that is shown.

    The tokens are kept in a file that only you can read.
    """
    screen = Screen()
    source = mcp(settings.server, name=settings.name or "")
    source.sources()  # raises where the SDK isn't installed
    from ..mcp.oauth import TokenFile, log_in

    def show(address: str) -> None:
        screen.note("open this address, if it is the one that you expect:", "bold")
        screen.note(visible_block(address, "  "))

    servers = [server for server in source.servers if server.url]
    if not servers:
        raise UsageError(
            f"{settings.server!r} names no MCP server with a URL, and a command has no login"
        )
    for server in servers:
        if settings.forget:
            TokenFile(server.url).forget()
        else:
            asyncio.run(log_in(server, show))
        done = "forgotten" if settings.forget else "logged in"
        screen.note(f"{done}: {visible_line(server.line, 500)}")
    return 0


def _ask_about(server: "ServerTools", screen: Screen) -> None:
    """Ask about a server that is new, and about tools that have changed since."""
    consent = read_consent(server.config)
    if consent is None:
        _show_server(server, screen)
        if not _agrees("Start it?", screen):
            raise UsageError(f"the MCP server {server.config.name} was not allowed")
    tools = server.definitions()
    allowed = consent.tools if consent else {}
    new = [each for each in tools if allowed.get(each.name) != each.digest]
    if not new:
        return
    if consent:
        screen.note("these definitions are new, or have changed since:", "yellow")
    _show_tools(new, screen)
    if _agrees(f"Allow these {len(new)} tools?", screen):
        _allow(server, tools, bool(consent and consent.trusted))
    elif consent is None:
        raise UsageError(f"the MCP server {server.config.name} was not allowed")


def _allow(server: "ServerTools", tools: "list[Definition]", trusted: bool) -> None:
    write_consent(server.config, {each.name: each.digest for each in tools}, trusted)
    server.forget()


def _show_server(server: "ServerTools", screen: Screen) -> None:
    config = server.config
    screen.note(f"the MCP server {visible_line(config.name, 100)} would use:", "bold")
    screen.note(visible_block(config.line, "  "))
    for name, value in config.env:
        screen.note(visible_block(f"with {name}={value}", "  "))
    for name, _ in config.headers:
        screen.note(visible_block(f"with the header {name}", "  "))
    if config.place:
        screen.note(visible_block(f"in {config.place}", "  "))


def _show_tools(tools: "list[Definition]", screen: Screen) -> None:
    for each in tools:
        screen.note(visible_word(each.name), "bold")
        screen.note(visible_block(each.description, "  "))
        told = msgspec.json.encode(each.rest).decode()
        screen.note(visible_block(make_json_visible(told), "  "), "dim")


def _agrees(question: str, screen: Screen) -> bool:
    if not is_interactive():
        raise UsageError("nobody can be asked here; say --yes if you know what it is")
    return screen.read_line(f"{question} [y/N] ").strip().lower() in ("y", "yes")
