"""What a server serves: agents, flows and graphs by their names, over one store."""

import contextlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from ..core.errors import UnknownThread, UsageError
from ..core.links import find_runners
from ..core.name_kind import name_kind
from ..engines import Engine, GivenEngine, open_engine
from ..flows.flow import Flow
from ..graphs.graph import Graph
from ..observe.folded import Folded
from ..runtime.agent import Agent
from ..runtime.background import Begun
from ..runtime.children import read_parent
from ..runtime.conflicts import refuse_others
from ..runtime.follow import LOST_S, Items, follow_log
from ..runtime.log import Log
from ..runtime.settings import RunSettings
from ..runtime.submit import go_on
from ..runtime.team import find_run_settings
from ..runtime.thread_name import check_thread_name, refuse_reserved
from ..runtime.world import World
from ..stores.open_store import GivenStore, open_store
from ..stores.store import Store
from .readings import Readings

Runner = Agent | Flow


class NotServed(UsageError):
    """The thread's agent isn't among those that this server serves."""


@dataclass(frozen=True)
class Served:
    """What is served. `store` is that of all its runners."""

    runners: Mapping[str, Runner]
    """By name; the first one is meant where a request names none."""
    store: Store
    readings: Readings
    graphs: Mapping[str, Graph] = field(default_factory=dict)
    """Those of the flows that are graphs, by name."""
    engine: Engine | None = None
    """What tells workers of the threads that are to go on; None: they go on in this process."""

    async def go_on(
        self, runner: Runner, thread_id: str, take: bool = False, again: bool = False
    ) -> None:
        """Have a thread go on: every request that brings one forward ends here.

        `take` takes it from a living driver; `again`: what has failed in a flow runs again.
        """
        await go_on(runner.runs, thread_id, self.engine, take, again)

    def follow(
        self, runner: Runner, log: Log, after: int | None = None, begun: Begun | None = None
    ) -> Items[Any]:
        """As the runner's `follow`, or of the turn that has `begun`; with an engine, until a worker
        comes, however late."""
        lost_s = math.inf if self.engine else LOST_S
        return follow_log(log, after, runner.runs.end, begun, lost_s)

    def find(self, name: str) -> Runner:
        """The runner of this name, or the first one for "". Raises NotServed."""
        if not name:
            return next(iter(self.runners.values()))
        if name not in self.runners:
            raise NotServed(f"no agent {name!r} is served here; there are: {self._names}")
        return self.runners[name]

    async def find_of_thread(self, thread_id: str) -> tuple[Runner, Log]:
        """The runner that goes on with a thread, and the log of the thread above all others.

        Raises UnknownThread, NotServed.
        """
        root = await self.read(thread_id)
        while above := await read_parent(root, self.readings.read):
            root = above
        log = self.make_log(root)
        names = find_runners(root.records, root.state)
        for known in names:
            if known in self.runners:
                return self.runners[known], log
        raise NotServed(
            f"thread {log.thread_id} is of {names[0]!r}, which isn't served here;"
            f" there are: {self._names}"
        )

    async def refuse_others(self, runner: Runner, thread_id: str) -> None:
        """Raise UsageError for a thread of another agent than this; a new one is none yet."""
        with contextlib.suppress(UnknownThread):
            found = await self.read(thread_id)
            refuse_others(runner.name, found.records, found.state)

    async def find_settings(self, log: Log) -> RunSettings:
        """The settings that a thread goes by: those of its runner, or of an agent below."""
        runner, _ = await self.find_of_thread(log.thread_id)
        return await find_run_settings(log, runner.run_settings)

    async def read(self, thread_id: str) -> Folded:
        """The thread as it is now. Raises UnknownThread, StoreErrors, IllegalEvent."""
        check_thread_name(thread_id)
        found = await self.readings.read(thread_id)
        if not found.records:
            refuse_reserved(thread_id)
            raise UnknownThread(f"there is no thread {thread_id!r} in this store")
        return found

    async def open(self, thread_id: str) -> Log:
        """The thread's log, as it is now. Raises as `read`."""
        return self.make_log(await self.read(thread_id))

    def make_log(self, found: Folded) -> Log:
        """The log of a thread that was read: it goes on from there."""
        log = Log(found.records[0].thread_id, self.store, World())
        log.records, log.state = list(found.records), found.state
        return log

    @property
    def _names(self) -> str:
        return ", ".join(self.runners)


def make_served(given: Sequence[Any], store: GivenStore, engine: GivenEngine = None) -> Served:
    """These agents, flows and graphs over this store; None: that of the first one.

    Raises UsageError for what is none of them, and for two of one name.
    """
    if not given:
        raise UsageError("there is nothing to serve; give agents, flows or graphs")
    runners: dict[str, Runner] = {}
    for each in given:
        runner = each.flow if isinstance(each, Graph) else each
        if not isinstance(runner, Agent | Flow):
            raise UsageError(f"{name_kind(each)} can't be served; give an Agent, a Flow or a Graph")
        if runner.name in runners:
            raise UsageError(
                f"two of those to serve are named {runner.name!r}; give each a name of its own"
            )
        runners[runner.name] = runner
    if store is None:
        store = next(iter(runners.values())).store
    opened = open_store(store)
    graphs = {each.name: each for each in given if isinstance(each, Graph)}
    stored = {name: replace(each, store=opened) for name, each in runners.items()}
    return Served(stored, opened, Readings(opened), graphs, open_engine(engine))
