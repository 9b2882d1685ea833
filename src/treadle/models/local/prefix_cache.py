"""The start of a prompt, read once and kept on disk: rules, tools and the agent's instructions.

Two cores read 40 tokens a second, and the start has hundreds; what llama.cpp makes of it is 28 KB a token and is
loaded in milliseconds. So the first reply of a new process needn't wait for what the last process knew.
Only the system prompt is kept, nothing of a conversation. A file that can't be used costs no more than its reading.
"""

import asyncio
import contextlib
import hashlib
import json
import os
import threading
import urllib.error
import urllib.request
from collections.abc import Awaitable, Callable
from typing import Any

from .server import Server

MAX_FILES = 8
"""Files; the least recently used goes. One of 700 tokens is 20 MB."""

_begun: set[str] = set()
_lock = threading.Lock()


async def warm_up(
    server: Server, system: str, ask: Callable[[dict[str, Any]], Awaitable[Any]]
) -> None:
    """Has the first system prompt that a server gets read, from disk or by asking; does nothing for later ones.

    Later ones are left alone since another conversation may be in the slot. Raises what `ask` raises.
    """
    with _lock:
        if server.prompts is None or not system or server.key in _begun:
            return
        _begun.add(server.key)
    name = hashlib.blake2b(f"{server.about}\n{system}".encode(), digest_size=16).hexdigest() + ".kv"
    if await asyncio.to_thread(_load, server, name):
        return
    await ask({"messages": [{"role": "system", "content": system}], "max_tokens": 1, "id_slot": 0})
    await asyncio.to_thread(_save, server, name)


def _load(server: Server, name: str) -> bool:
    assert server.prompts
    path = server.prompts / name
    if not path.is_file() or not _slot(server, "restore", name):
        return False
    with contextlib.suppress(OSError):
        os.utime(path)
    return True


def _save(server: Server, name: str) -> None:
    assert server.prompts
    temporary = f"{name}.{os.getpid()}.part"
    with contextlib.suppress(
        OSError
    ):  # a cache: where it can't be written, the next process reads again
        if _slot(server, "save", temporary):
            os.replace(server.prompts / temporary, server.prompts / name)
        files = sorted(server.prompts.glob("*.kv"), key=lambda path: path.stat().st_mtime)
        for old in files[:-MAX_FILES]:
            old.unlink(missing_ok=True)


def _slot(server: Server, action: str, filename: str) -> bool:
    """llama.cpp's `POST /slots/{id}?action=`. False where it refused."""
    request = urllib.request.Request(
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
