"""Reads a thread together with its children, at any depth, in the order of time."""

from collections.abc import Iterable, Sequence

from ..core import events as e
from ..core.visible import visible_line
from ..observe.short_text import VALUE
from ..runtime.children import open_parent, open_tree
from ..runtime.log import Log
from ..runtime.sync import run_sync


def read_tree(log: Log) -> list[Log]:
    """The log itself, then its children's, each followed by its own children's."""
    return run_sync(open_tree(log))


def root_log(log: Log) -> Log:
    """The log at the top of the tree: a person's own thread."""
    while parent := run_sync(open_parent(log)):
        log = parent
    return log


def merge_by_time(threads: Iterable[Sequence[e.Record]]) -> list[e.Record]:
    """The records of these threads by time; those of one thread always keep their order."""
    stamped: list[tuple[float, e.Record]] = []
    for records in threads:
        at = 0.0
        for record in records:
            at = max(at, record.at)
            stamped.append((at, record))
    return [record for _, record in sorted(stamped, key=lambda each: each[0])]


class Depths:
    """The depth and agent of each thread in a tree, learned from its records in order."""

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
        """The prefix of a line of this thread: indentation and agent; "" at the top. Safe."""
        depth = self.of(thread_id)
        if not depth:
            return ""
        name = visible_line(self._agent.get(thread_id, thread_id), VALUE)
        return f"{'  ' * depth}{name} "
