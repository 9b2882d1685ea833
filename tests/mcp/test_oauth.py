"""Logging in at a server: the SDK's own authorization server on loopback, a person's browser, tokens in a private file."""

import asyncio
import contextlib
import secrets
import stat
import threading
import time

import pytest

pytest.importorskip("mcp_types", reason="needs the extra: pip install 'treadle[mcp]'")

import httpx2
import uvicorn
from mcp.server import MCPServer
from mcp.server.auth.provider import (
    AccessToken,
    AuthorizationCode,
    RefreshToken,
    construct_redirect_uri,
)
from mcp.server.auth.settings import AuthSettings, ClientRegistrationOptions
from mcp.shared.auth import OAuthToken

from treadle import UsageError
from treadle.mcp import background, mcp
from treadle.mcp.oauth import TokenFile, log_in


class Accounts:
    """An authorization server whose person says yes to everybody."""

    def __init__(self):
        self.clients, self.codes, self.tokens = {}, {}, {}

    async def get_client(self, client_id):
        return self.clients.get(client_id)

    async def register_client(self, client_info):
        self.clients[client_info.client_id] = client_info

    async def authorize(self, client, params):
        code = AuthorizationCode(
            code=secrets.token_hex(),
            scopes=[],
            expires_at=time.time() + 60,
            client_id=client.client_id,
            code_challenge=params.code_challenge,
            redirect_uri=params.redirect_uri,
            redirect_uri_provided_explicitly=True,
            resource=params.resource,
        )
        self.codes[code.code] = code
        return construct_redirect_uri(str(params.redirect_uri), code=code.code, state=params.state)

    async def load_authorization_code(self, client, code):
        return self.codes.get(code)

    async def exchange_authorization_code(self, client, code):
        return self._give(client, code.resource)

    def _give(self, client, resource):
        token, refresh = secrets.token_hex(), secrets.token_hex()
        self.tokens[token] = AccessToken(
            token=token, client_id=client.client_id, scopes=[], resource=resource
        )
        self.tokens[refresh] = RefreshToken(
            token=refresh, client_id=client.client_id, scopes=[], resource=resource
        )
        return OAuthToken(access_token=token, refresh_token=refresh, expires_in=3600)

    async def load_refresh_token(self, client, token):
        return self.tokens.get(token)

    async def exchange_refresh_token(self, client, token, scopes):
        return self._give(client, token.resource)

    async def load_access_token(self, token):
        return self.tokens.get(token)

    async def revoke_token(self, token):
        self.tokens.pop(token.token, None)


@contextlib.contextmanager
def running(config, listening=None):
    """A server at work: its address."""
    listening = listening or config.bind_socket()
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, args=([listening],))
    thread.start()
    while not server.started:
        time.sleep(0.005)
    try:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()


@contextlib.contextmanager
def served():
    """The address of a server that wants a login."""
    config = uvicorn.Config(None, host="127.0.0.1", port=0, log_level="error")
    listening = config.bind_socket()
    place = f"http://127.0.0.1:{listening.getsockname()[1]}"
    settings = AuthSettings(
        issuer_url=place,
        resource_server_url=f"{place}/mcp",
        validate_token_resource=True,
        client_registration_options=ClientRegistrationOptions(enabled=True),
    )
    lamps = MCPServer("lamps", auth=settings, auth_server_provider=Accounts())

    @lamps.tool()
    def count() -> int:
        return 17

    config.app = lamps.streamable_http_app()
    with running(config, listening):
        yield f"{place}/mcp"


def browser(address):
    """A person opens the address, and is sent back to the one who waits on loopback."""
    threading.Thread(target=lambda: httpx2.get(address, follow_redirects=True)).start()


@pytest.mark.slow
def test_a_login_gives_tokens_that_are_used_and_kept_for_their_owner_alone(consents):
    with served() as url:
        source = mcp(url, name="lamps")
        with pytest.raises(UsageError, match="wants you to log in: treadle mcp-login http://127"):
            source.find_tools()
        asyncio.run(log_in(source.servers[0], browser))
        assert [tool.name for tool in source.find_tools()] == ["lamps__count"]
        background.close_all()
        assert [tool.name for tool in mcp(url, name="lamps", timeout_s=9).find_tools()] == [
            "lamps__count"
        ]
        path = consents.with_name("mcp-tokens.json")
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        TokenFile(url).forget()
        background.close_all()
        with pytest.raises(UsageError, match="wants you to log in"):
            mcp(url, name="lamps", timeout_s=8).find_tools()
        background.close_all()


def test_a_login_that_fails_is_said_in_a_line_and_keeps_the_one_before(consents):
    url = "http://127.0.0.1:1/mcp"
    tokens = TokenFile(url)
    kept = OAuthToken(access_token="one", token_type="Bearer")
    asyncio.run(tokens.set_tokens(kept))
    with pytest.raises(UsageError, match=r"no login at the MCP server lamps .*ConnectError"):
        asyncio.run(log_in(mcp(url, name="lamps").servers[0], browser))
    assert asyncio.run(tokens.get_tokens()) == kept


def test_a_server_that_wants_no_login_leaves_the_tokens_from_before(consents):
    """It may want one again: its tokens are as good as they were."""
    lamps = MCPServer("lamps")

    @lamps.tool()
    def count() -> int:
        return 17

    with running(uvicorn.Config(lamps.streamable_http_app(), port=0, log_level="error")) as place:
        url = f"{place}/mcp"
        tokens = TokenFile(url)
        kept = OAuthToken(access_token="one", token_type="Bearer")
        asyncio.run(tokens.set_tokens(kept))
        with pytest.raises(UsageError, match="lamps wants no login"):
            asyncio.run(log_in(mcp(url, name="lamps").servers[0], browser))
        assert asyncio.run(tokens.get_tokens()) == kept
