"""CPU of a model call, without the model:

Treadle beside a plain loop on the openai SDK and a bare HTTP client.

    python benchmarks/overhead.py                        rounds 1, 10, 50, 200; results of 2 KB; 3 turns
    python benchmarks/overhead.py --result-bytes 20 --repeats 5 --rounds 10
    python benchmarks/overhead.py --rounds 1 --agents 20 --repeats 7      mostly tokens and the cold start

A scripted server on 127.0.0.1, in a process of its own, checks every request and streams (or sends)
one tool call a round, then a text. What is counted is the client's process alone: its CPU time,
divided by the model calls. The contestants take turns, in one process, after one warm-up each.
Shown is the first quartile of the turns: what else runs on the machine only ever adds to a time.

    treadle   Agent with the SQLite log on, streaming, limits on
    sdk       the usual tutorial's loop: openai SDK, sync, not streamed, message objects in a list
    bare      httpx (or httpx2), async, streamed, json.dumps of the whole history in each request
    many      200 agents at once in one event loop, each with the same number of rounds
    tokens    one reply of many tokens: in a burst, and in 40 replies at once with a token every 2 ms
    cold      a whole interpreter, from its start to the first answer

Nothing is asserted: times are for people. The README says which machine.
"""

import argparse
import asyncio
import json
import multiprocessing
import os
import sqlite3
import ssl
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from functools import cached_property, partial
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

try:
    import httpx
except ImportError:
    import httpx2 as httpx  # type: ignore[no-redef]

TOOLS = [
    {
        "type": "function",
        "function": {
            "name": "lookup",
            "description": "Look a number up.",
            "parameters": {
                "properties": {"n": {"type": "integer"}},
                "required": ["n"],
                "type": "object",
            },
        },
    }
]


# --- the server's process
# -------------------------------------------------------------------------------------


def serve(pipe: Connection) -> None:
    """Says its port, then answers until the pipe closes.

    A bad request is answered 400 with what is wrong.
    """

    async def main() -> None:
        listener = await asyncio.start_server(_connection, "127.0.0.1", 0, limit=2**26)
        async with listener:
            pipe.send(listener.sockets[0].getsockname()[1])
            await asyncio.to_thread(_until_closed, pipe)

    asyncio.run(main())


def _until_closed(pipe: Connection) -> None:
    try:
        pipe.recv()
    except EOFError:
        return


async def _connection(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while True:
            head = (await reader.readuntil(b"\r\n\r\n")).lower()
            length = int(head.partition(b"content-length:")[2].split(b"\r\n", 1)[0])
            body = await reader.readexactly(length)
            if body.rfind(b"Write ") >= 0:
                await _write_tokens(json.loads(body)["messages"][-1]["content"], writer)
            else:
                writer.write(_answer(body))
            await writer.drain()
    except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
        writer.close()


async def _write_tokens(asked: str, writer: asyncio.StreamWriter) -> None:
    """The user's message says how many, and how many milliseconds apart: "Write 100 2"."""
    count, pause_ms = (int(word) for word in asked.split()[1:])
    base = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "m"}
    choice = {"index": 0, "delta": {"content": "word "}, "finish_reason": None}
    last = {"index": 0, "delta": {}, "finish_reason": "stop"}
    event = b"data: %s\n\n" % json.dumps(base | {"choices": [choice]}).encode()
    end = b"data: %s\n\ndata: [DONE]\n\n" % json.dumps(base | {"choices": [last]}).encode()
    writer.write(
        b"HTTP/1.1 200 x\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
    )
    for data in [event] * count + [end]:
        writer.write(b"%x\r\n%s\r\n" % (len(data), data))
        await writer.drain()
        if pause_ms:
            await asyncio.sleep(pause_ms / 1000)
    writer.write(b"0\r\n\r\n")


