"""The workers of a simulation: in each process one, which does the jobs that the engine brings."""

import asyncio
import random
from typing import TYPE_CHECKING, Any

from simulate.cast import FLOW_KINDS
from simulate.process import OPERATION, Process
from treadle.engines import Job
from treadle.workers.done import Done
from treadle.workers.timetable import Scheduled
from treadle.workers.worker import Worker, work

if TYPE_CHECKING:
    from simulate.simulation import Simulation


async def serve(simulation: "Simulation", process: Process) -> None:
    """Work until the process dies."""
    chance = random.Random(f"workers {simulation.seed}")
    kinds = sorted(set(simulation.plan.kinds))
    at_once = chance.choice((0, 0, 1, 2))
    worker = Worker(
        [process.find_runner(kind) for kind in kinds],
        engine=process.engine,
        at_once=dict.fromkeys(kinds, at_once) if at_once else {},
        timetable=[_schedule(kind) for kind in kinds if chance.random() < 0.3],
        told=_keep,
        world=process.world,
    )
    async with work(worker, most=chance.choice((1, 3, 100))):
        await asyncio.sleep(1e9)


def _schedule(kind: str) -> Scheduled:
    """A line that begins a thread of this kind every seven seconds."""
    arguments: dict[str, Any] | None = None
    if kind in FLOW_KINDS:
        arguments = {"work": ["pay:1", "put:2"]}
    elif kind == "order":
        arguments = {"n": 3}
    said = "" if arguments else "it is time"
    return Scheduled(kind, "*/7 * * * * *", kind, said, arguments)


def _keep(job: Job, done: Done, took_s: float) -> None:
    operation = OPERATION.get()
    assert operation
    operation.result = done
