"""A thread and those that work for it, however deep: read together, in the order in which they were written."""

from collections.abc import Iterable, Sequence

from ..core import events as e
from ..observe.short_text import VALUE
from ..observe.visible import visible_line
from ..runtime.log import Log, open_log
from ..runtime.sync import run_sync


def read_tree(log: Log) -> list[Log]:
    """The thread itself, then those below it."""
    logs = [log]
    for child in child_ids(log.records):
        logs += read_tree(run_sync(open_log(child, log.store, log.world)))
    return logs


def child_ids(records: Iterable[e.Record]) -> list[str]:
    """The threads that work, or worked, for these records' calls."""
    return [
        record.event.thread_id for record in records if isinstance(record.event, e.ChildStarted)
    ]


def root_log(log: Log) -> Log:
    """The thread that all of it is for: a person's own."""
    while (
        log.records
        and isinstance(first := log.records[0].event, e.ThreadStarted)
        and first.parent_thread_id
    ):
        log = run_sync(open_log(first.parent_thread_id, log.store, log.world))
    return log


def merge_by_time(threads: Iterable[Sequence[e.Record]]) -> list[e.Record]:
    """The records of all of these threads by their times; of one thread always by seq, whatever its clock did."""
    stamped: list[tuple[float, e.Record]] = []
    for records in threads:
        at = 0.0
        for record in records:
            at = max(at, record.at)
            stamped.append((at, record))
    return [record for _, record in sorted(stamped, key=lambda each: each[0])]


class Depths:
    """Fed every record, in order: how deep below the first thread each one is, and whose it is."""

    def __init__(self, thread_id: str) -> None:
        self._depth = {thread_id: 0}
        self._agent: dict[str, str] = {}

    def learn(self, record: e.Record) -> None:
        match record.event:
            case e.ChildStarted(thread_id=child):
                self._depth[child] = self.of(record.thread_id) + 1
            case e.ThreadStarted(agent=agent):
                self._agent[record.thread_id] = agent

    def of(self, thread_id: str) -> int:
        return self._depth.get(thread_id, 1)

    def before(self, thread_id: str) -> str:
        """What goes before a line of that thread: nothing, or its depth and its agent. Safe to show."""
        depth = self.of(thread_id)
        return (
            f"{'  ' * depth}{visible_line(self._agent.get(thread_id, thread_id), VALUE)} "
            if depth
            else ""
        )
