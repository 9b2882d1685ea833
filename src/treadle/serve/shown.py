"""Records as the page and the stream show them: each with its line, as `treadle show` has it."""

import msgspec

from ..core import events as e
from ..core.codec import encode_record
from ..observe.folded import Folded
from ..observe.outward import OutwardCalls
from ..observe.timeline import Timeline


class ShownLine(msgspec.Struct, frozen=True):
    """A record in one line, as `treadle show` has it."""

    mark: str
    text: str
    took: str
    tone: str
    whole: str


class ShownRecord(msgspec.Struct, frozen=True):
    """A record, and its line."""

    record: msgspec.Raw
    """As `treadle db export` writes it."""
    line: ShownLine


class Shown:
    """Shows records of a thread that was read, and those that come after it, its children's too.

    Each is given once, and those of a thread in order.
    """

    def __init__(self, thread: Folded, after: int = 0) -> None:
        """`after`: the seq of the last record that isn't shown; later lines speak of those."""
        outward = OutwardCalls()
        outward.know(thread.records[0].thread_id, thread.state, thread.outward)
        self._timeline = Timeline(outward)
        for record in thread.records[:after]:
            self._timeline.learn(record)

    def show(self, record: e.Record) -> ShownRecord:
        """The record with its line."""
        line = self._timeline.line(record)
        shown = ShownLine(line.mark, line.text, line.took, line.tone, line.whole)
        return ShownRecord(msgspec.Raw(encode_record(record)), shown)
