"""Runs llama.cpp's server for one weights file, in a child process that ends with this one.

1. Loading the weights holds Python's lock for four seconds, in which no heartbeat and no stream
   would move; and native code can crash. A process of its own avoids both, and can be ended at
   once.
2. The child runs child.py, and no code of the working directory (child_interpreter.py).
3. It listens on 127.0.0.1 at a free port and requires a random key. The key goes through a pipe,
   since other users can see a process's arguments and environment.
4. It ends when its standard input ends, and so also when this process is killed.
"""

import atexit
import contextlib
import json
import os
import secrets
import subprocess
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from ...core.errors import UsageError
from ...this_user import NoHome
from ..child_interpreter import find_package_folder, start_interpreter
from .weights import cache_dir

START_S = 180.0
"""How long a start may take: a cold disk reads 1.1 GB slowly."""

_CHILD = Path(__file__).with_name("child.py")


@dataclass(frozen=True)
class Server:
    """A running server."""

    url: str
    """The base URL of its OpenAI-compatible API, with /v1."""
    key: str
    process: subprocess.Popen[bytes]
    owner_pid: int
    """The process that started it and stops it. A fork may use it but not stop it."""
    identity: str = ""
    """Names weights and version: servers of the same identity can read each other's KV caches."""
    prompt_folder: Path | None = None
    """Where it keeps the KV caches of prompts; None if there is no folder for them."""
    weights: Path | None = None
    """The model's file."""


_running: dict[tuple[Path, int, bool], Server] = {}
_starting = threading.Lock()
loading: dict[subprocess.Popen[bytes], int] = {}
"""Processes that are still loading their weights, and who started them."""


def ensure_server(weights: Path, context_tokens: int, own_template: bool = False) -> Server:
    """The server for this file; starts it if it isn't running, in about four seconds. Blocks.

    `own_template`: it gives replies back as the model wrote them, with the marks of its template.
    Safe for many threads. Raises UsageError if llama.cpp isn't installed or can't use the file.
    """
    with _starting:
        key = (weights, context_tokens, own_template)
        server = _running.get(key)
        if server is None or server.process.poll() is not None:
            if server:
                _stop(server)
            if not _running:
                atexit.register(end_servers)
            server = _running[key] = _start(*key)
        return server


def end_servers() -> None:
    """Stop every server, also one that is being started: whoever waits for it is told it can't be.

    For the end of the process, which else would wait until the weights are loaded.
    """
    for process, owner_pid in list(loading.items()):
        if owner_pid == os.getpid():
            process.kill()
    stop_servers()


def stop_servers() -> None:
    """Stop every server of this process; the next reply starts a new one.

    It waits for one that is being started.
    """
    with _starting:
        for server in _running.values():
            if server.owner_pid == os.getpid():
                _stop(server)
        _running.clear()


def _stop(server: Server) -> None:
    server.process.kill()
    server.process.wait()
    for pipe in (server.process.stdin, server.process.stdout):
        if pipe:
            with contextlib.suppress(OSError):
                pipe.close()


def _start(weights: Path, context_tokens: int, own_template: bool) -> Server:
    prompt_folder = _make_prompt_folder()
    settings = {
        "packages": str(_find_packages()),
        "weights": str(weights.absolute()),
        "prompts": str(prompt_folder or ""),
        "context_tokens": context_tokens,
        "own_template": own_template,
        "threads": _count_cores(),
        "generating": choose_threads(_count_cores(), _measure_busy_cores()),
        "key": secrets.token_urlsafe(24),
    }
    with tempfile.TemporaryFile() as errors:
        process = start_interpreter(_CHILD, errors)
        loading[process] = os.getpid()
        assert process.stdin
        assert process.stdout
        alarm = threading.Timer(START_S, process.kill)
        alarm.daemon = True
        alarm.start()
        with contextlib.suppress(OSError):  # if it has died already, the empty answer tells
            process.stdin.write(json.dumps(settings).encode() + b"\n")
            process.stdin.flush()
        answer = process.stdout.readline()
        loading.pop(process, None)
        alarm.cancel()
        if not answer:
            process.stdin.close()
            process.stdout.close()
            code = process.wait()
            errors.seek(0)
            reason = _find_reason(errors.read().decode("utf8", "replace"), code)
            raise UsageError(f"llama.cpp can't use {weights}: {reason}")
    started = json.loads(answer)
    file = weights.stat()
    return Server(
        url=started["url"] + "/v1",
        key=str(settings["key"]),
        process=process,
        owner_pid=os.getpid(),
        identity=f"{weights} {file.st_size} {file.st_mtime_ns} {started['version']}",
        prompt_folder=prompt_folder,
        weights=weights,
    )


def _find_packages() -> Path:
    found = find_package_folder("xllamacpp")
    if found is None:
        raise UsageError("the embedded model needs llama.cpp; run: pip install 'treadle[local]'")
    return found


def _make_prompt_folder() -> Path | None:
    try:
        folder = cache_dir() / "prompts"
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except (OSError, NoHome):
        return None
    return folder


def _find_reason(errors: str, code: int) -> str:
    for line in errors.splitlines():
        if "error" in line.lower():
            return line.partition("error")[2].strip(" :")
    return f"it ended with code {code}"


def _count_cores() -> int:
    """How many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return max(1, len(os.sched_getaffinity(0)))
    return os.cpu_count() or 1


def choose_threads(cores: int, busy: float) -> int:
    """How many threads generate tokens, if other programs keep this many cores busy.

    All cores on a quiet machine, else one fewer: threads wait for each other at every layer, so a
    thread that shares its core makes generation three times slower. Reading the prompt suffers
    less.
    """
    if busy < 0.5:
        return cores
    return max(1, cores - 1)


def _measure_busy_cores() -> float:
    """How many cores are in use, measured for a fifth of a second; 1 if that is unknown."""

    def ticks() -> tuple[int, int]:
        """Clock ticks of all cores since boot, and how many were idle or waiting for a disk."""
        first_line = Path("/proc/stat").read_text().split("\n", 1)[0]
        counts = [int(word) for word in first_line.split()[1:]]
        return sum(counts[:8]), counts[3] + counts[4]

    try:
        total, idle = ticks()
        time.sleep(0.2)
        total_after, idle_after = ticks()
    except (OSError, ValueError, IndexError):
        return 1.0
    elapsed = max(1, total_after - total)
    return (1 - (idle_after - idle) / elapsed) * (os.cpu_count() or 1)
