"""What the list of threads says of a log beside its status: agent, parent, forks, keys, handles.

Pure.
"""

from collections.abc import Iterable
from hashlib import blake2b

import msgspec

from ..core.codec import decode_event
from ..core.errors import StoreDamaged
from ..core.events import CallNoted, ThreadClaimed, ThreadForked, ThreadStarted, UserSaid
from .store import Row

_MARKED = (
    *(b'{"type":"ThreadStarted"', b'{"type":"ThreadForked"', b'{"type":"UserSaid.2"'),
    b'{"type":"CallNoted"',
)
"""How the events begin that are looked at."""
_SAID = b'{"type":"UserSaid.2"'
_KEY = b',"key":"'


class Marks(msgspec.Struct):
    """What some rows of one thread say of it."""

    agent: str = ""
    parent: str = ""
    """The thread that it works for."""
    sources: list[str] = []
    """The threads that it was forked from."""
    keys: list[str] = []
    """Of its messages."""
    handles: list[str] = []
    """That its calls have noted."""

    @property
    def source(self) -> str:
        """The thread that it was forked from last."""
        return self.sources[-1] if self.sources else ""


def read_marks(rows: Iterable[Row]) -> Marks | None:
    """What these rows say; None if they say nothing, as most do. An unreadable row says nothing."""
    marks: Marks | None = None
    for row in rows:
        event = row.event
        if not event.startswith(_MARKED) or (event.startswith(_SAID) and _KEY not in event):
            continue
        if marks is None:
            marks = Marks()
        try:
            _add(marks, event)
        except StoreDamaged:
            continue
    return marks


def _add(marks: Marks, data: bytes) -> None:
    match decode_event(data):
        case ThreadStarted() as event:
            marks.agent, marks.parent = event.agent, event.parent_thread_id
        case ThreadForked(parent_thread_id=source):
            marks.parent = ""
            marks.sources.append(source)
        case UserSaid(key=key) if key:
            marks.keys.append(key)
        case CallNoted(handle=handle) if handle:
            marks.handles.append(handle)
        case _:
            pass


def digest_of_handle(handle: str) -> bytes:
    """What a handle is found by."""
    return blake2b(handle.encode(), digest_size=12).digest()


def digest_of_key(thread_id: str, key: str) -> bytes:
    """What is kept of a deleted thread's message: it tells the same message, and nothing else."""
    data = msgspec.json.encode((thread_id, key))
    return blake2b(data, digest_size=16).digest()


def read_claim(events: Iterable[bytes]) -> str | None:
    """The last claim of a thread, by the events that tell its drivers.

    None where there is none, and where another agent may be in charge than the one that began it.
    """
    claim = None
    for event in events:
        try:
            told = decode_event(event)
        except StoreDamaged:
            return None
        if not isinstance(told, ThreadClaimed):
            return None
        claim = told.claim
    return claim
