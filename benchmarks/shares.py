"""Where the CPU of a model call goes: the same turns with parts of Treadle left out.

    python benchmarks/shares.py
    python benchmarks/shares.py --rounds 200 --repeats 20

The server, the tool and the counting are those of overhead.py. The contestants take turns in one
process, so that the ratios hold on a busy machine too.

    loop      a model in this process, logs in memory: what decides, checks, renders and keeps
    sqlite    the same with the SQLite log: four appends a round
    http      the model behind HTTP, logs in memory
    all       both: what overhead.py calls treadle
    aiohttp   the plain loop of `bare`, on the HTTP client that Treadle has
    httpx     `bare` itself
"""

import argparse
import asyncio
import json
import multiprocessing
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import aiohttp
from overhead import TOOLS, Bench, bare, cpu_ms, serve, treadle, typical

from treadle import Agent, MemoryStore, SQLiteStore
from treadle.core.events import Call, Usage
from treadle.core.model import Reply, Request


class InProcess:
    """Asks for the tool as the server does, without a wire."""

    name, context_tokens, max_output_tokens = "m", 4_000_000, 8192

    def cost_usd(self, usage: Usage) -> float | None:
        return usage.total_tokens * 1e-7

    async def reply(self, request: Request, emit: Callable[[str], None]) -> Reply:
        done = len(request.messages) // 2 - 1
        rounds = int(request.messages[1].text.removeprefix("Look up "))
        await asyncio.sleep(0)
        if done < rounds:
            call = Call(f"c{done}", "lookup", json.dumps({"n": done}))
            return Reply((call,), Usage(1000, 12), "tool_calls")
        emit("That is all of it.")
        return Reply("That is all of it.", Usage(1000, 12))


def play(bench: Bench, agent: Agent, rounds: int) -> None:
    async def main() -> None:
        """Gives nothing: `Runner.run` shows what it gives as text, twice, for its signal handler."""
        result = await agent.run(f"Look up {rounds}")
        assert result.answer == "That is all of it.", (result.status, result.reason)

    bench.runner.run(main())


async def aiohttp_loop(bench: Bench, client: aiohttp.ClientSession, rounds: int) -> None:
    messages: list[Any] = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": f"Look up {rounds}"},
    ]
    for _ in range(rounds + 1):
        messages.append(await aiohttp_reply(bench, client, messages))
        for call in messages[-1].get("tool_calls", ()):
            content = bench.lookup(**json.loads(call["function"]["arguments"]))
            messages.append({"role": "tool", "tool_call_id": call["id"], "content": content})
    assert messages[-1]["content"] == "That is all of it."


async def aiohttp_reply(
    bench: Bench, client: aiohttp.ClientSession, messages: list[Any]
) -> dict[str, Any]:
    body = json.dumps({"model": "m", "messages": messages, "tools": TOOLS, "stream": True})
    headers = {"content-type": "application/json", "authorization": "Bearer k"}
    url = f"{bench.url}/chat/completions"
    text, calls = "", {}
    async with client.post(url, data=body.encode(), headers=headers) as response:
        async for line in response.content:
            if not line.startswith(b"data: {"):
                continue
            for choice in json.loads(line[6:])["choices"]:
                text += choice["delta"].get("content") or ""
                for piece in choice["delta"].get("tool_calls") or ():
                    empty = piece | {"function": {"name": "", "arguments": ""}}
                    call = calls.setdefault(piece["index"], empty)
                    call["function"]["name"] += piece["function"].get("name") or ""
                    call["function"]["arguments"] += piece["function"].get("arguments") or ""
    asked = {"tool_calls": list(calls.values())} if calls else {}
    return {"role": "assistant", "content": text or None} | asked


async def open_client() -> aiohttp.ClientSession:
    connector = aiohttp.TCPConnector(limit=0)
    return aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar())


def measure(bench: Bench, rounds: int, repeats: int) -> None:
    remote = bench.agent.model
    store = SQLiteStore(bench.folder / "shares.db")
    client = bench.runner.run(open_client())

    def agent(model: Any, store: Any) -> Agent:
        limits = bench.agent.limits
        return Agent("Be brief.", tools=bench.agent.tools, model=model, limits=limits, store=store)

    contestants: dict[str, Callable[[], None]] = {
        "loop": partial(play, bench, agent(InProcess(), MemoryStore()), rounds),
        "sqlite": partial(play, bench, agent(InProcess(), store), rounds),
        "http": partial(play, bench, agent(remote, MemoryStore()), rounds),
        "all": partial(treadle, bench, rounds),
        "aiohttp": lambda: bench.runner.run(aiohttp_loop(bench, client, rounds)),
        "httpx": partial(bare, bench, rounds),
    }
    times: dict[str, list[float]] = {name: [] for name in contestants}
    for run in contestants.values():
        run()
    for _ in range(repeats):
        for name, run in contestants.items():
            times[name].append(cpu_ms(run, rounds + 1))
    whole = typical(times["httpx"])
    for name, found in times.items():
        print(f"{name:>8} {typical(found):.3f} ms a call, {typical(found) / whole:.2f} of httpx")
    bench.runner.run(client.close())


def main() -> None:
    parser = argparse.ArgumentParser(description="Where the CPU of a model call goes.")
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--repeats", type=int, default=60)
    settings = parser.parse_args()
    here, there = multiprocessing.Pipe()
    server = multiprocessing.get_context("spawn").Process(target=serve, args=(there,), daemon=True)
    server.start()
    there.close()
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(f"http://127.0.0.1:{here.recv()}/v1", 2000, Path(folder))
        measure(bench, settings.rounds, settings.repeats)
        bench.runner.run(bench.http.aclose())
    here.close()
    server.join(5)


if __name__ == "__main__":
    main()
