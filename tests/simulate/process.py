"""A simulated process: its own clocks, chance and names, its store's connection, what runs in it."""

import asyncio
import math
from collections.abc import Coroutine
from contextvars import ContextVar, copy_context
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from simulate.loop import PROCESS, SimulatedProcess
from treadle.runtime.world import World

if TYPE_CHECKING:
    from simulate.simulation import Simulation

BEAT_S = 0.5
EPOCH_S = 1_790_000_000.0


@dataclass(eq=False)
class Operation:
    """One call of the public API, as `agent.run(...)`, by somebody in a process."""

    number: int
    process: "Process"
    kind: str
    thread: str
    takes: bool = False
    """It takes the thread by force."""
    leaves: bool = False
    """Its caller cancels it, or leaves its stream early."""
    faults: int = 0
    """Errors of the store that it was given."""
    turn: int = 0
    """The seq at which the turn was opened that it is about."""
    has_read: bool = False
    found: int = 0
    """How many records the thread had when it first looked."""
    seen: int = 0
    """How many records its thread had when it last read or wrote there."""
    task: "asyncio.Task[Any] | None" = None
    result: Any = None
    error: BaseException | None = None
    is_over: bool = False
    written: list[Any] = field(default_factory=list)
    """The events that it has written."""

    @property
    def is_running(self) -> bool:
        return not self.process.dead and self.task is not None and not self.task.done()

    def __str__(self) -> str:
        return f"{self.process.name}/{self.kind}-{self.number}"


OPERATION: ContextVar[Operation | None] = ContextVar("operation", default=None)
"""On whose behalf the code runs that writes to the store or uses a tool."""


class Process(SimulatedProcess):
    """One process of the simulated machine."""

    def __init__(self, simulation: "Simulation", name: str) -> None:
        super().__init__(name)
        self.simulation = simulation
        self.skew_s = 0.0
        """How far its wall clock is off."""
        self.jumped_at = -math.inf
        """When that has changed last."""
        self.store = simulation.database.connect(self)
        self.engine = simulation.engine.connect(self)
        self._cast: dict[str, Any] = {}
        self._awake_s = 0.0
        self._awake_since = simulation.loop.time()
        self.last_paused_at = 0.0
        chance = simulation.chance
        loop = simulation.loop
        self.world = World(
            now=lambda: EPOCH_S + loop.time() + self.skew_s,
            monotonic=loop.time,
            chance=chance.random,
            sleep=asyncio.sleep,
            new_id=simulation.new_id,
            driver=lambda: name,
        )

    def find_runner(self, kind: str) -> Any:
        """Who drives threads of this kind in this process."""
        if kind not in self._cast:
            self._cast[kind] = self.simulation.make_runner(kind, self.store, self.world)
        return self._cast[kind]

    @property
    def beat(self) -> int:
        """Counts up while the process is awake."""
        awake_s = self._awake_s
        if not self.paused:
            awake_s += self.simulation.loop.time() - self._awake_since
        return int(awake_s / BEAT_S)

    def spawn(self, work: Coroutine[Any, Any, Any]) -> "asyncio.Task[Any]":
        """Run this as code of the process."""
        context = copy_context()
        context.run(PROCESS.set, self)
        return self.simulation.loop.create_task(work, context=context)

    def turn_clock(self, seconds: float) -> None:
        """Its wall clock jumps."""
        self.skew_s += seconds
        self.jumped_at = self.simulation.loop.time()

    def pause(self) -> None:
        """Stop it as SIGSTOP does."""
        if not self.paused:
            self.paused = True
            self.last_paused_at = self.simulation.loop.time()
            self._awake_s += self.last_paused_at - self._awake_since
            self.simulation.note(self, "is paused")

    def wake(self) -> None:
        """Let it go on as SIGCONT does."""
        if self.paused and not self.dead:
            self.paused = False
            self._awake_since = self.simulation.loop.time()
            self.simulation.database.release(self)
            self.simulation.note(self, "wakes")

    def kill(self) -> None:
        """End it as SIGKILL does: nothing of it runs any more."""
        if not self.dead:
            self.dead = True
            self.simulation.database.release(self)
            self.simulation.note(self, "is killed")


def current_process() -> Process:
    """The process whose code calls this."""
    process = PROCESS.get()
    assert isinstance(process, Process)
    return process
