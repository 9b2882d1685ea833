"""One crash, and what each framework makes of it: two parallel tool calls, one finished, SIGKILL inside the other.

    python benchmarks/crash_rivals.py                 builds a virtual environment for each rival, in a temporary folder
    python benchmarks/crash_rivals.py --venvs DIR     keeps them in DIR, and uses those that are there
    python benchmarks/crash_rivals.py --only treadle

The model is a server on 127.0.0.1 that speaks chat completions and answers by what it is shown: first it asks for
`ship` and `charge` at once, then it repeats their results. `ship` returns. `charge` has its effect (a line in a file),
leaves the framework two seconds to save what `ship` gave, and kills the process. A new process then does what that
framework's documentation says about going on. Each is set up as it is recommended for durability:

    treadle         Agent with SQLiteStore; resume(); a person who looks at the effects decides what is held
    langgraph       create_agent with SqliteSaver, durability="sync"; invoke(None) with the same thread
    pydantic-ai     Agent with DBOSDurability in a DBOS workflow on SQLite, tools as DBOS steps; DBOS recovers at launch
    openai-agents   Runner with SQLiteSession; run() again with the same session. The SDK itself promises no more: for
                    durable runs its documentation points to Temporal, Restate and DBOS, which record a tool as a step

Nothing is asserted. `same id` says whether a call that ran twice was given one id or key both times, by which a
service could tell that it is the same.
"""

import argparse
import asyncio
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from collections import Counter
from collections.abc import Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

RIVALS = {
    "treadle": [],
    "langgraph": ["langgraph", "langgraph-checkpoint-sqlite", "langchain", "langchain-openai"],
    "pydantic-ai": ["pydantic-ai-slim[dbos,openai]"],
    "openai-agents": ["openai-agents"],
}
QUESTION = "Ship the order and charge the card."
ROOT = Path(__file__).resolve().parent.parent


# --- the model's server
# ---------------------------------------------------------------------------------------


