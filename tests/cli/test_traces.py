"""`treadle export-traces`, and traces while a turn runs."""

import asyncio
import json
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from cli.commandline import AGENTS, Treadle
from cli.test_due import Started, agents_file, started
from observe.receiver import Received, receiving
from treadle import Agent, MemoryStore, ScriptedModel
from treadle.cli.traces import trace_listeners, watching
from treadle.core import events as e
from treadle.engines import Job
from treadle.models.scripted import says
from treadle.observe.tracing import Tracing
from treadle.runtime.log import open_log
from treadle.runtime.world import World
from treadle.workers import Worker
from treadle.workers.metrics import DURATION, LAG

pytest.importorskip("opentelemetry.exporter.otlp.proto.http", reason="needs the extra otel")
__all__ = ["started"]

VARIABLES = ("ENDPOINT", "TRACES_ENDPOINT", "HEADERS", "TIMEOUT")


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Received]:
    for name in VARIABLES:
        monkeypatch.delenv(f"OTEL_EXPORTER_OTLP_{name}", raising=False)
    with receiving() as received:
        yield received


@pytest.mark.slow
def test_a_thread_is_sent_afterwards_and_twice_is_the_same(
    treadle: Treadle, server: Received
) -> None:
    treadle("1+2?", "-t", "mine", agent="agent")
    assert server.requests == []
    ran = treadle("export-traces", "mine", "--endpoint", server.url)
    assert (ran.code, ran.err, ran.out) == (0, "4 spans in 1 trace sent\n", "")
    once = server.ids
    assert [name for name, *_ in once] == [
        "chat scripted",
        "chat scripted",
        "execute_tool add",
        "invoke_agent agent",
    ]
    treadle("export-traces", "mi", "--endpoint", f"{server.url}/v1/traces/")
    assert server.ids == sorted(once * 2)


