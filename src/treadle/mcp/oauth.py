"""Logging in at MCP servers that want it: OAuth by the SDK, with tokens in a file of the user's.

A login needs a person and their browser, so only `treadle mcp-login` begins one. Anywhere else a
server that wants one is an error that says so; tokens that are there are used, and renewed.
"""

import asyncio
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx2
import msgspec
from mcp.client.auth import OAuthClientProvider
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.auth import (
    AuthorizationCodeResult,
    OAuthClientInformationFull,
    OAuthClientMetadata,
    OAuthToken,
)
from pydantic import AnyUrl

from mcp import Client

from ..core.errors import UsageError
from ..core.raised import describe_raised, first_error
from ..models.known_secrets import redact_known
from ..this_user import read_private, write_private
from .consents import consents_path
from .server_config import ServerConfig

LOGIN_S = 300.0
"""How long a person has to log in."""
_PAGE = (
    b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\nconnection: close\r\n\r\nYou may close this."
)


class _Login(msgspec.Struct, frozen=True, omit_defaults=True):
    """What is kept of one server: as the SDK writes it."""

    tokens: dict[str, Any] | None = None
    client: dict[str, Any] | None = None


class TokenFile:
    """The tokens of one server, in the user's file: see `TokenStorage` of the SDK."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._path = consents_path().with_name("mcp-tokens.json")

    async def get_tokens(self) -> OAuthToken | None:
        told = self._read().get(self._url, _Login()).tokens
        return OAuthToken.model_validate(told) if told else None

    async def set_tokens(self, tokens: OAuthToken) -> None:
        self._write(tokens=tokens.model_dump(mode="json", exclude_none=True))

    async def get_client_info(self) -> OAuthClientInformationFull | None:
        told = self._read().get(self._url, _Login()).client
        return OAuthClientInformationFull.model_validate(told) if told else None

    async def set_client_info(self, client_info: OAuthClientInformationFull) -> None:
        self._write(client=client_info.model_dump(mode="json", exclude_none=True))

    def forget(self) -> _Login:
        """Log out here, and give what was kept: the server isn't asked."""
        before = self._read().get(self._url, _Login())
        self.put_back(_Login())
        return before

    def put_back(self, login: _Login) -> None:
        """Keep again what `forget` gave."""
        self._write(tokens=login.tokens, client=login.client)

    def _read(self) -> dict[str, _Login]:
        return read_private(self._path, dict[str, _Login], "has tokens")

    def _write(self, **changes: Any) -> None:
        logins = self._read()
        known = logins.get(self._url, _Login())
        logins[self._url] = msgspec.structs.replace(known, **changes)
        write_private(self._path, msgspec.json.encode(logins))


def make_auth(server: ServerConfig, url: str) -> httpx2.Auth | None:
    """What sends the tokens; None where the configuration has a header of its own for that."""
    if any(name.lower() == "authorization" for name, _ in server.headers):
        return None

    async def refuse(_: str) -> None:
        raise UsageError(
            f"the MCP server {server.name} wants you to log in: treadle mcp-login {server.line}"
        )

    async def never() -> AuthorizationCodeResult:
        raise UsageError("nobody logs in here")

    metadata = _metadata("http://127.0.0.1/callback")
    return OAuthClientProvider(url, metadata, TokenFile(url), refuse, never)


async def log_in(server: ServerConfig, show: Callable[[str], None]) -> None:
    """Log in: `show` gives a person the address that they open. Raises UsageError.

    Nothing opens that address by itself: it is text of a server.
    """
    came: asyncio.Future[AuthorizationCodeResult] = asyncio.get_running_loop().create_future()

    async def hear(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        line = (await reader.readline()).decode("ascii", "replace")
        path = (line.split() or ["", ""])[1]
        given = {name: values[0] for name, values in parse_qs(urlsplit(path).query).items()}
        if "code" in given and not came.done():
            names = ("code", "state", "iss")
            found = {name: given[name] for name in names if name in given}
            came.set_result(AuthorizationCodeResult.model_validate(found))
        elif "error" in given and not came.done():
            said = redact_known(given.get("error_description", given["error"]))[:300]
            came.set_exception(UsageError(f"the server refused the login: {said}"))
        writer.write(_PAGE)
        await writer.drain()
        writer.close()

    async def tell(address: str) -> None:
        show(address)

    async def wait() -> AuthorizationCodeResult:
        return await came

    tokens = TokenFile(server.url)
    before = tokens.forget()  # it is registered anew, for the port that is listened on now
    async with await asyncio.start_server(hear, "127.0.0.1", 0) as listening:
        port = listening.sockets[0].getsockname()[1]
        metadata = _metadata(f"http://127.0.0.1:{port}/callback")
        auth = OAuthClientProvider(server.url, metadata, tokens, tell, wait)
        try:
            await _use(server.url, auth)
            if await tokens.get_tokens() is None:
                raise UsageError(f"the MCP server {server.name} wants no login")
        except BaseException as error:  # the SDK's are many, and in groups
            tokens.put_back(before)
            if not isinstance(error, Exception):  # Ctrl-C
                raise
            raise _in_words(server, first_error(error)) from error


async def _use(url: str, auth: httpx2.Auth) -> None:
    """Ask the server for what it gives nobody who hasn't logged in."""
    async with (
        asyncio.timeout(LOGIN_S),
        httpx2.AsyncClient(auth=auth) as http_client,
        Client(streamable_http_client(url, http_client=http_client), cache=None) as client,
    ):
        await client.list_tools()


def _in_words(server: ServerConfig, error: BaseException) -> UsageError:
    if isinstance(error, UsageError):
        return error
    why = redact_known(describe_raised(error))
    if isinstance(error, TimeoutError):
        why = f"nobody has within {LOGIN_S:g} s"
    return UsageError(f"no login at the MCP server {server.name} ({server.line}): {why[:500]}")


def _metadata(redirect: str) -> OAuthClientMetadata:
    return OAuthClientMetadata(client_name="Treadle", redirect_uris=[AnyUrl(redirect)])