class Server(BaseHTTPRequestHandler):
    """Chat completions, streamed or not. `asked` counts the requests."""

    asked = 0

    def do_POST(self) -> None:
        Server.asked += 1
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        results = [
            message["content"] for message in request["messages"] if message["role"] == "tool"
        ]
        message: dict[str, Any] = {"role": "assistant", "content": f"the results: {results}"}
        if not results:
            message = {
                "role": "assistant",
                "content": None,
                "tool_calls": [_call(0, "ship"), _call(1, "charge")],
            }
        choice = {
            "index": 0,
            "finish_reason": "stop" if results else "tool_calls",
            "logprobs": None,
        }
        usage = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}
        whole = {
            "id": uuid.uuid4().hex,
            "created": int(time.time()),
            "model": "scripted",
            "usage": usage,
        }
        if request.get("stream"):
            chunk = whole | {
                "object": "chat.completion.chunk",
                "choices": [choice | {"delta": message}],
            }
            self._send(
                "text/event-stream",
                b"data: " + json.dumps(chunk).encode() + b"\n\ndata: [DONE]\n\n",
            )
        else:
            answer = whole | {
                "object": "chat.completion",
                "choices": [choice | {"message": message}],
            }
            self._send("application/json", json.dumps(answer).encode())

    def _send(self, kind: str, body: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Says nothing: the table is the output."""


def _call(index: int, name: str) -> dict[str, Any]:
    function = {"name": name, "arguments": "{}"}
    return {
        "index": index,
        "id": f"call_{uuid.uuid4().hex[:12]}",
        "type": "function",
        "function": function,
    }


# --- the two tools, the same for all
# --------------------------------------------------------------------------


class Tools:
    def __init__(self, folder: Path, deadly: bool) -> None:
        self.effects = folder / "effects.jsonl"
        self._deadly = deadly

    def ship(self, call_id: str) -> str:
        self._happen("ship", call_id)
        return "shipped"

    def charge(self, call_id: str) -> str:
        self._happen("charge", call_id)
        if self._deadly:
            time.sleep(2)
            os.kill(os.getpid(), signal.SIGKILL)
        return "charged"

    def happened(self) -> list[dict[str, str]]:
        return (
            [json.loads(line) for line in self.effects.read_text().splitlines()]
            if self.effects.exists()
            else []
        )

    def _happen(self, name: str, call_id: str) -> None:
        with self.effects.open("a") as file:
            file.write(json.dumps({"tool": name, "id": call_id}) + "\n")


# --- the contestants: one life each, in a process of its own
# --------------------------------------------------


async def treadle(folder: Path, url: str, tools: Tools, again: bool) -> dict[str, Any]:
    from treadle import Agent, Context, SQLiteStore, tool
    from treadle.core.events import OutcomeDecided
    from treadle.models.remote_model import RemoteModel

    @tool
    def ship(context: Context) -> str:
        """Ship the order."""
        return tools.ship(context.idempotency_key)

    @tool
    def charge(context: Context) -> str:
        """Charge the card."""
        return tools.charge(context.idempotency_key)

    model = RemoteModel("scripted", base_url=url, api_key="none")
    agent = Agent(tools=[ship, charge], model=model, store=SQLiteStore(folder / "treadle.db"))
    result = await (agent.resume("order") if again else agent.run(QUESTION, thread="order"))
    asked = list(result.waiting)
    for call in asked:
        ran = any(effect["tool"] == call.name for effect in tools.happened())
        outcome = OutcomeDecided(
            call.id, "ran" if ran else "not_run", "a person", "charged" if ran else ""
        )
        await agent.post("order", outcome)
    if asked:
        result = await agent.resume("order")
    return {"asked": len(asked), "answer": result.answer}


async def langgraph(folder: Path, url: str, tools: Tools, again: bool) -> dict[str, Any]:
    return await asyncio.to_thread(_langgraph, folder, url, tools, again)


def _langgraph(folder: Path, url: str, tools: Tools, again: bool) -> dict[str, Any]:
    from langchain.agents import create_agent
    from langchain.tools import ToolRuntime
    from langchain_openai import ChatOpenAI
    from langgraph.checkpoint.sqlite import SqliteSaver

    def ship(runtime: Any) -> str:
        """Ship the order."""
        return tools.ship(runtime.tool_call_id)

    def charge(runtime: Any) -> str:
        """Charge the card."""
        return tools.charge(runtime.tool_call_id)

    ship.__annotations__["runtime"] = charge.__annotations__["runtime"] = ToolRuntime
    model = ChatOpenAI(model="scripted", base_url=url, api_key="none")
    with SqliteSaver.from_conn_string(str(folder / "langgraph.db")) as saver:
        agent = create_agent(model, tools=[ship, charge], checkpointer=saver)
        said = None if again else {"messages": [{"role": "user", "content": QUESTION}]}
        settings: Any = {"configurable": {"thread_id": "order"}}
        done: Any = agent.invoke(said, settings, durability="sync")
    return {"asked": len(done.get("__interrupt__", ())), "answer": done["messages"][-1].content}


async def pydantic_ai(folder: Path, url: str, tools: Tools, again: bool) -> dict[str, Any]:
    from dbos import DBOS, SetWorkflowID
    from pydantic_ai import Agent, RunContext
    from pydantic_ai.durable_exec.dbos import DBOSDurability
    from pydantic_ai.models.openai import OpenAIChatModel
    from pydantic_ai.providers.openai import OpenAIProvider

    config: Any = {
        "name": "order",
        "system_database_url": f"sqlite:///{folder / 'dbos.db'}",
        "application_version": "1",
    }
    DBOS(config=config)
    model = OpenAIChatModel("scripted", provider=OpenAIProvider(base_url=url, api_key="none"))
    agent = Agent(model, name="order", capabilities=[DBOSDurability()])

    @DBOS.step()
    async def ship_step(call_id: str) -> str:
        return await asyncio.to_thread(tools.ship, call_id)

    @DBOS.step()
    async def charge_step(call_id: str) -> str:
        return await asyncio.to_thread(tools.charge, call_id)

    async def ship(context: Any) -> str:
        """Ship the order."""
        return await ship_step(context.tool_call_id)

    async def charge(context: Any) -> str:
        """Charge the card."""
        return await charge_step(context.tool_call_id)

    for function in (ship, charge):
        function.__annotations__["context"] = RunContext
        agent.tool(function)

    @DBOS.workflow()
    async def order(question: str) -> str:
        return (await agent.run(question)).output

    DBOS.launch()  # it recovers what was pending
    try:
        if again:
            handle: Any = await DBOS.retrieve_workflow_async("order")
            return {"asked": 0, "answer": await handle.get_result()}
        with SetWorkflowID("order"):
            return {"asked": 0, "answer": await order(QUESTION)}
    finally:
        DBOS.destroy()


async def openai_agents(folder: Path, url: str, tools: Tools, again: bool) -> dict[str, Any]:
    from agents import (
        Agent,
        OpenAIChatCompletionsModel,
        Runner,
        SQLiteSession,
        function_tool,
        set_tracing_disabled,
    )
    from agents.tool_context import ToolContext
    from openai import AsyncOpenAI

    async def ship(context: Any) -> str:
        """Ship the order."""
        return await asyncio.to_thread(tools.ship, context.tool_call_id)

    async def charge(context: Any) -> str:
        """Charge the card."""
        return await asyncio.to_thread(tools.charge, context.tool_call_id)

    ship.__annotations__["context"] = charge.__annotations__["context"] = ToolContext
    set_tracing_disabled(True)
    model = OpenAIChatCompletionsModel("scripted", AsyncOpenAI(base_url=url, api_key="none"))
    agent = Agent("order", model=model, tools=[function_tool(ship), function_tool(charge)])
    session = SQLiteSession("order", folder / "agents.db")
    known = await session.get_items()
    # What the session has of the turn is not said again; then there is nothing new to say.
    said: Any = [] if again and known else QUESTION
    done = await Runner.run(agent, said, session=session)
    return {"asked": len(done.interruptions), "answer": str(done.final_output)}


# --- one crash for each
# ---------------------------------------------------------------------------------------


def venv_of(name: str, venvs: Path) -> str:
    """The Python that has this rival; Treadle is run by this one."""
    if not RIVALS[name]:
        return sys.executable
    folder = venvs / name
    python = folder / "bin" / "python"
    if not (folder / "ready").exists():
        print(f"installing {name}", file=sys.stderr)
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
        subprocess.run([str(python), "-m", "pip", "install", "-q", *RIVALS[name]], check=True)
        (folder / "ready").touch()
    return str(python)


def life(python: str, name: str, folder: Path, url: str, again: bool) -> tuple[int, dict[str, Any]]:
    """One process: how it ended (negative: by a signal), and what it said."""
    out = folder / "said.json"
    out.unlink(missing_ok=True)
    path = str(ROOT / "src") if name == "treadle" else ""
    env = {**os.environ, "PYTHONPATH": path, "OPENAI_API_KEY": "none"}
    command = [python, __file__, "--live", name, str(folder), url, "again" if again else "first"]
    with (folder / "stderr.txt").open("a") as errors:
        ended = subprocess.run(
            command, env=env, stdout=errors, stderr=errors, timeout=120, check=False
        )
    return ended.returncode, json.loads(out.read_text()) if out.exists() else {}


def crash(name: str, venvs: Path, folder: Path, url: str) -> tuple[str, ...]:
    """The row of this contestant."""
    python = venv_of(name, venvs)
    code, _ = life(python, name, folder, url, again=False)
    if code != -signal.SIGKILL:
        return (name, f"didn't come to the crash (exit {code}): {last_words(folder)}", *[""] * 6)
    Server.asked = 0
    code, said = life(python, name, folder, url, again=True)
    effects = Tools(folder, deadly=False).happened()
    times = Counter(effect["tool"] for effect in effects)
    ids = {tool: {effect["id"] for effect in effects if effect["tool"] == tool} for tool in times}
    twice = [tool for tool in times if times[tool] > 1]
    same = "-" if not twice else "yes" if all(len(ids[tool]) == 1 for tool in twice) else "no"
    return (
        name,
        str(times["ship"]),
        str(times["charge"]),
        "yes" if times["ship"] == 1 and "shipped" in said.get("answer", "") else "no",
        "yes" if said.get("asked") else "no",
        same,
        str(Server.asked),
        said.get("answer", f"none: exit {code}: {last_words(folder)}")[:60],
    )


def last_words(folder: Path) -> str:
    return ((folder / "stderr.txt").read_text().splitlines() or [""])[-1]


def versions(python: str, names: Sequence[str]) -> str:
    asks = "import importlib.metadata as m, sys; print(', '.join(f'{n} {m.version(n)}' for n in sys.argv[1:]))"
    plain = [name.split("[")[0] for name in names]
    return subprocess.run(
        [python, "-c", asks, *plain], capture_output=True, text=True, check=True
    ).stdout.strip()


def table(rows: Sequence[Sequence[str]]) -> None:
    widths = [max(len(row[index]) for row in rows) for index in range(len(rows[0]))]
    for row in rows:
        print(
            "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        )


def main() -> None:
    if sys.argv[1:2] == ["--live"]:
        name, where, url, phase = sys.argv[2:]
        folder, again = Path(where), phase == "again"
        live = {
            "treadle": treadle,
            "langgraph": langgraph,
            "pydantic-ai": pydantic_ai,
            "openai-agents": openai_agents,
        }
        said = asyncio.run(live[name](folder, url, Tools(folder, deadly=not again), again))
        (folder / "said.json").write_text(json.dumps(said))
        return
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--venvs", type=Path, help="where the rivals' environments are, or are made"
    )
    parser.add_argument("--only", nargs="+", choices=list(RIVALS), default=list(RIVALS))
    chosen = parser.parse_args()
    server = ThreadingHTTPServer(("127.0.0.1", 0), Server)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_port}/v1"
    rows = [
        (
            "",
            "ship ran",
            "charge ran",
            "ship's result kept",
            "asked",
            "same id",
            "model calls after",
            "answer",
        )
    ]
    with tempfile.TemporaryDirectory() as scratch:
        venvs = chosen.venvs or Path(scratch)
        for name in chosen.only:
            folder = Path(scratch) / f"life of {name}"
            folder.mkdir()
            rows.append(crash(name, venvs, folder, url))
        table(rows)
        for name in chosen.only:
            if RIVALS[name]:
                print(versions(venv_of(name, venvs), RIVALS[name]))
    server.shutdown()


if __name__ == "__main__":
    main()
