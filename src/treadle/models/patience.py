"""How long an answer may send nothing, once it has begun."""

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import aiohttp


class Patience:
    """Reads an answer, and raises aiohttp's SocketTimeoutError once nothing has come for so long.

    aiohttp does that itself, with a new timer for each piece: a tenth of what a streamed token
    costs. Here one timer looks, now and then, how long the reader has waited.
    """

    def __init__(self, content: "aiohttp.StreamReader", idle_s: float) -> None:
        self._content = content
        self._idle_s = idle_s
        self._loop = asyncio.get_running_loop()
        self._waits_since: float | None = None
        self._timer: asyncio.TimerHandle | None = None

    async def read(self) -> bytes:
        """What has come, or the next that comes; b"" at the end."""
        if self._timer is None and not self._content.is_eof():
            self._timer = self._loop.call_later(self._idle_s, self._look)
        self._waits_since = self._loop.time()
        try:
            return await self._content.readany()
        finally:
            self._waits_since = None

    def _look(self) -> None:
        left_s = self._idle_s
        if self._waits_since is not None:
            left_s += self._waits_since - self._loop.time()
        if left_s > 0.0:
            self._timer = self._loop.call_later(left_s, self._look)
            return
        import aiohttp

        self._content.set_exception(aiohttp.SocketTimeoutError("nothing came"))

    def end(self) -> None:
        if self._timer:
            self._timer.cancel()
