"""A call to an agent's MCP server that the client gives up, and a server that is told to end."""

import asyncio
import os
import signal
import subprocess
import sys
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

pytest.importorskip("mcp_types", reason="needs the extra: pip install 'treadle[mcp]'")

import httpx2
from mcp.client.streamable_http import streamable_http_client

from mcp import Client
from treadle import Agent, MemoryStore, ScriptedModel, SQLiteStore, tool
from treadle.mcp.serve import make_server
from treadle.models.scripted import calls, says
from treadle.tools.ask import ask_user

LONG_S = 60.0
BOTH = pytest.mark.parametrize("mode", ["auto", "legacy"])


class Shop:
    """An agent whose tool comes to its end when it is let."""

    def __init__(self):
        self.at_work = asyncio.Event()
        self.may_end = asyncio.Event()

        @tool
        async def look() -> str:
            """Look."""
            self.at_work.set()
            await self.may_end.wait()
            return "red"

        model = ScriptedModel([calls("look"), says("a red one")])
        self.agent = Agent("Sell.", name="shop", model=model, tools=[look], store=MemoryStore())

    async def begin(self, client):
        """Call it: the call, and its thread, once the tool is at work."""
        call = asyncio.create_task(client.call_tool("shop", {"message": "a lamp"}))
        await self.at_work.wait()
        [thread] = await self.agent.store.threads(2)
        return call, thread.thread_id


async def cancel(call):
    call.cancel()
    with suppress(asyncio.CancelledError):
        await call


@BOTH
def test_a_call_that_its_client_cancels_ends_its_turn(mode):
    async def main():
        shop = Shop()
        async with (
            asyncio.timeout(LONG_S),
            Client(make_server(shop.agent), mode=mode) as client,
        ):
            call, thread = await shop.begin(client)
            await cancel(call)
            return await shop.agent.resume(thread)

    result = asyncio.run(main())
    assert result.status == "cancelled"
    assert result.reason.endswith("(MCP)")


def test_who_only_waited_for_a_turn_ends_nothing_by_leaving():
    async def main():
        shop = Shop()
        async with (
            asyncio.timeout(LONG_S),
            Client(make_server(shop.agent)) as client,
            Client(make_server(shop.agent)) as other,
        ):
            call, thread = await shop.begin(client)
            waits = asyncio.create_task(other.call_tool("shop", {"thread": thread}))
            await other.list_tools()  # it has come to wait by then
            await cancel(waits)
            shop.may_end.set()
            return await call

    assert asyncio.run(main()).structured_content["answer"] == "a red one"


def test_who_gives_up_what_they_said_into_a_turn_that_waits_leaves_it_waiting():
    async def main():
        shop = Shop()
        shop.agent = replace(
            shop.agent,
            model=ScriptedModel([calls(("ask_user", {"question": "Which?"})), calls("look")]),
            tools=[*shop.agent.tools, ask_user],
        )
        async with asyncio.timeout(LONG_S), Client(make_server(shop.agent)) as client:
            first = await client.call_tool("shop", {"message": "a lamp"})
            assert first.structured_content["status"] == "waiting"
            again = {"message": "any news?", "thread": first.structured_content["thread"]}
            call = asyncio.create_task(client.call_tool("shop", again))
            await shop.at_work.wait()
            await cancel(call)
            return await shop.agent.summary(again["thread"])

    assert asyncio.run(main()).status == "unfinished"


def test_a_client_that_is_gone_in_mid_call_leaves_no_turn_at_work():
    async def main():
        shop = Shop()
        async with asyncio.timeout(LONG_S):
            async with Client(make_server(shop.agent), mode="legacy") as client:
                call, thread = await shop.begin(client)
            with suppress(Exception):
                await call
            return await shop.agent.resume(thread)

    assert asyncio.run(main()).status == "cancelled"


AGENT = """
import asyncio
from pathlib import Path
from treadle import Agent, ScriptedModel, tool
from treadle.models.scripted import calls, says

HERE = Path(__file__).parent

@tool
def look() -> str:
    "Look."
    (HERE / "at_work").write_text("now")
    return (HERE / "may_end").read_text()

@tool
async def hang() -> str:
    "Hang."
    await asyncio.sleep(1e6)

agent = Agent(name="shop", model=ScriptedModel([calls("look"), calls("hang")]), tools=[look, hang])
"""


@pytest.mark.slow
def test_a_server_over_http_that_is_told_to_end_lets_its_turns_go(tmp_path):
    (tmp_path / "shop.py").write_text(AGENT)
    for name in ("at_work", "may_end"):
        os.mkfifo(tmp_path / name)
    database = tmp_path / "a.db"
    source = Path(__file__).parents[2] / "src"
    server = subprocess.Popen(
        [sys.executable, "-m", "treadle", "mcp", f"{tmp_path / 'shop.py'}:agent", "--http", "0"],
        env={
            **os.environ,
            "PYTHONPATH": str(source),
            "TREADLE_MCP_TOKEN": "hush",
            "TREADLE_DB": str(database),
        },
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        url = server.stderr.readline().split()[-1]
        asyncio.run(_tell_to_end_in_mid_call(url, server, tmp_path))
        server.wait(LONG_S)
    finally:
        server.kill()
        server.wait()
        server.stderr.close()

    async def read():
        store = SQLiteStore(database)
        [thread] = await store.threads(2)
        return thread.status

    assert asyncio.run(read()) == "unfinished"


async def _tell_to_end_in_mid_call(url, server, folder):
    told = False
    try:
        async with (
            asyncio.timeout(LONG_S),
            httpx2.AsyncClient(headers={"Authorization": "Bearer hush"}) as http,
            Client(streamable_http_client(url, http_client=http)) as client,
        ):
            call = asyncio.create_task(client.call_tool("shop", {"message": "a lamp"}))
            await asyncio.to_thread((folder / "at_work").read_text)
            server.send_signal(signal.SIGTERM)
            told = True
            await asyncio.to_thread((folder / "may_end").write_text, "red")
            with suppress(Exception):
                await call
    except Exception:
        if not told:  # else it is that the server is gone
            raise
