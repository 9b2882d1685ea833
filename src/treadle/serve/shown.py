"""Records as the page and the stream show them: each with its line, as `treadle show` has it."""

import msgspec

from ..core import events as e
from ..core.codec import encode_record
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
    """Shows records, each of which it is given once, in order."""

    def __init__(self) -> None:
        self._timeline = Timeline()

    def learn(self, record: e.Record) -> None:
        """Take in a record that isn't shown: later lines speak of it."""
        self._timeline.line(record)

    def show(self, record: e.Record) -> ShownRecord:
        """The record with its line."""
        line = self._timeline.line(record)
        shown = ShownLine(line.mark, line.text, line.took, line.tone, line.whole)
        return ShownRecord(msgspec.Raw(encode_record(record)), shown)
