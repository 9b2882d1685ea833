"""The options of `treadle worker`, `submit` and `queue`. Imports nothing slow."""

from dataclasses import dataclass
from pathlib import Path

from .options import AgentOptions, StoreOptions
from .parameters import make_argument, make_flag, make_option

_WORK = "How it works"
AGENTS = "Agents, flows and graphs of your own; none: Treadle's own agent."
ENGINE = "What brings threads to workers: temporal://host:port. Else $TREADLE_ENGINE."


@dataclass(frozen=True, kw_only=True)
class WorkerOptions(AgentOptions):
    agents: list[str] | None = make_argument("MODULE:NAME", AGENTS, None)
    engine: str | None = make_option("ADDRESS", ENGINE, panel=_WORK)
    tenant: list[str] | None = make_option(
        "NAME", "Whose threads, in a PostgreSQL database; repeatable. Else the URL's.", panel=_WORK
    )
    threads: int = make_option(
        "N", "So many threads of each agent at once.", 100, min=1, panel=_WORK
    )
    at_once: list[str] | None = make_option(
        "AGENT=N",
        "So many threads of an agent, of each tenant, at once over all workers; repeatable.",
        panel=_WORK,
    )
    timetable: Path | None = make_option(
        "FILE", "Begin threads at times: TOML, [NAME] with cron, agent, said.", panel=_WORK
    )
    every: float = make_option(
        "SECONDS", "The pause between two sweeps.", 2.0, min=0.1, panel=_WORK
    )
    grace: float = make_option(
        "SECONDS", "What a stop waits for what is under way.", 20.0, min=0.0, panel=_WORK
    )


@dataclass(frozen=True, kw_only=True)
class SubmitOptions(StoreOptions):
    text: str = make_argument("TEXT", "What is said to the agent.")
    agent: str | None = make_option(
        "MODULE:NAME", "An agent that workers serve; none: Treadle's own."
    )
    engine: str | None = make_option("ADDRESS", ENGINE, panel=_WORK)
    thread: str | None = make_option("THREAD", "A thread; none: a new one.", short="-t")
    key: str | None = make_option("KEY", "Names the message: with the same key again, it is once.")
    by: str | None = make_option("NAME", "Who says it; else this system's user.")
    wait: bool = make_flag("Wait for the answer, and print it.")


@dataclass(frozen=True, kw_only=True)
class QueueOptions(StoreOptions):
    agents: list[str] | None = make_argument(
        "NAME", "Names of agents; none: all that have open threads.", None
    )
    engine: str | None = make_option("ADDRESS", ENGINE, panel=_WORK)
    json: bool = make_flag("JSON Lines.")
