"""Streamable HTTP, both ways: our client at our server, on loopback, behind a token, in both eras."""

import asyncio
import contextlib
import json
import threading
import time

import pytest

pytest.importorskip("mcp_types", reason="needs the extra: pip install 'treadle[mcp]'")

import httpx2
import uvicorn
from mcp.client.streamable_http import streamable_http_client

from mcp import Client
from treadle import Agent, MemoryStore, ScriptedModel, UsageError
from treadle.cli.mcp_serve import require_token
from treadle.mcp import mcp
from treadle.mcp.consents import write_consent
from treadle.mcp.serve import make_server
from treadle.models.scripted import calls, says


@contextlib.contextmanager
def served(agent):
    """The address of the agent's server, whose token is `hush`."""
    app = require_token(make_server(agent).streamable_http_app(host="127.0.0.1"), "hush")
    config = uvicorn.Config(app, host="127.0.0.1", port=0, log_level="error")
    listening = config.bind_socket()
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, args=([listening],))
    thread.start()
    while not server.started:
        time.sleep(0.005)
    try:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}/mcp"
    finally:
        server.should_exit = True
        thread.join()


def test_an_agent_uses_another_one_over_http_with_a_token_of_the_environment(tmp_path, monkeypatch):
    monkeypatch.setenv("SHOP_TOKEN", "hush")
    shop = Agent(name="shop", model=ScriptedModel([says("red lamps")]), store=MemoryStore())
    with served(shop) as url:
        entry = {"type": "http", "url": url, "headers": {"Authorization": "Bearer ${SHOP_TOKEN}"}}
        config = tmp_path / "mcp.json"
        config.write_text(json.dumps({"mcpServers": {"lamps": entry}}))
        source = mcp(str(config))
        [server] = source.sources()
        write_consent(
            server.config, {each.name: each.digest for each in server.definitions()}, trusted=True
        )
        model = ScriptedModel([calls(("lamps__shop", {"message": "which?"})), says("so")])
        agent = Agent(tools=[source], model=model, store=MemoryStore(), rules=[])
        result = agent.run_sync("ask the shop")
        assert result.status == "waiting"  # it has no hints: the call needs approval
    assert "hush" not in repr(result.records) + repr(result) + repr(source.servers)


@pytest.mark.parametrize("mode", ["auto", "legacy"])
def test_both_eras_are_spoken_over_http(mode):
    shop = Agent(name="shop", model=ScriptedModel([says("red lamps")]), store=MemoryStore())

    async def main(url):
        headers = {"Authorization": "Bearer hush"}
        async with (
            httpx2.AsyncClient(headers=headers) as http,
            Client(streamable_http_client(url, http_client=http), mode=mode) as client,
        ):
            result = await client.call_tool("shop", {"message": "which?"})
            assert result.structured_content["answer"] == "red lamps"

    with served(shop) as url:
        asyncio.run(main(url))


@pytest.mark.slow
def test_without_the_token_nobody_gets_in_and_no_page_of_a_browser_does():
    shop = Agent(name="shop", model=ScriptedModel([]), store=MemoryStore())
    with served(shop) as url:
        wrong = {"Authorization": "Bearer hush!"}
        assert httpx2.post(url, json={}).status_code == 401
        assert httpx2.post(url, json={}, headers=wrong).status_code == 401
        right = {"Authorization": "Bearer hush"}
        assert (
            httpx2.post(url, json={}, headers={**right, "Host": "evil.example"}).status_code == 421
        )
        assert (
            httpx2.post(
                url, json={}, headers={**right, "Origin": "https://evil.example"}
            ).status_code
            == 403
        )
        with pytest.raises(UsageError, match="can't be started or reached"):
            mcp(url).find_tools()


def test_a_server_that_is_gone_is_named():
    with pytest.raises(
        UsageError, match=r"can't be started or reached \(http://127\.0\.0\.1:9/mcp\)"
    ):
        mcp("http://127.0.0.1:9/mcp").find_tools()
