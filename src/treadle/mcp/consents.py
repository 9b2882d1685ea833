"""What a user has consented to: exact command lines, and a digest of each tool's definition.

1. It is one file of the user, that nobody else may read or write, and never in a project's folder.
2. A command that a file names starts only after consent, which is for the folder that it starts
   in: `python server.py` is another program elsewhere. One that stands in code or on the command
   line has been chosen by whoever wrote it there, and that says nothing for a file.
3. Definitions are pinned when a server is first used. A tool whose definition has changed since, or
   that is new, is withheld until somebody has looked at it.
"""

import hashlib
import logging
import os
from collections.abc import Mapping
from pathlib import Path

import msgspec

from ..core.errors import UsageError
from ..this_user import NoHome, read_private, user_folder, write_private
from .server_config import ServerConfig

PATH_VARIABLE = "TREADLE_MCP_CONSENTS"
_logger = logging.getLogger("treadle.mcp")


class Consent(msgspec.Struct, frozen=True):
    """To one server: its command or URL, and its tools as they were then."""

    name: str
    line: str
    """For people: the server is known by the digest of its identity."""
    tools: dict[str, str] = {}
    """By the server's own names, the digest of each definition."""
    trusted: bool = False
    """Its hints about its tools count."""


class _Consents(msgspec.Struct, frozen=True):
    servers: dict[str, Consent] = {}


def consents_path() -> Path:
    """TREADLE_MCP_CONSENTS, or a file in the user's configuration folder."""
    if given := os.environ.get(PATH_VARIABLE):
        return Path(given)
    return user_folder("config", f"{PATH_VARIABLE} to a path") / "mcp-consents.json"


def read_consent(server: ServerConfig) -> Consent | None:
    """What the user has consented to of this server. Raises UsageError for a damaged file."""
    return _read_all().servers.get(_key(server))


def write_consent(
    server: ServerConfig, tools: Mapping[str, str] | None, trusted: bool = False
) -> None:
    """Keep the consent; None takes it back. Raises UsageError where the file can't be written."""
    servers = {**_read_all().servers}
    servers.pop(_key(server), None)
    if tools is not None:
        servers[_key(server)] = Consent(server.name, server.line, dict(tools), trusted)
    write_private(consents_path(), msgspec.json.format(msgspec.json.encode(_Consents(servers))))


def require_start(server: ServerConfig) -> Consent | None:
    """The consent so far. Raises UsageError where the server must not be started without one."""
    consent = read_consent(server)
    if consent is None and server.source:
        where = f" in the folder {server.place}" if server.place else ""
        raise UsageError(
            f"{server.source} names an MCP server {server.name!r}, and nobody has allowed it yet"
            f"{where}. It would use: {server.line}\n"
            f"If that is right, say there: treadle mcp-allow {server.source}"
        )
    return consent


def pin(server: ServerConfig, consent: Consent | None, found: Mapping[str, str]) -> set[str]:
    """The names of the tools that may be offered: all at the first use, which are kept then."""
    if consent is None:
        try:
            write_consent(server, found)
        except UsageError as error:
            _logger.warning(
                "the tools of the MCP server %s aren't pinned beyond this process: %s",
                server.name,
                error,
            )
        return {*found}
    same = {name for name, digest in found.items() if consent.tools.get(name) == digest}
    if withheld := sorted(found.keys() - same):
        _logger.warning(
            "the MCP server %s has other definitions than were allowed; withheld are: %s."
            " Look at them and allow them: treadle mcp-allow %s",
            server.name,
            ", ".join(withheld),
            server.source or f"'{server.line}'",
        )
    return same


def _read_all() -> _Consents:
    try:
        path = consents_path()
    except NoHome:
        return _Consents()
    return read_private(path, _Consents, "says what MCP servers may do here")


def _key(server: ServerConfig) -> str:
    return hashlib.sha256(server.identity.encode()).hexdigest()
