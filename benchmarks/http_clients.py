"""CPU of HTTP clients at what a model's client does: large bodies out, small events back.

    python benchmarks/http_clients.py
    python benchmarks/http_clients.py --clients httpx2 aiohttp --repeats 9

A server on 127.0.0.1, in a process of its own, answers with events that are sent at once, or one
every 2 ms. Counted is the CPU of the client's process, threads included. The clients take turns, so
the ratios hold on a busy machine too. Those that aren't installed are left out.

    call      one request of 20 KB after another, a short stream back: ms a call
    many      the same, 200 at once: ms a call
    burst     one answer of 20,000 events, as fast as they come: us an event
    slow      40 answers side by side, an event every 2 ms in each: us an event
    import    a whole interpreter with the import, less one without: ms
"""

import argparse
import asyncio
import importlib.util
import multiprocessing
import os
import ssl
import statistics
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from multiprocessing.connection import Connection
from typing import Any

EVENT = b'data: {"choices":[{"index":0,"delta":{"content":"word "},"finish_reason":null}]}\n\n'
BODY = b'{"messages": "%s"}' % (b"x" * 20_000)

Post = Callable[[str], AsyncIterator[bytes]]


# --- the server's process ------------------------------------------------------------------------


def serve(pipe: Connection) -> None:
    """Says its port, then answers until the pipe closes."""

    async def main() -> None:
        listener = await asyncio.start_server(_connection, "127.0.0.1", 0, limit=2**26)
        async with listener:
            pipe.send(listener.sockets[0].getsockname()[1])
            await asyncio.to_thread(pipe.poll, None)

    asyncio.run(main())


