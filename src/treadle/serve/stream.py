"""A thread as a stream of server-sent events. A record's id is its seq, so nothing is lost.

1. `record`: a record with its line, of the thread or of a child. Its id is the thread's last seq.
2. `delta`: a piece of what the model is writing, where this process drives the turn.
3. `result`: a turn has ended, or waits; `failed`: it has failed. The stream stays open for the next
   turn, of any process, unless the address says `?until=result`.
4. A browser that comes back sends the last id, and gets what came after it, with all of the
   children that are at work. Whoever leaves stops nothing.
"""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing
from functools import partial
from typing import Any, Literal

import msgspec
from starlette.responses import Response, StreamingResponse

from ..core import events as e
from ..core.errors import ModelError, TreadleError, TurnFailed
from ..core.result import Result
from ..runtime.drives import is_stopping
from ..runtime.follow import Items
from ..runtime.listeners import Delta
from ..runtime.log import Log
from ..runtime.watch import wait_at_most, watching
from .routes import Asked, read_errors
from .shown import Shown

QUIET_S = 15.0
"""After so long without an event comes a comment, or a proxy would take the line for dead."""
AGAIN_MS = 1_000
"""When a browser whose stream has ended comes back."""
LOOK_S = 0.5
"""How often an idle thread is looked at, for whoever has told the process to stop."""
STREAM_HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}


class StreamQuery(msgspec.Struct, forbid_unknown_fields=True):
    """From where on, and until when."""

    after: int = 0
    """The seq of the last record that is known; a `Last-Event-ID` wins."""
    until: Literal["result", "left"] = "left"


class Ended(msgspec.Struct):
    """How a turn has ended, or what it waits for."""

    thread_id: str
    status: str
    answer: str
    reason: str
    waiting: tuple[e.PendingDecision, ...]
    tokens: int
    seconds: float


Item = Delta | e.Record | Result
Follow = Callable[[int], Items[Any]]
"""Follows a thread after this seq."""


async def stream_thread(asked: Asked) -> Response:
    """The thread's records, pieces of text and results as they come, as server-sent events."""
    query: StreamQuery = asked.query
    after = max(0, query.after)
    last_id = asked.request.headers.get("last-event-id", "")
    if last_id.isascii() and last_id.isdigit():
        after = int(last_id)
    found = await asked.served.read(asked.thread)
    runner, _ = await asked.served.find_of_thread(asked.thread)
    shown = Shown(found, after)
    log = asked.served.make_log(found)
    follow = partial(asked.served.follow, runner, log)
    events = _events(follow, log, shown, after, stays=query.until == "left")
    return StreamingResponse(
        with_pauses(events), media_type="text/event-stream", headers=STREAM_HEADERS
    )


async def _events(
    follow: Follow, log: Log, shown: Shown, after: int, stays: bool
) -> AsyncGenerator[bytes, None]:
    yield f"retry: {AGAIN_MS}\n\n".encode()
    root = log.thread_id
    given = {root: after}
    """By thread, the seq of the last record that was given: each follow begins with all of the
    children that are at work."""
    try:
        while True:
            async with aclosing(_follow(follow, log, given[root])) as items:
                try:
                    async for item in items:
                        if _is_new(item, given):
                            yield _write_item(item, shown, given[root])
                except (ModelError, TurnFailed) as error:  # the turn's end: another may follow
                    yield _write_failed(error)
            while True:
                if not stays or not await _has_grown(log, given[root]):
                    return
                if not _is_over(log, given[root]):
                    break
                said_since = log.records[given[root] :]  # what people say of a turn that has ended
                for record in said_since:
                    given[root] = record.seq
                    yield _write_item(record, shown, record.seq)
    except TreadleError as error:
        yield _write_failed(error)


def _is_new(item: Item, given: dict[str, int]) -> bool:
    """Whether it is to be given: a record is once."""
    if not isinstance(item, e.Record):
        return True
    if item.seq <= given.get(item.thread_id, 0):
        return False
    given[item.thread_id] = item.seq
    return True


def _write_failed(error: TreadleError) -> bytes:
    _, body = read_errors(error)
    return write_event("failed", body)


async def _follow(follow: Follow, log: Log, after: int) -> AsyncGenerator[Item, None]:
    """What comes after this seq up to the end of the last turn; of a thread without a turn, what
    there is."""
    await log.refresh()
    if log.state.turn is None:
        for record in log.records[after:]:
            yield record
        return
    async with aclosing(follow(after)) as items:
        async for item in items:
            yield item


async def _has_grown(log: Log, after: int) -> bool:
    """Wait until the thread has a record after this one. False once the process is to stop."""
    with watching(log) as grown:
        while not is_stopping():
            await log.refresh()
            if log.state.seq > after:
                return True
            grown.clear()
            await wait_at_most(LOOK_S, grown)
    return False


def _is_over(log: Log, after: int) -> bool:
    """Whether the last turn had ended by then, and has ended still."""
    ends = (isinstance(record.event, e.TurnEnded) for record in log.records[after:])
    return log.state.phase == "idle" and not any(ends)


def _write_item(item: Item, shown: Shown, seq: int) -> bytes:
    match item:
        case Delta():
            return write_event("delta", msgspec.json.encode(item))
        case Result():
            ended = Ended(
                item.thread_id,
                item.status,
                item.answer,
                item.reason,
                item.waiting,
                item.usage.total_tokens,
                item.seconds,
            )
            return write_event("result", msgspec.json.encode(ended))
        case record:
            return write_event("record", msgspec.json.encode(shown.show(record)), seq)


def write_event(name: str, data: bytes, id: int | None = None) -> bytes:
    """One server-sent event. The data is JSON, which has no bare line breaks."""
    head = f"event: {name}\n"
    if id is not None:
        head = f"id: {id}\n{head}"
    return head.encode() + b"data: " + data + b"\n\n"


async def with_pauses(events: AsyncGenerator[bytes, None]) -> AsyncIterator[bytes]:
    """The events, and a comment wherever none comes for a while."""
    async with aclosing(events):
        coming: asyncio.Task[Any] | None = None
        try:
            while True:
                coming = coming or asyncio.ensure_future(anext(events, None))
                await asyncio.wait([coming], timeout=QUIET_S)
                if not coming.done():
                    yield b": still here\n\n"
                    continue
                event, coming = coming.result(), None
                if event is None:
                    return
                yield event
        finally:
            if coming:
                coming.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await coming
