"""A thread as a list shows it: what it is about, its cost, whether somebody drives it."""

from collections import OrderedDict
from collections.abc import Sequence

import msgspec

from ..core import events as e
from ..core.errors import TreadleError
from ..core.feedback import read_feedback
from ..core.result import make_summary
from ..observe.short_text import call_text, shorten
from ..stores.store import Attended, Store, ThreadInfo
from .readings import Readings

TITLE_CHARS = 120
MAX_KEPT = 2_000
"""Lines that are kept, so that a list reads only the threads that have grown."""


class ThreadLine(msgspec.Struct, frozen=True):
    """One line of the list of threads."""

    thread_id: str
    title: str
    """The first message, cut."""
    agent: str
    status: str
    """As `treadle threads` has it."""
    live: bool
    """Whether a living process drives it."""
    records: int
    updated_at: float
    """Seconds since the epoch."""
    cost_usd: float | None
    """Of the thread alone, without its children; None where a part of it is unknown."""
    tokens: int
    good: int
    """How many people's words say that a turn of it was good."""
    bad: int
    parent: str
    source: str
    """The thread that it was forked from."""
    position: int
    """Give that of a page's last line as `before` for the next page."""
    damaged: str = ""
    """What is wrong with its log."""


class _Read(msgspec.Struct, frozen=True):
    title: str
    cost_usd: float | None
    tokens: int
    claim: str
    damaged: str = ""
    good: int = 0
    bad: int = 0


class Lines:
    """Makes lines, and keeps what it has read of threads that haven't grown."""

    def __init__(self, store: Store, readings: Readings) -> None:
        self._store = store
        self._readings = readings
        self._kept: OrderedDict[tuple[str, int], _Read] = OrderedDict()

    async def make(self, info: ThreadInfo) -> ThreadLine:
        """The line of a thread. One that can't be read says so in it."""
        read = await self._read(info)
        return ThreadLine(
            thread_id=info.thread_id,
            title=read.title,
            agent=info.agent,
            status=info.status,
            live=info.status == "unfinished" and self._is_driven(read.claim),
            records=info.records,
            updated_at=info.updated_at,
            cost_usd=read.cost_usd,
            tokens=read.tokens,
            good=read.good,
            bad=read.bad,
            parent=info.parent,
            source=info.source,
            position=info.position,
            damaged=info.damaged or read.damaged,
        )

    def _is_driven(self, claim: str) -> bool:
        store = self._store
        return bool(claim) and isinstance(store, Attended) and store.find_beat(claim) is not None

    async def _read(self, info: ThreadInfo) -> _Read:
        place = info.thread_id, info.position
        if place not in self._kept:
            self._kept[place] = await self._read_anew(info.thread_id)
        self._kept.move_to_end(place)
        while len(self._kept) > MAX_KEPT:
            self._kept.popitem(last=False)
        return self._kept[place]

    async def _read_anew(self, thread_id: str) -> _Read:
        try:
            found = await self._readings.read(thread_id)
        except TreadleError as error:
            return _Read("", None, 0, "", str(error))
        summary = make_summary(found.records, 0.0)
        ratings = [said.good for said in read_feedback(found.records)]
        return _Read(
            find_title(found.records),
            summary.cost_usd,
            summary.tokens,
            found.state.claim,
            good=ratings.count(True),
            bad=ratings.count(False),
        )


def find_title(records: Sequence[e.Record]) -> str:
    """What the thread is about: its first message, cut; "" where there is none.

    Of a flow, whose first message is its arguments, the call of it.
    """
    said = (record.event.text for record in records if isinstance(record.event, e.UserSaid))
    title = next(said, "")
    started = records[0].event if records else None
    if isinstance(started, e.ThreadStarted) and started.flow:
        title = call_text(e.Call("", started.agent, title))
    return shorten(title, TITLE_CHARS)
