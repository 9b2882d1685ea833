"""`treadle worker`: a process that resumes what is due, until it is told to stop."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ..core.errors import UsageError
from ..engines import LocalEngine, open_engine
from ..stores.open_store import open_store
from ..stores.store import Store
from ..workers.keep_going import until_stopped
from ..workers.timetable import read_timetable
from ..workers.worker import Worker
from .agents import Runner, make_runner
from .options import AGENTS, ENGINE, AgentOptions, work_option
from .parameters import make_argument
from .signals import next_signal
from .terminal import Screen
from .traces import watching


@dataclass(frozen=True, kw_only=True)
class WorkerOptions(AgentOptions):
    agents: list[str] | None = make_argument("MODULE:NAME", AGENTS, None)
    engine: str | None = work_option("ADDRESS", ENGINE)
    tenant: list[str] | None = work_option(
        "NAME", "Whose threads, in a PostgreSQL database; repeatable. Else the URL's."
    )
    threads: int = work_option("N", "So many threads of each agent at once.", 100, min=1)
    at_once: list[str] | None = work_option(
        "AGENT=N",
        "So many threads of an agent, of each tenant, at once over all workers; repeatable.",
    )
    timetable: Path | None = work_option(
        "FILE", "Begin threads at times: TOML, [NAME] with cron, agent, said."
    )
    every: float = work_option("SECONDS", "The pause between two sweeps.", 2.0, min=0.1)
    grace: float = work_option("SECONDS", "What a stop waits for what is under way.", 20.0, min=0.0)


def work(settings: WorkerOptions) -> int:
    """Resume threads of these agents: those that an engine brings, and those that are due.

    Any number of workers may run, on any machines that reach the database. Ctrl-C or SIGTERM stops
    it; what is left open goes on in another worker.
    """
    return asyncio.run(_work(make_worker(settings), settings))


def make_worker(settings: WorkerOptions) -> Worker:
    """The worker of these options. Raises UsageError."""
    runners = load_runners(settings)
    return Worker(
        runners,
        open_engine(settings.engine) or LocalEngine(),
        open_tenants([open_store(each.store) for each in runners], settings.tenant or ()),
        every_s=settings.every,
        at_once=read_limits(settings.at_once or ()),
        timetable=read_timetable(settings.timetable) if settings.timetable else [],
    )


def load_runners(settings: WorkerOptions) -> list[Runner]:
    """The agents that are named, with the options of the command line; else Treadle's own."""
    if not settings.agents:
        return [make_runner(settings, False)]
    return [make_runner(replace(settings, agent=place), False) for place in settings.agents]


def read_limits(given: Sequence[str]) -> dict[str, int]:
    """By agent, how many of its threads may be driven at once. Raises UsageError."""
    limits: dict[str, int] = {}
    for each in given:
        agent, _, number = each.rpartition("=")
        if not (agent and number.isdecimal() and int(number)):
            raise UsageError(f"--at-once {each}: give AGENT=N, such as shop=20")
        limits[agent] = int(number)
    return limits


def open_tenants(stores: Sequence[Store], tenants: Sequence[str]) -> list[Store]:
    """The store of each tenant in the database of all runners, whose stores these are; without
    tenants none: each runner has its own. Raises UsageError."""
    if not tenants:
        return []
    from ..stores.postgres import PostgresStore

    urls = [each.url for each in stores if isinstance(each, PostgresStore)]
    if len(urls) < len(stores):
        raise UsageError("--tenant is for PostgreSQL: --db postgresql://host/name")
    if len(set(urls)) > 1:
        raise UsageError(
            "--tenant is for agents of one database, and these have several; give --db, or a worker"
            " to each"
        )
    return [PostgresStore(urls[0], tenant=tenant) for tenant in tenants]


async def _work(worker: Worker, settings: WorkerOptions) -> int:
    came, screen = next_signal(), Screen()
    async with watching(worker) as worker, until_stopped(worker, settings.threads, settings.grace):
        screen.note(f"resuming threads of {', '.join(worker.agents)}; Ctrl-C stops it", "dim")
        code = await came
        screen.note(f"stopping: what is under way has {settings.grace:g} seconds", "dim")
    return code
