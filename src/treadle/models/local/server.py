"""llama.cpp's own server for one weights file, in a child process that lives and dies with this one.

1. A child, because loading holds Python's lock for four seconds (no heartbeat, no stream would move), because native
   code can crash, and because a process of its own ends at once when it is no longer wanted.
2. The child runs child.py by itself, as child_interpreter.py says: nothing of the working directory.
3. It listens on 127.0.0.1, at a port that was free, and answers only who knows the random key. The key goes through
   a pipe: arguments and environment are for all to see.
4. It ends when its standard input does: so also when this process is killed.
"""

import atexit
import contextlib
import json
import os
import secrets
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from importlib.machinery import PathFinder
from pathlib import Path

from ...core.errors import UsageError
from ..child_interpreter import start_interpreter
from .weights import cache_dir

START_S = 180.0
"""A cold disk reads 1.1 GB slowly."""

_CHILD = Path(__file__).with_name("child.py")


@dataclass(frozen=True)
class Server:
    """One that runs."""

    url: str
    """Of its OpenAI-compatible API, with /v1."""
    key: str
    process: subprocess.Popen[bytes]
    owner: int
    """Process id of who started it, and so of who stops it: a fork may use it, no more."""
    about: str = ""
    """Names weights and program: what one made, another of the same name can read."""
    prompts: Path | None = None
    """Where it may keep what it made of a prompt; None where no folder can be had."""


_running: dict[tuple[Path, int], Server] = {}
_starting = threading.Lock()


def ensure_server(weights: Path, context_tokens: int) -> Server:
    """The server of this file; starts it where none is up, in about four seconds. Blocks; for any thread.

    Raises UsageError: llama.cpp isn't installed, or can't use the file.
    """
    with _starting:
        server = _running.get((weights, context_tokens))
        if server is None or server.process.poll() is not None:
            if server:
                _end(server)
            if not _running:
                atexit.register(stop_servers)
            server = _running[weights, context_tokens] = _start(weights, context_tokens)
        return server


def stop_servers() -> None:
    """Ends every server of this process. Runs at exit by itself; the next reply starts a new one."""
    with _starting:
        for server in _running.values():
            if server.owner == os.getpid():
                _end(server)
        _running.clear()


def _end(server: Server) -> None:
    server.process.kill()
    server.process.wait()
    for pipe in (server.process.stdin, server.process.stdout):
        if pipe:
            with contextlib.suppress(OSError):
                pipe.close()


def _start(weights: Path, context_tokens: int) -> Server:
    found = PathFinder.find_spec(
        "xllamacpp", [each for each in sys.path if Path(each).absolute() != Path.cwd()]
    )
    if found is None or not found.origin:
        raise UsageError("the embedded model needs llama.cpp; run: pip install 'treadle[local]'")
    prompts = _folder()
    settings = {
        "packages": str(
            Path(found.origin).absolute().parent.parent
        ),  # it may lie where only this process looks
        "weights": str(weights.absolute()),
        "prompts": str(prompts or ""),
        "context_tokens": context_tokens,
        "threads": _cores(),
        "generating": choose_threads(_cores(), _busy()),
        "key": secrets.token_urlsafe(24),
    }
    with tempfile.TemporaryFile() as said:
        process = start_interpreter(_CHILD, said)
        assert process.stdin
        assert process.stdout
        alarm = threading.Timer(START_S, process.kill)
        alarm.daemon = True
        alarm.start()
        with contextlib.suppress(OSError):  # it died before it read this; the empty answer says so
            process.stdin.write(json.dumps(settings).encode() + b"\n")
            process.stdin.flush()
        answer = process.stdout.readline()
        alarm.cancel()
        if not answer:
            process.stdin.close()
            process.stdout.close()
            code = process.wait()
            said.seek(0)
            raise UsageError(
                f"llama.cpp can't use {weights}: {_reason(said.read().decode('utf8', 'replace'), code)}"
            )
    told, seen = json.loads(answer), weights.stat()
    about = f"{weights} {seen.st_size} {seen.st_mtime_ns} {told['version']}"
    return Server(told["url"] + "/v1", str(settings["key"]), process, os.getpid(), about, prompts)


def _folder() -> Path | None:
    folder = cache_dir() / "prompts"
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError:
        return None
    return folder


def _reason(said: str, code: int) -> str:
    lines = [line for line in said.splitlines() if "error" in line.lower()]
    return lines[0].partition("error")[2].strip(" :") if lines else f"it ended with code {code}"


def _cores() -> int:
    """Those that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return max(1, len(os.sched_getaffinity(0)))
    return os.cpu_count() or 1


def choose_threads(cores: int, busy: float) -> int:
    """Threads to generate with, where others use so many of the cores.

    On a quiet machine all. Else one is left alone: where all are taken and one has other work too, the threads wait for
    each other at every layer, and it's three times slower. Reading the prompt suffers less.
    """
    return cores if busy < 0.5 else max(1, cores - 1)


def _busy() -> float:
    """Cores in use just now, looked at for a fifth of a second; 1 where the system doesn't say."""

    def ticks() -> tuple[int, int]:
        counts = [
            int(word) for word in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:]
        ]
        return sum(counts[:8]), counts[3] + counts[4]  # of them idle, or waiting for a disk

    try:
        whole, idle = ticks()
        time.sleep(0.2)
        whole_then, idle_then = ticks()
    except (OSError, ValueError, IndexError):
        return 1.0
    spent = max(1, whole_then - whole)
    return (1 - (idle_then - idle) / spent) * (os.cpu_count() or 1)
