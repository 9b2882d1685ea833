"""Runs today's code of a flow along a recorded thread, to see if it asks for the same steps.

No step runs, and nothing is written.
"""

import contextlib
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from dataclasses import replace as with_fields
from typing import Any

from msgspec.structs import replace

from ..core import events as e
from ..core.errors import FlowChanged
from ..runtime.log import Log, open_log
from ..runtime.recorded_events import ends_with_turn
from ..runtime.settings import Hands, OfRun, RunSettings
from ..runtime.world import World, no_sleep
from ..stores.memory import MemoryStore
from ..stores.rows import to_rows
from ..stores.store import Row, Store, ThreadInfo
from .flow_run import FlowRun


async def replay_flow(
    log: Log, job: RunSettings, code: Callable[[Log], Coroutine[Any, Any, str]]
) -> FlowChanged | None:
    """The first difference; None if the code asks for the recorded steps and ends as recorded."""
    records, turn = log.records, log.state.turn
    assert turn
    ended = turn.ended
    if ended:  # what comes after is no run's
        end = next(record.seq for record in reversed(records) if record.event is ended) - 1
        while ended.status == "cancelled" and ends_with_turn(records[end - 1].event):
            end -= 1  # the code knew nothing of it
        records = records[:end]
    copy = _Copy(log.thread_id, log.store)
    await copy.append(log.thread_id, to_rows(records))
    world = World(now=lambda: records[-1].at, sleep=no_sleep)
    hands = Hands(run_tool=_beyond, check_call=_beyond, are_live=False)
    beyond = with_fields(job, run=OfRun(hands=hands))
    course = FlowRun(await open_log(log.thread_id, copy, world), beyond)
    try:
        with contextlib.suppress(_Beyond):
            await course.run(code(course.log))
    except FlowChanged as changed:
        return changed
    now = course.log.state.turn.ended if course.log.state.turn else None
    if ended and ended.status in ("answered", "failed") and not _is_same(now, ended):
        return FlowChanged(
            f"the flow's code ended with {_shown(ended)}, and ends with {_shown(now)}"
        )
    return None


@dataclass
class _Copy:
    """A store with a copy of one thread. Others are read from the real store, never written."""

    thread_id: str
    inner: Store
    own: MemoryStore = field(default_factory=MemoryStore)

    async def append(self, thread_id: str, rows: Sequence[Row]) -> None:
        if thread_id == self.thread_id:
            await self.own.append(thread_id, rows)

    async def read(self, thread_id: str, after_seq: int = 0) -> list[Row]:
        store = self.own if thread_id == self.thread_id else self.inner
        return await store.read(thread_id, after_seq)

    async def threads(self, limit: int = 100, **filters: Any) -> list[ThreadInfo]:
        return await self.own.threads(limit, **filters)


class _Beyond(Exception):
    """Raised when the code has reached the end of the log and would go on."""


async def _beyond(*_: Any) -> Any:
    raise _Beyond


def _is_same(now: e.TurnEnded | None, ended: e.TurnEnded) -> bool:
    """Whether the code ends as recorded. Older logs don't name the failed steps."""
    return now is not None and now == replace(ended, failed_steps=now.failed_steps)


def _shown(ended: e.TurnEnded | None) -> str:
    if ended is None:
        return "nothing: it asks for more steps"
    return ": ".join(filter(None, (ended.status, ended.reason or ended.value)))
