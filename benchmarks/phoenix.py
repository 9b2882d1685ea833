"""Treadle's traces in a real Arize Phoenix, read back over its API.

    python -m venv phoenix-venv && phoenix-venv/bin/pip install arize-phoenix # 550 MB, Elastic Licence 2.0
    pip install '.[otel]' && python benchmarks/phoenix.py phoenix-venv/bin/phoenix

Starts Phoenix on 127.0.0.1 with a folder of its own, lets a scripted agent work with tools, an
approval and a second turn, reads the spans back, compares them with the log's, and ends Phoenix.
Exit code 1 if anything differs.
"""

import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from treadle import Agent, ApprovalGiven, MemoryStore, Record, ScriptedModel, run_sync, tool
from treadle.models.scripted import calls, says
from treadle.observe import conventions as c
from treadle.observe.content import Content
from treadle.observe.otlp import send_spans as send_again
from treadle.observe.span import Span
from treadle.observe.spans import build_spans
from treadle.observe.tracing import Tracing
from treadle.runtime.log import open_log

PATIENCE_S = 120
PROJECT, THREAD = "treadle", "phoenix-check"
KINDS = {c.CHAT: "LLM", c.EXECUTE_TOOL: "TOOL", c.INVOKE_AGENT: "AGENT"}


@tool(read_only=True)
def add(a: int, b: int) -> int:
    """Add."""
    return a + b


@tool(needs_approval=True)
def send(to: str, text: str) -> str:
    """Send a message."""
    return f"sent to {to}"


async def work(tracing: Tracing, store: MemoryStore) -> list[Record]:
    """A turn with two tools, one of them approved on the way, and another turn; the thread's records."""
    script = [
        calls(("add", {"a": 1, "b": 2})),
        calls(("send", {"to": "bob", "text": "3"})),
        says("Sent."),
        says("Yes."),
    ]
    settings: dict[str, Any] = {
        "model": ScriptedModel(script),
        "store": store,
        "listeners": [tracing],
    }
    agent = Agent("Be brief.", name="calc", tools=[add, send], **settings)
    waits = await agent.run("Add 1 and 2 and send it to bob.", thread=THREAD)
    await agent.post(THREAD, ApprovalGiven(waits.waiting[0].id, True, by="ann"))
    await agent.resume(THREAD)
    await agent.run("Is it there?", thread=THREAD)
    return (await open_log(THREAD, store, agent.world)).records


@contextmanager
def phoenix(program: str) -> Iterator[str]:
    """A Phoenix of its own, up; its address. Says how long it took to start."""
    port, grpc = free_port(), free_port()
    with tempfile.TemporaryDirectory() as folder, open(Path(folder, "out.log"), "wb") as out:
        settings = {
            "PHOENIX_WORKING_DIR": folder,
            "PHOENIX_HOST": "127.0.0.1",
            "PHOENIX_PORT": str(port),
            "PHOENIX_GRPC_PORT": str(grpc),
            "PHOENIX_TELEMETRY_ENABLED": "false",
        }
        started = time.monotonic()
        process = subprocess.Popen(
            [program, "serve"], env={**os.environ, **settings}, stdout=out, stderr=out
        )
        try:
            while time.monotonic() - started < PATIENCE_S and process.poll() is None:
                try:
                    urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=2).close()
                    print(f"Phoenix is up after {time.monotonic() - started:.0f} s")
                    break
                except OSError:
                    time.sleep(0.5)
            else:
                raise SystemExit(
                    Path(folder, "out.log").read_text()[-2000:] or "Phoenix did not start"
                )
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()
            process.wait(20)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def stored(address: str, expected: int) -> list[dict[str, Any]]:
    """The project's spans, once they are all there."""
    found: list[dict[str, Any]] = []
    started = time.monotonic()
    while len(found) < expected and time.monotonic() - started < 30:
        time.sleep(0.5)
        try:
            with urllib.request.urlopen(
                f"{address}/v1/projects/{PROJECT}/spans?limit=1000", timeout=5
            ) as answer:
                found = json.load(answer)["data"]
        except OSError:
            continue  # the project comes with its first span
    return found


def compared(expected: Sequence[Span], found: Sequence[dict[str, Any]]) -> Iterator[str]:
    """What Phoenix has otherwise than the log, in words."""
    theirs = {int(each["context"]["span_id"], 16): each for each in found}
    if len(found) != len(expected):
        yield f"{len(found)} spans instead of {len(expected)}"
    for span in expected:
        each = theirs.get(span.context.span_id)
        if each is None:
            yield f"{span.name} is not there"
            continue
        of = each["attributes"]
        parent = span.parent and f"{span.parent.span_id:016x}"
        for what, is_there, should in (
            ("trace", each["context"]["trace_id"], f"{span.context.trace_id:032x}"),
            ("parent", each["parent_id"], parent),
            ("kind", each["span_kind"], KINDS[str(span.attributes[c.OPERATION])]),
            ("session", of.get("session.id"), span.attributes[c.SESSION]),
            ("tokens in", of.get("llm.token_count.prompt"), span.attributes.get(c.INPUT_TOKENS)),
            (
                "tokens out",
                of.get("llm.token_count.completion"),
                span.attributes.get(c.OUTPUT_TOKENS),
            ),
            ("model", of.get("llm.model_name"), span.attributes.get(c.REQUEST_MODEL)),
            ("tool", of.get("tool.name"), span.attributes.get(c.TOOL)),
            (
                "input",
                "llm.input_messages.0.message.content" in of,
                c.INPUT_MESSAGES in span.attributes,
            ),
        ):
            if is_there != should:
                yield f"{span.name}: {what} is {is_there!r} instead of {should!r}"


def main() -> int:
    program = sys.argv[1] if sys.argv[1:] else shutil.which("phoenix")
    if not program:
        raise SystemExit(__doc__)
    os.environ["OTEL_RESOURCE_ATTRIBUTES"] = f"openinference.project.name={PROJECT}"
    with phoenix(program) as address:
        os.environ["OTEL_EXPORTER_OTLP_ENDPOINT"] = address
        store = MemoryStore()
        tracing = Tracing(content=True, store=store)
        log = run_sync(work(tracing, store))
        tracing.close()
        expected = build_spans(log, Content())
        found = stored(address, len(expected))
        kinds = Counter(each["span_kind"] for each in found)
        traces = {each["context"]["trace_id"] for each in found}
        counted = ", ".join(f"{count} {kind}" for kind, count in sorted(kinds.items()))
        tokens = sum(each["attributes"].get("llm.token_count.total", 0) for each in found)
        print(f"live: {len(found)} spans in {len(traces)} traces ({counted}), {tokens} tokens")
        wrong = list(compared(expected, found))
        send_again(expected)
        time.sleep(3)
        again = stored(address, len(expected))
        print(f"sent again afterwards: {len(again)} spans")
        wrong += compared(expected, again)
    print(
        "\n".join(wrong)
        or "all as the log says: ids, parents, kinds, sessions, tokens, models, tools, messages"
    )
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