def _answer(body: bytes) -> bytes:
    """The user's message says how often a tool is asked for: "Look up 200"."""
    try:
        request = json.loads(body)
        rounds = int(request["messages"][1]["content"].removeprefix("Look up "))
        done = checked(request["messages"], request["tools"])
    except (ValueError, KeyError, TypeError, AssertionError) as error:
        return _http(
            400, b"application/json", json.dumps({"error": {"message": repr(error)}}).encode()
        )
    call = {
        "id": f"c{done}",
        "type": "function",
        "function": {"name": "lookup", "arguments": json.dumps({"n": done})},
    }
    usage = {
        "prompt_tokens": len(body) // 4,
        "completion_tokens": 12,
        "total_tokens": len(body) // 4 + 12,
    }
    asks = done < rounds
    text = None if asks else "That is all of it."
    reason = "tool_calls" if asks else "stop"
    base = {"id": f"chatcmpl-{done}", "created": 1, "model": request["model"]}
    if not request.get("stream"):
        message = {"role": "assistant", "content": text} | ({"tool_calls": [call]} if asks else {})
        choice = {"index": 0, "message": message, "finish_reason": reason}
        whole = base | {"object": "chat.completion", "choices": [choice], "usage": usage}
        return _http(200, b"application/json", json.dumps(whole).encode())
    deltas: list[dict[str, Any]] = [{"role": "assistant", "content": "" if text else None}]
    if asks:
        first = call | {"function": {"name": "lookup", "arguments": ""}, "index": 0}
        written = call["function"]["arguments"]  # type: ignore[index]
        pieces = [written[:3], written[3:]]
        deltas += [
            {"tool_calls": [first]},
            *({"tool_calls": [{"index": 0, "function": {"arguments": p}}]} for p in pieces),
        ]
    else:
        deltas += [{"content": word} for word in ("That is ", "all of ", "it.")]
    chunks = [{"index": 0, "delta": delta, "finish_reason": None} for delta in deltas]
    chunks.append({"index": 0, "delta": {}, "finish_reason": reason})
    base |= {"object": "chat.completion.chunk"}
    events = [base | {"choices": [chunk], "usage": None} for chunk in chunks] + [
        base | {"choices": [], "usage": usage}
    ]
    data = (
        b"".join(b"data: %s\n\n" % json.dumps(event).encode() for event in events)
        + b"data: [DONE]\n\n"
    )
    return _http(200, b"text/event-stream", data)


def _http(status: int, kind: bytes, body: bytes) -> bytes:
    return b"HTTP/1.1 %d x\r\ncontent-type: %s\r\ncontent-length: %d\r\n\r\n%s" % (
        status,
        kind,
        len(body),
        body,
    )


def checked(messages: list[Any], tools: list[Any]) -> int:
    """How many tool results the history holds.

    Raises AssertionError unless it is exactly what it must be by now.
    """
    assert [tool["function"]["name"] for tool in tools] == ["lookup"], (
        "the tools are not those of the benchmark"
    )
    assert [message["role"] for message in messages[:2]] == ["system", "user"], (
        "it must begin with system and user"
    )
    turns = messages[2:]
    assert len(turns) % 2 == 0, "a call without its result, or the other way round"
    for number, (asked, answered) in enumerate(zip(turns[::2], turns[1::2], strict=True)):
        assert (asked["role"], answered["role"]) == ("assistant", "tool"), (
            f"wrong roles in round {number}"
        )
        (call,) = asked["tool_calls"]
        assert answered["tool_call_id"] == call["id"], (
            f"the result of round {number} answers another call"
        )
        assert json.loads(call["function"]["arguments"]) == {"n": number}, (
            f"round {number} is missing or doubled"
        )
        assert answered["content"].startswith(f"{number}:"), f"round {number} has another result"
    return len(turns) // 2


# --- the contestants: each plays `rounds` rounds and returns
# -----------------------------------------------------


class Bench:
    """What the contestants need.

    Each has one client, on one event loop, for all its runs, as a program has.
    """

    def __init__(self, url: str, result_bytes: int, folder: Path) -> None:
        self.url, self.folder = url, folder
        self.runner = asyncio.Runner()
        self._filler = ("The quick brown fox jumps over 13 lazy dogs. " * (result_bytes // 45 + 1))[
            :result_bytes
        ]

    def lookup(self, n: int) -> str:
        return f"{n}:{self._filler}"

    @cached_property
    def agent(self) -> Any:
        return self.agent_with("agents.db")

    def agent_with(self, log: str) -> Any:
        from treadle import Agent, Limits, SQLiteStore, tool
        from treadle.models.remote_model import RemoteModel

        async def lookup(n: int) -> str:
            """Look a number up."""
            return self.lookup(n)

        prices = {"input": 0.1, "output": 0.5}  # as most models have: so calls are reserved by cost
        model = RemoteModel(
            "m", base_url=self.url, api_key="k", context_tokens=4_000_000, prices=prices
        )
        limits = Limits(steps=None, tool_calls=None, tokens=None, seconds=None)
        store = SQLiteStore(self.folder / log)
        return Agent("Be brief.", tools=[tool(lookup)], model=model, limits=limits, store=store)

    @cached_property
    def openai(self) -> Any:
        from openai import OpenAI

        return OpenAI(base_url=self.url, api_key="k")

    @cached_property
    def http(self) -> Any:
        plain = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # no certificates are needed here
        return httpx.AsyncClient(base_url=self.url, timeout=60, verify=plain)

    def close(self) -> None:
        self.openai.close()
        self.runner.run(self.http.aclose())
        self.runner.close()


def treadle(bench: Bench, rounds: int, agents: int = 1) -> None:
    async def main() -> None:
        for result in await asyncio.gather(
            *(bench.agent.run(f"Look up {rounds}") for _ in range(agents))
        ):
            assert result.answer == "That is all of it.", (result.status, result.reason)

    bench.runner.run(main())


def sdk(bench: Bench, rounds: int) -> None:
    functions = {"lookup": bench.lookup}
    messages: list[Any] = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": f"Look up {rounds}"},
    ]
    for _ in range(rounds + 1):
        response = bench.openai.chat.completions.create(model="m", messages=messages, tools=TOOLS)
        message = response.choices[0].message
        messages.append(message)
        if not message.tool_calls:
            break
        for call in message.tool_calls:
            content = functions[call.function.name](**json.loads(call.function.arguments))
            messages.append({"role": "tool", "tool_call_id": call.id, "content": content})
    assert messages[-1].content == "That is all of it."


