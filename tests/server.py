"""A chat-completions server on 127.0.0.1 that answers by a script, well or badly.

For tests; pure asyncio.

    async with serving(says("hello"), failing(429, {"error": {"message": "slow down"}})) as server:
        model = RemoteModel("m", base_url=server.url, api_key="k")

An answer is the bytes of a whole HTTP response, or a coroutine function that writes one. One too
few is a 500.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

Answer = bytes | Callable[[asyncio.StreamWriter], Awaitable[None]]


@dataclass
class Asked:
    """One request as it came over the wire."""

    line: str
    headers: dict[str, str]
    raw: bytes

    @cached_property
    def body(self) -> Any:
        return json.loads(self.raw)


@dataclass
class Server:
    """`url` goes to the client.

    `asked` fills up, and `first` is set; `left` is set when a client went away.
    """

    url: str
    answers: list[Answer]
    asked: list[Asked] = field(default_factory=list)
    first: asyncio.Event = field(default_factory=asyncio.Event)
    left: asyncio.Event = field(default_factory=asyncio.Event)
    connections: int = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while True:
                self.asked.append(await _read(reader))
                self.first.set()
                answer = (
                    self.answers.pop(0)
                    if self.answers
                    else failing(500, {"error": "the script has ended"})
                )
                if isinstance(answer, bytes):
                    writer.write(answer)
                    await writer.drain()
                else:
                    watch = asyncio.ensure_future(
                        reader.read(1)
                    )  # a client says no more: this is its going away
                    watch.add_done_callback(lambda _: self.left.set())
                    await answer(writer)
                    watch.cancel()
                    await asyncio.wait([watch])
                if _closes(answer) if isinstance(answer, bytes) else writer.is_closing():
                    break
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            self.left.set()
            writer.close()


@asynccontextmanager
async def serving(*answers: Answer) -> AsyncIterator[Server]:
    """The server, listening on a free port of 127.0.0.1 until the block ends."""
    server = Server("", list(answers))
    tasks: set[asyncio.Task[None]] = set()

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        with suppress(
            asyncio.CancelledError
        ):  # 3.11's streams take a cancelled one for a fault, and print it
            await server.serve(reader, writer)

    listener = await asyncio.start_server(accept, "127.0.0.1", 0, limit=2**26)
    server.url = f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}/v1"
    try:
        yield server
    finally:
        listener.close()
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)


async def send(writer: asyncio.StreamWriter, answer: bytes) -> None:
    """Write a whole response; one that says so ends the connection."""
    writer.write(answer)
    await writer.drain()
    if _closes(answer):
        writer.close()


def _closes(answer: bytes) -> bool:
    return b"connection: close" in answer[:500].lower()


async def _read(reader: asyncio.StreamReader) -> Asked:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    line, *fields = head.strip().split("\r\n")
    headers = {
        name.strip().lower(): value.strip()
        for name, _, value in (each.partition(":") for each in fields)
    }
    return Asked(line, headers, await reader.readexactly(int(headers.get("content-length", 0))))


def http(status: int, body: bytes, headers: Mapping[str, str] | None = None) -> bytes:
    """A whole response of a known length."""
    fields = {"content-type": "application/json", "content-length": str(len(body))} | dict(
        headers or {}
    )
    head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    return f"HTTP/1.1 {status} x\r\n{head}\r\n".encode() + body


def failing(status: int, body: Any, headers: Mapping[str, str] | None = None) -> bytes:
    """An error as JSON; bytes as they are."""
    return http(status, body if isinstance(body, bytes) else json.dumps(body).encode(), headers)


def stream(*chunks: Any, done: bool = True) -> bytes:
    """The bytes of a stream of events: each chunk is JSON's data, or bytes as they are."""
    events = [
        c if isinstance(c, bytes) else b"data: " + json.dumps(c).encode() + b"\n\n" for c in chunks
    ]
    return b"".join(events) + (b"data: [DONE]\n\n" if done else b"")


def streamed(pieces: Iterable[bytes], end: bool = True) -> bytes:
    """A response in chunked coding, one chunk a piece.

    Without its end the connection breaks off.
    """
    close = "" if end else "connection: close\r\n"
    head = f"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n{close}\r\n"
    coded = b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces if piece)
    return head.encode() + coded + (b"0\r\n\r\n" if end else b"")


def delta(finish_reason: str | None = None, **fields: Any) -> dict[str, Any]:
    """One chunk of a stream with these fields in its delta."""
    return {"choices": [{"index": 0, "delta": fields, "finish_reason": finish_reason}]}


def usage(read: int, wrote: int) -> dict[str, Any]:
    """The last chunk of a stream that counts."""
    return {
        "choices": [],
        "usage": {"prompt_tokens": read, "completion_tokens": wrote, "total_tokens": read + wrote},
    }


def says(text: str) -> bytes:
    """A good stream: the text in two pieces, its finish reason, its usage."""
    half = len(text) // 2
    chunks = (
        delta(role="assistant", content=text[:half]),
        delta(content=text[half:]),
        delta("stop"),
        usage(10, 5),
    )
    return streamed([stream(*chunks)])


def calls(*wanted: tuple[str, Any]) -> bytes:
    """A good stream that asks for these tools: names with arguments, as an object or as raw JSON text."""
    pieces = []
    for number, (name, arguments) in enumerate(wanted):
        function = {
            "name": name,
            "arguments": arguments if isinstance(arguments, str) else json.dumps(arguments),
        }
        call = {"index": number, "id": f"call_{number}", "type": "function", "function": function}
        pieces.append(delta(tool_calls=[call]))
    return streamed([stream(*pieces, delta("tool_calls"), usage(10, 5))])
