"""Keeps on disk what llama.cpp computed for a system prompt (its KV cache), for the next process.

Two cores read 40 tokens a second, and a system prompt has hundreds: rules, tools, instructions. Its
KV cache has 28 KB a token and loads in milliseconds, so the first reply of the next process comes
sooner. Nothing of a conversation is kept. If a file can't be used, the prompt is just read again.
"""

import asyncio
import contextlib
import hashlib
import json
import os
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Awaitable, Callable
from typing import Any

from .server import Server

MAX_FILES = 8
"""How many prompts are kept; the least recently used goes. One of 700 tokens has 20 MB."""

_STALE_S = 3600.0

_warmed: set[str] = set()
"""The keys of servers that have had their first system prompt."""
_lock = threading.Lock()


async def warm_up(
    server: Server, system: str, ask: Callable[[dict[str, Any]], Awaitable[Any]]
) -> None:
    """Load the first system prompt of a server from disk, or have it read and save it.

    Does nothing for later prompts, since another conversation may use the slot by then. Raises what
    `ask` raises.
    """
    with _lock:
        if server.prompt_folder is None or not system or server.key in _warmed:
            return
        _warmed.add(server.key)
    digest = hashlib.blake2b(f"{server.identity}\n{system}".encode(), digest_size=16)
    name = digest.hexdigest() + ".kv"
    if await asyncio.to_thread(_load, server, name):
        return
    await ask({"messages": [{"role": "system", "content": system}], "max_tokens": 1, "id_slot": 0})
    await asyncio.to_thread(_save, server, name)


def _load(server: Server, name: str) -> bool:
    assert server.prompt_folder
    path = server.prompt_folder / name
    if not path.is_file() or not _use_slot(server, "restore", name):
        return False
    with contextlib.suppress(OSError):
        os.utime(path)
    return True


def _save(server: Server, name: str) -> None:
    assert server.prompt_folder
    temporary = f"{name}.{os.getpid()}.part"
    with contextlib.suppress(OSError):  # without the file, the next process reads the prompt again
        for left in server.prompt_folder.glob("*.part"):  # of processes that were killed
            if time.time() - left.stat().st_mtime > _STALE_S:
                left.unlink(missing_ok=True)
        if _use_slot(server, "save", temporary):
            os.replace(server.prompt_folder / temporary, server.prompt_folder / name)
        files = sorted(server.prompt_folder.glob("*.kv"), key=lambda path: path.stat().st_mtime)
        for old in files[:-MAX_FILES]:
            old.unlink(missing_ok=True)


def _use_slot(server: Server, action: str, filename: str) -> bool:
    """Call llama.cpp's `POST /slots/{id}?action=`. False if it refused."""
    request = urllib.request.Request(  # noqa: S310  # an address on loopback, made here
        f"{server.url.removesuffix('/v1')}/slots/0?action={action}",
        data=json.dumps({"filename": filename}).encode(),
        headers={"Authorization": f"Bearer {server.key}", "Content-Type": "application/json"},
    )
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with direct.open(request, timeout=60) as response:
            return bool(response.status == 200)
    except (urllib.error.URLError, OSError):
        return False
