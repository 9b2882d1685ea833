"""How an MCP server is started or reached: a command, a URL, or an entry of an `mcp.json`. Pure.

`${NAME}` and `${NAME:-default}` stand for variables of the environment, as in other clients. They
are put in when the server is started: what is shown and consented to is the text as it is written.
"""

import json
import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import PurePath
from typing import Any
from urllib.parse import urlsplit

import msgspec

from ..core.errors import UsageError
from ..core.strict_json import value_of

Pairs = tuple[tuple[str, str], ...]
_LAUNCHERS = re.compile(r"python[\d.]*|node|npx|bunx|deno|uvx?|pipx|run|tool")
_AFFIXES = re.compile(r"^(mcp[-_])?(server[-_])?|([-_]mcp)?([-_]server)?([-_]mcp)?$")
_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)(?::-([^}]*))?\}")


@dataclass(frozen=True)
class ServerConfig:
    """One server. Either `command` or `url` says where it is."""

    name: str
    command: tuple[str, ...] = ()
    env: Pairs = field(default=(), repr=False)
    """What it gets besides the short environment that every server gets."""
    cwd: str = ""
    url: str = ""
    headers: Pairs = field(default=(), repr=False)
    source: str = ""
    """The file that names it; "" for one that stands in code or on the command line."""
    folder: str = ""
    """Where relative paths of one that a file names start from; absolute."""

    @property
    def line(self) -> str:
        """The exact command line, or the URL without a password."""
        if self.url:
            return _without_password(self.url)
        return shlex.join(self.command)

    @property
    def place(self) -> str:
        """The folder that a command starts in; "" for the working folder, whichever it is."""
        if self.url or not self.folder:
            return self.cwd
        return str(PurePath(self.folder, self.cwd))

    @property
    def identity(self) -> str:
        """The same for what a person has consented to: all of it, as it is written.

        One that a file names is never the same as one in code, and what a relative command line
        starts is another program in another folder.
        """
        told: list[Any] = [self.command, self.env, self.cwd, self.url]
        told.append([name for name, _ in self.headers])
        if self.source:
            told += ["of a file", self.place]
        return json.dumps(told, separators=(",", ":"))


def read_server(text: str, name: str = "") -> ServerConfig:
    """The server of a command line or of a URL; its name is made of that. Raises UsageError."""
    text = text.strip()
    if not text:
        raise UsageError("which MCP server? Give a command line, a URL or the path of an mcp.json")
    if re.match(r"https?://", text):
        return _checked(ServerConfig(name or _name_of_url(text), url=text))
    try:
        command = tuple(shlex.split(text))
    except ValueError as error:
        raise UsageError(f"the MCP server's command line {text!r}: {error}") from None
    return _checked(ServerConfig(name or _name_of_command(command), command))


def read_config(text: str, source: str) -> list[ServerConfig]:
    """The servers of an `mcp.json`, in their order. Raises UsageError, which names the `source`."""
    try:
        told = value_of(text)
    except ValueError as error:
        raise UsageError(f"{source} is no JSON: {error}") from None
    servers = None
    if isinstance(told, dict):
        servers = told.get("mcpServers", told.get("servers"))
    if not isinstance(servers, dict):
        raise UsageError(f'{source} names no servers: it needs {{"mcpServers": {{...}}}}')
    return [
        _read_entry(name, entry, f"{source}, server {name!r}")
        for name, entry in servers.items()
        if not (isinstance(entry, dict) and entry.get("disabled") is True)
    ]


class _Entry(msgspec.Struct):
    """One server in an `mcp.json`; other clients' further settings are left out."""

    command: str = ""
    args: list[str] = []
    env: dict[str, str] = {}
    cwd: str = ""
    type: str = ""
    url: str = ""
    headers: dict[str, str] = {}


def _read_entry(name: str, entry: Any, where: str) -> ServerConfig:
    try:
        told = msgspec.convert(entry, _Entry)
    except msgspec.ValidationError as error:
        raise UsageError(f"{where}: {error}") from None
    if told.type == "sse":
        raise UsageError(f"{where}: the transport sse is gone from MCP; give its http address")
    if bool(told.command) == bool(told.url):
        raise UsageError(f"{where}: give one of command and url")
    command = (told.command, *told.args) if told.command else ()
    env, headers = tuple(told.env.items()), tuple(told.headers.items())
    return _checked(ServerConfig(name, command, env, told.cwd, told.url, headers))


def _checked(server: ServerConfig) -> ServerConfig:
    if not re.search(r"[A-Za-z0-9]", server.name):
        raise UsageError(f"the MCP server {server.name!r} needs a name with a letter: mcp(name=)")
    if server.url and not re.match(r"https?://", server.url):
        raise UsageError(f"the MCP server {server.name}: {server.url!r} is no http address")
    return server


def fill_in(text: str, environment: Mapping[str, str], where: str) -> str:
    """The text with the values of its variables. Raises UsageError for one that isn't set."""

    def value(found: re.Match[str]) -> str:
        name, default = found.groups()
        given = environment.get(name, default)
        if given is None:
            raise UsageError(f"{where} needs the variable {name}, which isn't set")
        return given

    return _VARIABLE.sub(value, text)


def _name_of_command(command: tuple[str, ...]) -> str:
    """Such as `time` of `python -m mcp_server_time`."""
    words = [PurePath(word).name for word in command if not word.startswith("-")]
    named = [word for word in words if not _LAUNCHERS.fullmatch(word) and "=" not in word]
    word = (named or words or [""])[0]
    word = re.sub(r"(\.(py|js|mjs|ts|exe))$|@[^@]*$", "", word)
    return _AFFIXES.sub("", word) or word


def _name_of_url(url: str) -> str:
    host = urlsplit(url).hostname or ""
    if re.fullmatch(r"[\d.:]+", host):
        return re.sub(r"[.:]", "_", host)
    parts = [part for part in host.split(".") if part not in ("www", "mcp", "api")]
    return "_".join(parts[:-1]) or host.replace(".", "_")


def _without_password(url: str) -> str:
    return re.sub(r"//[^/@]*@", "//", url, count=1)
