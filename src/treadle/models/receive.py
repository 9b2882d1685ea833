"""Sends one request and feeds a ReplyReader with the answer, until that is at its end."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import Protocol

from ..core.errors import ModelUnavailable
from ..core.events import Thinking
from .reply_reader import ReplyReader

AFTER_DONE_S = 1.0
"""How long to wait for the end of a response after its last event, to reuse the connection."""
AFTER_WHOLE_S = 20.0
"""How long a whole reply waits for its usage, from a server that never says that it is done."""


class Sender(Protocol):
    """An Endpoint or an SDKEndpoint."""

    async def post(self, body: bytes) -> AsyncGenerator[bytes, None]: ...


async def receive(
    sender: Sender, body: bytes, reader: ReplyReader, emit: Callable[[str | Thinking], None]
) -> None:
    """Send this body and read the answer. What breaks after the reply's end doesn't matter."""
    patience = asyncio.timeout(None)
    waits_s: float | None = None
    try:
        async with aclosing(await sender.post(body)) as answer, patience:
            async for data in answer:
                for piece in reader.feed(data):
                    emit(piece)
                wait_s = _wait_s(reader)
                if wait_s and wait_s != waits_s:  # else each sign of life would begin it anew
                    patience.reschedule(asyncio.get_running_loop().time() + wait_s)
                    waits_s = wait_s
    except TimeoutError:
        if not (reader.whole and patience.expired()):
            raise
    except ModelUnavailable:
        if not reader.whole:
            raise


def _wait_s(reader: ReplyReader) -> float | None:
    """How long to wait from here for the end of the answer; None while the reply isn't whole."""
    if reader.done:
        return AFTER_DONE_S
    return AFTER_WHOLE_S if reader.whole else None