def bare(bench: Bench, rounds: int, agents: int = 1) -> None:
    async def main() -> None:
        await asyncio.gather(*(_bare_loop(bench, rounds) for _ in range(agents)))

    bench.runner.run(main())


async def _bare_loop(bench: Bench, rounds: int) -> None:
    messages: list[Any] = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": f"Look up {rounds}"},
    ]
    for _ in range(rounds + 1):
        messages.append(await _bare_reply(bench.http, messages))
        for call in messages[-1].get("tool_calls", ()):
            content = bench.lookup(**json.loads(call["function"]["arguments"]))
            messages.append({"role": "tool", "tool_call_id": call["id"], "content": content})
    assert messages[-1]["content"] == "That is all of it."


async def _bare_reply(client: Any, messages: list[Any]) -> dict[str, Any]:
    body = {"model": "m", "messages": messages, "tools": TOOLS, "stream": True}
    headers = {"content-type": "application/json", "authorization": "Bearer k"}
    text, calls = "", {}
    async with client.stream(
        "POST", "/chat/completions", content=json.dumps(body), headers=headers
    ) as response:
        assert response.status_code == 200, await response.aread()
        async for line in response.aiter_lines():
            if not line.startswith("data: {"):
                continue
            for choice in json.loads(line[6:])["choices"]:
                text += choice["delta"].get("content") or ""
                for piece in choice["delta"].get("tool_calls") or ():
                    call = calls.setdefault(
                        piece["index"], piece | {"function": {"name": "", "arguments": ""}}
                    )
                    call["function"]["name"] += piece["function"].get("name") or ""
                    call["function"]["arguments"] += piece["function"].get("arguments") or ""
    return {"role": "assistant", "content": text or None} | (
        {"tool_calls": list(calls.values())} if calls else {}
    )


# --- tokens: replies of many, side by side
# -----------------------------------------------------------------------------------


def treadle_tokens(bench: Bench, asked: str, replies: int) -> None:
    async def one() -> None:
        shown = 0
        async for _ in bench.agent.stream(asked):
            shown += 1
        assert shown

    async def main() -> None:
        await asyncio.gather(*(one() for _ in range(replies)))

    bench.runner.run(main())


def bare_tokens(bench: Bench, asked: str, replies: int) -> None:
    async def one() -> None:
        reply = await _bare_reply(bench.http, [{"role": "user", "content": asked}])
        assert reply["content"].count("word ") == int(asked.split()[1])

    async def main() -> None:
        await asyncio.gather(*(one() for _ in range(replies)))

    bench.runner.run(main())


# --- measuring
# ---------------------------------------------------------------------------------------------------


def cpu_ms(run: Callable[[], Any], calls: int) -> float:
    """CPU of this process, milliseconds a model call."""
    began = time.process_time()
    run()
    return (time.process_time() - began) * 1000 / calls