async def _connection(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """`POST /COUNT/PAUSE_MS`: that many events, with pauses."""
    try:
        while True:
            head = (await reader.readuntil(b"\r\n\r\n")).lower()
            length = int(head.partition(b"content-length:")[2].split(b"\r\n", 1)[0])
            await reader.readexactly(length)
            count, pause_ms = (int(part) for part in head.split(b" ")[1].split(b"/")[-2:])
            writer.write(
                b"HTTP/1.1 200 x\r\ncontent-type: text/event-stream\r\n"
                b"transfer-encoding: chunked\r\n\r\n"
            )
            for _ in range(count):
                writer.write(b"%x\r\n%s\r\n" % (len(EVENT), EVENT))
                await writer.drain()
                if pause_ms:
                    await asyncio.sleep(pause_ms / 1000)
            writer.write(b"0\r\n\r\n")
    except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
        writer.close()


# --- the clients: each gives a function that posts the body and yields what comes -----------------


@asynccontextmanager
async def httpx(url: str) -> AsyncIterator[Post]:
    import httpx

    async with _by_httpx(httpx, url) as post:
        yield post


@asynccontextmanager
async def httpx2(url: str) -> AsyncIterator[Post]:
    import httpx2

    async with _by_httpx(httpx2, url) as post:
        yield post


@asynccontextmanager
async def _by_httpx(library: Any, url: str) -> AsyncIterator[Post]:
    plain = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # no certificates are needed here
    limits = library.Limits(max_connections=200)

    async def post(path: str) -> AsyncIterator[bytes]:
        async with client.stream("POST", url + path, content=BODY) as response:
            async for data in response.aiter_bytes():
                yield data

    async with library.AsyncClient(timeout=60, verify=plain, limits=limits) as client:
        yield post


@asynccontextmanager
async def aiohttp(url: str) -> AsyncIterator[Post]:
    import aiohttp

    async def post(path: str) -> AsyncIterator[bytes]:
        async with client.post(url + path, data=BODY) as response:
            async for data in response.content.iter_any():
                yield data

    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as client:
        yield post


@asynccontextmanager
async def pyreqwest(url: str) -> AsyncIterator[Post]:
    from pyreqwest.client import ClientBuilder

    async def post(path: str) -> AsyncIterator[bytes]:
        # Without this limit the first event is given with the last one.
        request = client.post(url + path).body_bytes(BODY).streamed_read_buffer_limit(1)
        async with request.build_streamed() as response:
            reader = response.body_reader
            while (data := await reader.read_chunk()) is not None:
                yield data

    async with ClientBuilder().no_proxy().build() as client:
        yield post


@asynccontextmanager
async def pyqwest(url: str) -> AsyncIterator[Post]:
    from pyqwest import Headers, HTTPTransport, Request

    headers = Headers()

    async def post(path: str) -> AsyncIterator[bytes]:
        request = Request("POST", url + path, headers, BODY)
        async with await client.execute(request) as response:
            async for data in response.content:
                yield data

    async with HTTPTransport(enable_otel=False, pool_max_idle_per_host=200) as client:
        yield post


CLIENTS = {
    "httpx": httpx,
    "httpx2": httpx2,
    "aiohttp": aiohttp,
    "pyreqwest": pyreqwest,
    "pyqwest": pyqwest,
}
MODULES = {name: name for name in CLIENTS} | {"pyreqwest": "pyreqwest.client"}


# --- measuring -----------------------------------------------------------------------------------


async def read(post: Post, path: str) -> int:
    size = 0
    async for data in post(path):
        size += len(data)
    return size


async def cpu_s(work: Any) -> float:
    began = time.process_time()
    await work
    return time.process_time() - began


async def measure(post: Post) -> dict[str, float]:
    async def calls() -> None:
        for _ in range(100):
            await read(post, "/6/0")

    async def side_by_side(count: int, path: str) -> None:
        sizes = await asyncio.gather(*(read(post, path) for _ in range(count)))
        assert sizes == [len(EVENT) * int(path.split("/")[1])] * count, sizes

    await read(post, "/6/0")
    return {
        "call": await cpu_s(calls()) * 1e3 / 100,
        "many": await cpu_s(side_by_side(200, "/6/0")) * 1e3 / 200,
        "burst": await cpu_s(read(post, "/20000/0")) * 1e6 / 20_000,
        "slow": await cpu_s(side_by_side(40, "/100/2")) * 1e6 / 4000,
    }


def import_ms(module: str) -> float:
    def cpu(code: str) -> float:
        before = os.times()
        subprocess.run([sys.executable, "-c", code], check=True)
        after = os.times()
        return sum(after[2:4]) - sum(before[2:4])

    spent = [cpu(f"import asyncio, {module}") - cpu("import asyncio") for _ in range(5)]
    return statistics.median(spent) * 1e3


async def compare(url: str, names: list[str], repeats: int) -> None:
    seen: dict[str, list[dict[str, float]]] = {name: [] for name in names}
    async with AsyncExitStack() as stack:
        posts = {name: await stack.enter_async_context(CLIENTS[name](url)) for name in names}
        for _ in range(repeats):
            for name, post in posts.items():
                seen[name].append(await measure(post))
    kinds = ("call", "many", "burst", "slow")
    print(f"{'':>12}" + "".join(f"{kind:>16}" for kind in kinds) + f"{'import':>10}")
    first: dict[str, float] = {}
    for name in names:
        middle = {kind: statistics.median(run[kind] for run in seen[name]) for kind in kinds}
        first = first or middle
        cells = [f"{middle[kind]:>9.2f} {middle[kind] / first[kind]:>5.2f}x" for kind in kinds]
        print(f"{name:>12}{''.join(cells)}{import_ms(MODULES[name]):>10.0f}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(
        description="CPU of HTTP clients as a model's client uses them."
    )
    parser.add_argument("--clients", nargs="+", choices=CLIENTS, default=list(CLIENTS))
    parser.add_argument("--repeats", type=int, default=5)
    settings = parser.parse_args()
    ours, theirs = multiprocessing.get_context("spawn").Pipe()
    server = multiprocessing.get_context("spawn").Process(target=serve, args=(theirs,), daemon=True)
    server.start()
    names = [name for name in settings.clients if importlib.util.find_spec(name)]
    asyncio.run(compare(f"http://127.0.0.1:{ours.recv()}", names, settings.repeats))
    server.terminate()


if __name__ == "__main__":
    main()
