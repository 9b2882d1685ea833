"""A server at standard input and output that is told to end keeps what its tools give, and its turns stay open."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from treadle import SQLiteStore
from treadle.core import events as e
from treadle.stores.rows import from_rows

LONG_S = 60.0
SHOP = """
from pathlib import Path
from treadle import Agent, ScriptedModel, tool
from treadle.models.scripted import calls, says

HERE = Path(__file__).parent

@tool
def look() -> str:
    "Look."
    (HERE / "at_work").write_text("now")
    return (HERE / "may_end").read_text()

agent = Agent(name="shop", model=ScriptedModel([calls("look"), says("a red one")]), tools=[look])
"""


class Client:
    """Whoever has started the server, and speaks JSON-RPC with it."""

    def __init__(self, command: str, folder: Path) -> None:
        words = [sys.executable, "-m", "treadle", command, f"{folder / 'shop.py'}:agent"]
        source = Path(__file__).parents[2] / "src"
        self.process = subprocess.Popen(
            [*words, "--db", str(folder / "a.db")],
            env={**os.environ, "PYTHONPATH": str(source)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def send(self, method: str, **params: object) -> None:
        message = {"jsonrpc": "2.0", "id": method, "method": method, "params": params}
        self.process.stdin.write(json.dumps(message) + "\n")
        self.process.stdin.flush()

    def ask(self, method: str, **params: object) -> dict[str, object]:
        self.send(method, **params)
        return json.loads(self.process.stdout.readline())["result"]

    def end(self) -> None:
        self.process.kill()
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            pipe.close()


def begin_mcp(client):
    info = {"name": "test", "version": "1"}
    client.ask("initialize", protocolVersion="2025-06-18", capabilities={}, clientInfo=info)
    client.send("tools/call", name="shop", arguments={"message": "a lamp"})


def begin_acp(client):
    client.ask("initialize", protocolVersion=1)
    session = client.ask("session/new", cwd="/", mcpServers=[])["sessionId"]
    said = [{"type": "text", "text": "a lamp"}]
    client.send("session/prompt", sessionId=session, prompt=said)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("begin", "needs", "how", "code"),
    [
        (begin_mcp, "mcp_types", signal.SIGTERM, 143),
        (begin_acp, "acp", signal.SIGTERM, 143),
        (begin_acp, "acp", signal.SIGINT, 130),
        (begin_acp, "acp", None, 0),
    ],
)
def test_a_server_that_is_told_to_end_lets_its_turn_go(tmp_path, begin, needs, how, code):
    pytest.importorskip(needs)
    (tmp_path / "shop.py").write_text(SHOP)
    for name in ("at_work", "may_end"):
        os.mkfifo(tmp_path / name)
    client = Client(begin.__name__.removeprefix("begin_"), tmp_path)
    try:
        begin(client)
        (tmp_path / "at_work").read_text()
        if how:
            client.process.send_signal(how)
        else:
            client.process.stdin.close()
        (tmp_path / "may_end").write_text("red")
        assert client.process.wait(LONG_S) == code
    finally:
        client.end()

    async def read():
        store = SQLiteStore(tmp_path / "a.db")
        [thread] = await store.threads(2)
        return thread.status, from_rows(thread.thread_id, await store.read(thread.thread_id))

    status, records = asyncio.run(read())
    assert status in ("unfinished", "answered")  # if the tool's end was there before the signal
    [returned] = [each.event for each in records if isinstance(each.event, e.ToolReturned)]
    assert returned.content == "red"