def test_what_was_said_goes_out_on_request_alone_and_never_a_secret(
    treadle: Treadle, server: Received, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOOM_API_KEY", "swordfish-1")
    treadle("swordfish-1?", "-t", "mine", agent="agent")
    treadle("export-traces", "mine", "--endpoint", server.url)
    assert "gen_ai.input.messages" not in server.attributes("invoke_agent agent")
    treadle("export-traces", "mine", "--endpoint", server.url, "--content")
    assert (
        '"content":"[redacted]?"'
        in server.attributes("invoke_agent agent")["gen_ai.input.messages"]
    )


def test_a_file_of_otlp_json_has_ids_in_hexadecimal(treadle: Treadle, server: Received) -> None:
    treadle("1+2?", "-t", "mine", agent="agent")
    treadle("export-traces", "mine", "--endpoint", server.url)
    file = treadle.agents.parent / "traces.json"
    assert (
        treadle("export-traces", "mine", "-o", str(file)).err == f"4 spans in 1 trace in {file}\n"
    )
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    [of_resource] = json.loads(file.read_text())["resourceSpans"]
    found = of_resource["scopeSpans"][0]["spans"]
    assert (
        sorted((span["name"], int(span["traceId"], 16), int(span["spanId"], 16)) for span in found)
        == server.ids
    )
    assert [len(span.get("parentSpanId", "")) for span in found] == [16, 16, 16, 0]
    assert json.loads(treadle("export-traces", "mine", "-o", "-").out)["resourceSpans"][0][
        "scopeSpans"
    ]


def test_a_tree_is_the_thread_and_all_that_it_began(treadle: Treadle, server: Received) -> None:
    treadle("1+2?", "-t", "mine", agent="agent")
    folder = treadle.agents.parent
    lines = treadle("db", "export", "mine").out.replace('"mine"', '"child"').splitlines()
    assert (
        treadle("export-traces", "mine", "--endpoint", server.url).err
        == "4 spans in 1 trace sent\n"
    )
    [execute] = [span for span in server.spans if span.name == "execute_tool add"]
    first, second = json.loads(lines[0]), json.loads(lines[1])
    first["event"] |= {"parent_thread_id": "mine", "parent_call_id": "c00005000"}
    second["event"]["trace"] = f"00-{execute.trace_id.hex()}-{execute.span_id.hex()}-00"
    text = "\n".join([json.dumps(first), json.dumps(second), *lines[2:]])
    (folder / "child.jsonl").write_text(text)
    treadle("db", "import", str(folder / "child.jsonl"))
    assert (
        treadle("export-traces", "mine", "--endpoint", server.url, "--tree").err
        == "8 spans in 1 trace sent\n"
    )
    below = [span for span in server.spans if span.parent_span_id == execute.span_id]
    assert [span.name for span in below] == ["invoke_agent agent"]


def test_a_server_that_does_not_take_them_is_named(treadle: Treadle, server: Received) -> None:
    treadle("1+2?", "-t", "mine", agent="agent")
    server.status = 400
    ran = treadle("export-traces", "mine", "--endpoint", server.url)
    assert (ran.code, ran.err.splitlines()[-1]) == (
        2,
        f"error: {server.url} did not take the spans 1 to 4",
    )
    assert treadle("export-traces", "mine").err.startswith("error: where to? Say --endpoint ")
    assert treadle("export-traces", "nobody").code == 2


def test_without_the_extra_it_says_how_to_get_it(
    treadle: Treadle, monkeypatch: pytest.MonkeyPatch
) -> None:
    treadle("1+2?", "-t", "mine", agent="agent")
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.trace", None)
    ran = treadle("export-traces", "mine", "-o", "-")
    assert (ran.code, ran.err) == (
        2,
        "error: traces need OpenTelemetry: pip install 'treadle[otel]'\n",
    )


@pytest.mark.slow
def test_a_turn_is_traced_while_it_runs_where_the_environment_says_so(
    treadle: Treadle, server: Received, monkeypatch: pytest.MonkeyPatch
) -> None:
    treadle.agents.write_text(AGENTS)
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", server.url)
    words = [
        sys.executable,
        "-m",
        "treadle",
        "1+2?",
        "-q",
        "-t",
        "mine",
        "--agent",
        f"{treadle.agents}:agent",
    ]
    done = subprocess.run(words, capture_output=True, text=True, timeout=20, check=True)
    assert (done.stdout, done.stderr) == ("The sum is 3.\n", "")
    live = server.ids
    assert len(live) == 4
    assert set(server.paths) == {"/v1/traces"}
    monkeypatch.delenv("OTEL_EXPORTER_OTLP_ENDPOINT")
    treadle("export-traces", "mine", "--endpoint", server.url)
    assert server.ids == sorted(live * 2)
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", server.url)
    monkeypatch.setenv("OTEL_METRICS_EXPORTER", "otlp")
    subprocess.run(
        [*words[:-4], "-t", "third", *words[-2:]], capture_output=True, timeout=20, check=True
    )
    assert (len(server.ids), "/v1/metrics" in server.paths) == (12, True)
    monkeypatch.setenv("OTEL_SDK_DISABLED", "true")
    treadle("1+2?", "-q", "-t", "other", agent="agent")
    assert len(server.ids) == 12


@pytest.mark.slow
@pytest.mark.parametrize("metrics", [True, False])
def test_a_worker_sends_its_turns_traces_and_its_metrics_where_the_environment_says_so(
    treadle: Treadle,
    started: Started,
    server: Received,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    metrics: bool,
) -> None:
    napper = f"{agents_file(tmp_path, 0.01)}:napper"
    monkeypatch.delenv("TREADLE_ENGINE", raising=False)
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", server.url)
    if metrics:
        monkeypatch.setenv("OTEL_METRICS_EXPORTER", "otlp")
    worker = started("worker", napper, "--every", "0.1")
    assert treadle("submit", "go", "--agent", napper, "--wait").out == "napped\n"
    worker.send_signal(signal.SIGTERM)
    _, told = worker.communicate(timeout=20)
    assert worker.returncode == 143, told
    assert {span.name for span in server.spans} >= {"invoke_agent agent", "execute_tool nap"}
    assert ({DURATION, LAG} <= server.metrics) == ("/v1/metrics" in server.paths) == metrics


class Tenant(MemoryStore):
    """A store of one tenant's threads."""

    def __init__(self, tenant: str) -> None:
        super().__init__()
        self.tenant = tenant


def test_a_worker_of_several_tenants_reads_each_one_s_threads_where_they_are(
    server: Received, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", server.url)
    stores = [Tenant("acme"), Tenant("other")]
    one = Agent(model=ScriptedModel([says("Yes.")] * 2), name="shop", store=MemoryStore())

    async def whole() -> None:
        async with watching(Worker([one], stores=stores)) as worker:
            for store in stores:
                log = await open_log("mine", store, World())
                await log.append(e.ThreadStarted("shop", "k"), e.UserSaid("go"))
                await worker.do(Job("resume", "shop", "mine", store.tenant))

    asyncio.run(whole())
    for store in stores:
        [tracing] = trace_listeners(replace(one, store=store))
        assert isinstance(tracing, Tracing)
        tracing.flush()
    assert [name for name, *_ in server.ids] == ["chat scripted"] * 2 + ["invoke_agent shop"] * 2
    assert "isn't traced" not in caplog.text
