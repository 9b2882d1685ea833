"""The options of `treadle serve`. Imports nothing slow."""

from dataclasses import dataclass
from pathlib import Path

from .options import AgentOptions
from .parameters import make_argument, make_option
from .worker_options import AGENTS, ENGINE

_WHERE = "Where it is reached"


@dataclass(frozen=True, kw_only=True)
class ServeOptions(AgentOptions):
    agents: list[str] | None = make_argument("MODULE:NAME", AGENTS, None)
    host: str = make_option(
        "ADDRESS",
        "Another address than this machine's own; it needs --keys.",
        "127.0.0.1",
        panel=_WHERE,
    )
    port: int = make_option(
        None, "0: any free one.", 8484, short="-p", min=0, max=65_535, panel=_WHERE
    )
    allow_host: list[str] | None = make_option(
        "NAME", "A name under which browsers reach it; repeatable.", panel=_WHERE
    )
    keys: Path | None = make_option(
        "FILE", "Who may come in: lines of NAME KEY. None: you.", panel=_WHERE
    )
    engine: str | None = make_option("ADDRESS", ENGINE, panel="How it works")
    grace: float = make_option(
        "SECONDS", "What a stop waits for what is under way.", 20.0, min=0.0, panel=_WHERE
    )
