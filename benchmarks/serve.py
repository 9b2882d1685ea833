"""How the server carries a crowd, and how fast it opens a long thread.

    python benchmarks/serve.py                  200 clients that stream, and a thread of 10,000 records
    python benchmarks/serve.py --clients 50 --page /usr/bin/chromium    also in a browser, with Playwright

The server is `treadle serve` in a process of its own. The clients are in this one, so they take their
part of the machine, too. Every client begins a thread and reads its stream to the end: it must have
every record once and in order, and each piece of the text in its place. Then the same crowd beside ten
clients that ask for the long thread and read nothing of it. The load of the machine is printed with the figures: they mean little on
one that is busy.
"""

import argparse
import asyncio
import json
import os
import re
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from urllib.request import Request, urlopen

from threads import steps

from treadle import SQLiteStore
from treadle.core import events as e
from treadle.core.state import State
from treadle.runtime.make_rows import make_rows

KEY = "a-key-for-the-benchmark"
WORDS = 100
PIECE_S = 0.02
SLOW = 10
STUCK_S = 10
TEXT = " ".join(f"word{number}" for number in range(WORDS)) + " "
AGENT = f"""
import asyncio
from treadle import Agent, SQLiteStore
from treadle.core.model import Reply
from treadle.models.scripted import ScriptedModel

class Talker(ScriptedModel):
    async def reply(self, request, emit):
        for word in {TEXT!r}.split():
            emit(word + " ")
            await asyncio.sleep({PIECE_S})
        return Reply({TEXT!r})

agent = Agent("Talk.", model=Talker([], name="talker"), name="agent", store=SQLiteStore("bench.db"))
"""


