"""The options of `treadle serve`. Imports nothing slow."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from .options import AgentOptions
from .parameters import make_option
from .worker_options import Agents, Engine

_WHERE = "Where it is reached"


@dataclass(frozen=True, kw_only=True)
class ServeOptions(AgentOptions):
    agents: Agents = None
    host: Annotated[
        str,
        make_option(
            metavar="ADDRESS",
            help="Another address than this machine's own; it needs --keys.",
            panel=_WHERE,
        ),
    ] = "127.0.0.1"
    port: Annotated[
        int,
        make_option("--port", "-p", min=0, max=65_535, help="0: any free one.", panel=_WHERE),
    ] = 8484
    allow_host: Annotated[
        list[str] | None,
        make_option(
            "--allow-host",
            metavar="NAME",
            help="A name under which browsers reach it; repeatable.",
            panel=_WHERE,
        ),
    ] = None
    keys: Annotated[
        Path | None,
        make_option(
            metavar="FILE", help="Who may come in: lines of NAME KEY. None: you.", panel=_WHERE
        ),
    ] = None
    engine: Engine = None
    grace: Annotated[
        float,
        make_option(
            min=0.0,
            metavar="SECONDS",
            help="What a stop waits for what is under way.",
            panel=_WHERE,
        ),
    ] = 20.0