def typical(times: list[float]) -> float:
    """The first quartile."""
    return sorted(times)[len(times) // 4]


def table(bench: Bench, rounds: list[int], repeats: int) -> None:
    contestants: dict[str, Callable[[Bench, int], Any]] = {
        "treadle": treadle,
        "sdk": sdk,
        "bare": bare,
    }
    for contestant in contestants.values():
        contestant(bench, 1)
    print(
        f"{'rounds':>7} {'treadle':>9} {'sdk':>9} {'bare':>9}   treadle/bare  sdk/bare   (CPU ms a model call)"
    )
    for count in rounds:
        times: dict[str, list[float]] = {name: [] for name in contestants}
        for _ in range(max(repeats, repeats * 100 // count)):
            for name, contestant in contestants.items():
                times[name].append(cpu_ms(partial(contestant, bench, count), count + 1))
        ms = {name: typical(values) for name, values in times.items()}
        ratios = f"{ms['treadle'] / ms['bare']:>13.2f} {ms['sdk'] / ms['bare']:>9.2f}"
        print(
            f"{count:>7} {ms['treadle']:>9.2f} {ms['sdk']:>9.2f} {ms['bare']:>9.2f} {ratios}",
            flush=True,
        )


def many(bench: Bench, agents: int, rounds: int, repeats: int) -> None:
    calls = agents * (rounds + 1)
    times: dict[str, list[float]] = {"treadle": [], "bare": []}
    for _ in range(repeats):
        times["treadle"].append(cpu_ms(lambda: treadle(bench, rounds, agents), calls))
        times["bare"].append(cpu_ms(lambda: bare(bench, rounds, agents), calls))
    ms = {name: typical(values) for name, values in times.items()}
    print(
        f"{agents} agents at once, {rounds} rounds each, ms a model call: {ms['treadle']:.2f};"
        f" bare {ms['bare']:.2f}; {ms['treadle'] / ms['bare']:.2f} of it",
        flush=True,
    )


def tokens(bench: Bench, repeats: int) -> None:
    for kind, count, pause_ms, replies in (
        ("in a burst", 10_000, 0, 1),
        ("every 2 ms", 100, 2, 40),
    ):
        asked = f"Write {count} {pause_ms}"
        times: dict[str, list[float]] = {"treadle": [], "bare": []}
        for _ in range(repeats):
            for name, write in (("treadle", treadle_tokens), ("bare", bare_tokens)):
                run = partial(write, bench, asked, replies)
                times[name].append(cpu_ms(run, count * replies) * 1000)
        us = {name: typical(values) for name, values in times.items()}
        print(
            f"a streamed token {kind}, us: {us['treadle']:.1f}; bare {us['bare']:.1f};"
            f" {us['treadle'] / us['bare']:.2f} of it",
            flush=True,
        )


def log_size(bench: Bench, rounds: int) -> None:
    bench.runner.run(bench.agent_with("one.db").run(f"Look up {rounds}"))
    path = bench.folder / "one.db"
    results = sum(len(bench.lookup(n)) for n in range(rounds))
    wal = sum(part.stat().st_size for part in path.parent.glob(f"{path.name}-*"))
    with closing(sqlite3.connect(path)) as db:
        db.execute("pragma wal_checkpoint(truncate)")
    size = path.stat().st_size
    print(
        f"log of {rounds} rounds: {size / 1e6:.2f} MB, and {wal / 1e6:.2f} MB of write-ahead log until it is closed;"
        f" the tool results in it: {results / 1e6:.2f} MB"
    )


COLD = """
from treadle import Agent, MemoryStore
from treadle.models.remote_model import RemoteModel
model = RemoteModel("gpt-6-luna", base_url={url!r}, api_key="k")
print(Agent("Be brief.", model=model, store=MemoryStore()).run_sync("Write 3 0").answer)
"""


def cold_start(url: str, repeats: int) -> None:
    """Whole interpreters: their import of treadle alone, and up to the first answer."""

    environment = dict(os.environ)
    environment.pop("PYTHONDONTWRITEBYTECODE", None)  # what is installed has its bytecode

    def cpu_s(code: str) -> float:
        before = os.times()
        subprocess.run(
            [sys.executable, "-c", code], check=True, stdout=subprocess.DEVNULL, env=environment
        )
        after = os.times()
        return sum(after[2:4]) - sum(before[2:4])

    cpu_s("import treadle")
    imports = [cpu_s("import treadle") - cpu_s("pass") for _ in range(repeats + 2)]
    answers = [cpu_s(COLD.format(url=url)) for _ in range(repeats + 2)]
    print(
        f"import treadle: {typical(imports):.2f} s of CPU; from the interpreter's start to"
        f" the first answer: {typical(answers):.2f} s"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description="CPU of a model call, without the model.")
    parser.add_argument("--rounds", type=int, nargs="+", default=[1, 10, 50, 200])
    parser.add_argument("--result-bytes", type=int, default=2000)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--agents", type=int, default=200)
    settings = parser.parse_args()
    here, there = multiprocessing.Pipe()
    server = multiprocessing.get_context("spawn").Process(target=serve, args=(there,), daemon=True)
    server.start()
    there.close()
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(f"http://127.0.0.1:{here.recv()}/v1", settings.result_bytes, Path(folder))
        print(f"bare is {httpx.__name__} {httpx.__version__}", flush=True)
        cold_start(bench.url, settings.repeats)
        table(bench, settings.rounds, settings.repeats)
        tokens(bench, settings.repeats)
        many(bench, settings.agents, 10, settings.repeats)
        log_size(bench, max(settings.rounds))
        bench.close()
    here.close()
    server.join(5)


if __name__ == "__main__":
    main()
