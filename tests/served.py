"""A real web server on loopback, whose answers a test writes byte by byte, and a way of dialling that reaches it."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from treadle.tools.public import AddressRules

Answer = bytes | Callable[[asyncio.StreamWriter], Awaitable[None]]


@dataclass
class Served:
    port: int = 0
    requests: list[tuple[str, dict[str, str], bytes]] = field(default_factory=list)
    """Target, headers in lower case, and body, in the order they came."""

    @property
    def paths(self) -> list[str]:
        return [target for target, _, _ in self.requests]


@asynccontextmanager
async def served(
    answers: dict[str, Answer], tls: ssl.SSLContext | None = None
) -> AsyncIterator[Served]:
    seen = Served()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
            headers = {
                name.lower(): value
                for name, _, value in (line.partition(": ") for line in head[1:] if line)
            }
            body = await reader.readexactly(int(headers.get("content-length", 0)))
            target = head[0].split()[1]
            seen.requests.append((target, headers, body))
            made = answers[target.split("?")[0]]
            if isinstance(made, bytes):
                writer.write(made)
                await writer.drain()
            else:
                await made(writer)
        except (ConnectionError, asyncio.IncompleteReadError, ssl.SSLError):
            pass  # the client has had enough, which some tests are about
        finally:
            writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0, ssl=tls)
    seen.port = server.sockets[0].getsockname()[1]
    try:
        yield seen
    finally:
        server.close()


def page(
    body: bytes | str, kind: str = "text/html; charset=utf-8", *headers: str, status: str = "200 OK"
) -> bytes:
    body = body.encode() if isinstance(body, str) else body
    lines = [
        f"HTTP/1.1 {status}",
        f"Content-Length: {len(body)}",
        *([f"Content-Type: {kind}"] if kind else []),
        *headers,
    ]
    return "\r\n".join([*lines, "Connection: close", "", ""]).encode() + body


def onward(location: str, status: str = "302 Found") -> bytes:
    return page("", "", f"Location: {location}", status=status)


def way(names: dict[str, list[str]] | None = None, asked: list[str] | None = None) -> AddressRules:
    """Every name is on loopback unless `names` says otherwise, and 127.0.0.1 alone counts as public."""

    async def resolve(host: str, port: int) -> list[str]:
        if asked is not None:
            asked.append(host)
        return (names or {}).get(host, ["127.0.0.1"])

    return AddressRules(resolve, allowed=lambda address: address == "127.0.0.1", ports=None)