class Server:
    """`treadle serve` in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        (folder / "agents.py").write_text(AGENT)
        (folder / "keys").write_text(f"ann {KEY}\n")
        (folder / "keys").chmod(0o600)
        with socket.socket() as found:
            found.bind(("127.0.0.1", 0))
            self.port = found.getsockname()[1]
        words = ["serve", "agents.py:agent", "--port", str(self.port), "--keys", "keys"]
        command = [sys.executable, "-m", "treadle", *words]
        self.process = subprocess.Popen(command, cwd=folder, stderr=subprocess.PIPE)
        assert self.process.stderr
        assert b"open http" in self.process.stderr.readline()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def cpu_s(self) -> float:
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def end(self) -> None:
        self.process.kill()
        self.process.wait()
        self.process.stderr.close()  # type: ignore[union-attr]  # it is a pipe

    def get(self, path: str) -> bytes:
        asked = Request(self.address + path, headers={"Authorization": f"Bearer {KEY}"})
        with urlopen(asked) as answer:
            return answer.read()


async def ask(server: Server, head: str, body: str = "") -> asyncio.StreamReader:
    """The connection after the request, which the caller reads."""
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    lines = [head, f"Host: 127.0.0.1:{server.port}", f"Authorization: Bearer {KEY}"]
    lines += ["Connection: close", f"Content-Length: {len(body)}", "Content-Type: application/json"]
    writer.write(("\r\n".join([*lines, "", body])).encode())
    await writer.drain()
    reader.writer = writer  # type: ignore[attr-defined]  # or it would be closed
    return reader


async def begin(server: Server, thread: str) -> None:
    body = json.dumps({"text": "go", "thread": thread})
    answer = await (await ask(server, "POST /api/threads HTTP/1.1", body)).read()
    assert b" 202 " in answer.split(b"\r\n")[0], answer


async def follow(server: Server, thread: str) -> float:
    """Read a stream to its result; the seconds from the first piece of text to the result.

    Raises AssertionError where a record or a piece is lost, comes twice or out of order.
    """
    reader = await ask(server, f"GET /api/threads/{thread}/stream?until=result HTTP/1.1")
    seqs: list[int] = []
    text, name, first = "", "", 0.0
    async for line in reader:
        if line.startswith(b"event: "):
            name = line[7:].strip().decode()
        elif line.startswith(b"data: "):
            data = json.loads(line[6:])
            if name == "record":
                seqs.append(data["record"]["seq"])
            elif name == "delta":
                first = first or time.monotonic()
                text += data["text"]
            elif name == "result":
                assert data["status"] == "answered", data
                break
    took = time.monotonic() - first
    assert seqs == list(range(1, len(seqs) + 1)), (thread, seqs)
    assert text == TEXT, (thread, text)
    reader.writer.close()  # type: ignore[attr-defined]
    return took


async def crowd(server: Server, name: str, clients: int, slow: bool) -> list[float]:
    """All clients at once; beside them some that read nothing, if that is wanted."""
    held = []
    for _ in range(SLOW if slow else 0):
        held.append(await ask(server, "GET /api/threads/long/stream HTTP/1.1"))
    if slow:
        await asyncio.sleep(STUCK_S)  # by then the server can't write to them any more

    async def one(number: int) -> float:
        thread = f"{name}-{number}"
        await begin(server, thread)
        return await follow(server, thread)

    took = await asyncio.gather(*(one(number) for number in range(clients)))
    for reader in held:
        reader.writer.close()
    return sorted(took)


def describe(what: str, took: Sequence[float]) -> None:
    middle, last = took[len(took) // 2], took[-1]
    print(
        f"{what}: all records and pieces once and in order; a text of {WORDS * PIECE_S:.0f} s came"
        f" in {middle:.1f} s to half of them, in {last:.1f} s to the last"
    )


def write_long_thread(folder: Path, records: int) -> None:
    """A thread of one turn with so many records, as the loop would have written it."""

    async def write() -> None:
        state = State()
        with closing(SQLiteStore(folder / "bench.db")) as store:
            for events in [*steps(records // 4), [e.TurnEnded("answered")]]:
                _, rows, state = make_rows("long", state, events, time.time(), lambda _: 0.0, None)
                await store.append("long", rows)

    asyncio.run(write())


def open_long_thread(server: Server) -> None:
    for path in ("", "", "/records?last=200", "/records"):
        began, cpu_s = time.monotonic(), server.cpu_s()
        size = len(server.get(f"/api/threads/long{path}"))
        took, cpu_s = time.monotonic() - began, server.cpu_s() - cpu_s
        print(f"GET /api/threads/long{path}: {took:.2f} s, CPU {cpu_s:.2f} s, {size / 1e6:.1f} MB")


def open_in_browser(folder: Path, chromium: str) -> None:
    """The long thread's page: on a server that has never read the thread, then again."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        for _ in range(3):
            server = Server(folder)
            page = browser.new_page()
            page.goto(f"{server.address}/waiting?key={KEY}")
            page.wait_for_selector("h1")
            for what in ("for the first time", "again"):
                began, cpu_s = time.monotonic(), server.cpu_s()
                page.goto(f"{server.address}/threads/long")
                page.wait_for_selector(".records li")
                took, cpu_s = time.monotonic() - began, server.cpu_s() - cpu_s
                print(
                    f"the page of the long thread {what}: {took:.2f} s, CPU {cpu_s:.2f} s of the server"
                )
            page.close()
            server.end()
        browser.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clients", type=int, default=200)
    parser.add_argument("--records", type=int, default=10_000)
    parser.add_argument("--page", metavar="CHROMIUM", default="")
    given = parser.parse_args()
    load = re.match(r"\S+", Path("/proc/loadavg").read_text())
    print(f"{os.cpu_count()} cores; load of the machine before: {load and load[0]}")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_long_thread(folder, given.records)
        server = Server(folder)
        try:
            for name, slow in (("alone", False), ("beside-slow-ones", True)):
                took = asyncio.run(crowd(server, name, given.clients, slow))
                describe(f"{given.clients} clients {name.replace('-', ' ')}", took)
            open_long_thread(server)
        finally:
            server.end()
        if given.page:
            open_in_browser(folder, given.page)


if __name__ == "__main__":
    main()
