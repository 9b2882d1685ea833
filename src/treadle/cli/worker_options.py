"""The options of `treadle worker`, `submit` and `queue`. Imports nothing slow."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from .options import AgentOptions, StoreOptions
from .parameters import make_argument, make_option

_WORK = "How it works"

Agents = Annotated[
    list[str] | None,
    make_argument(
        metavar="MODULE:NAME",
        help="Agents, flows and graphs of your own; none: Treadle's own agent.",
    ),
]
Engine = Annotated[
    str | None,
    make_option(
        metavar="ADDRESS",
        help="What brings threads to workers: temporal://host:port. Else $TREADLE_ENGINE.",
        panel=_WORK,
    ),
]


@dataclass(frozen=True, kw_only=True)
class WorkerOptions(AgentOptions):
    agents: Agents = None
    engine: Engine = None
    tenant: Annotated[
        list[str] | None,
        make_option(
            metavar="NAME",
            help="Whose threads, in a PostgreSQL database; repeatable. Else the URL's.",
            panel=_WORK,
        ),
    ] = None
    threads: Annotated[
        int,
        make_option(min=1, metavar="N", help="So many threads of each agent at once.", panel=_WORK),
    ] = 100
    at_once: Annotated[
        list[str] | None,
        make_option(
            metavar="AGENT=N",
            help="So many threads of an agent, of each tenant, at once over all workers;"
            " repeatable.",
            panel=_WORK,
        ),
    ] = None
    timetable: Annotated[
        Path | None,
        make_option(
            metavar="FILE",
            help="Begin threads at times: TOML, [NAME] with cron, agent, said.",
            panel=_WORK,
        ),
    ] = None
    every: Annotated[
        float,
        make_option(min=0.1, metavar="SECONDS", help="The pause between two sweeps.", panel=_WORK),
    ] = 2.0
    grace: Annotated[
        float,
        make_option(
            min=0.0,
            metavar="SECONDS",
            help="What a stop waits for what is under way.",
            panel=_WORK,
        ),
    ] = 20.0


@dataclass(frozen=True, kw_only=True)
class SubmitOptions(StoreOptions):
    text: Annotated[str, make_argument(metavar="TEXT", help="What is said to the agent.")]
    agent: Annotated[
        str | None,
        make_option(
            metavar="MODULE:NAME", help="An agent that workers serve; none: Treadle's own."
        ),
    ] = None
    engine: Engine = None
    thread: Annotated[
        str | None,
        make_option("--thread", "-t", metavar="THREAD", help="A thread; none: a new one."),
    ] = None
    key: Annotated[
        str | None,
        make_option(metavar="KEY", help="Names the message: with the same key again, it is once."),
    ] = None
    by: Annotated[
        str | None, make_option(metavar="NAME", help="Who says it; else this system's user.")
    ] = None
    wait: Annotated[bool, make_option("--wait", help="Wait for the answer, and print it.")] = False


@dataclass(frozen=True, kw_only=True)
class QueueOptions(StoreOptions):
    agents: Annotated[
        list[str] | None,
        make_argument(metavar="NAME", help="Names of agents; none: all that have open threads."),
    ] = None
    engine: Engine = None
    json: Annotated[bool, make_option("--json", help="JSON Lines.")] = False
