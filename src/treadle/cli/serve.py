"""`treadle serve`: agents in a browser and over HTTP."""

import secrets
import socket
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from ..core.errors import UsageError
from ..engines import open_engine
from ..graphs.graph import Graph
from ..this_user import current_user
from .agents import Runner, load_target, make_runner
from .options import AGENTS, ENGINE, AgentOptions, work_option
from .parameters import make_argument, make_option
from .terminal import Screen

MIN_KEY_CHARS = 16
HERE = ("127.0.0.1", "::1", "localhost")

_where_option = partial(make_option, panel="Where it is reached")


@dataclass(frozen=True, kw_only=True)
class ServeOptions(AgentOptions):
    agents: list[str] | None = make_argument("MODULE:NAME", AGENTS, None)
    host: str = _where_option(
        "ADDRESS", "Another address than this machine's own; it needs --keys.", "127.0.0.1"
    )
    port: int = _where_option(None, "0: any free one.", 8484, short="-p", min=0, max=65_535)
    allow_host: list[str] | None = _where_option(
        "NAME", "A name under which browsers reach it; repeatable."
    )
    keys: Path | None = _where_option("FILE", "Who may come in: lines of NAME KEY. None: you.")
    engine: str | None = work_option("ADDRESS", ENGINE)
    grace: float = _where_option(
        "SECONDS", "What a stop waits for what is under way.", 20.0, min=0.0
    )


def serve(settings: ServeOptions) -> int:
    """Serve agents in a browser and over HTTP, on this machine, until Ctrl-C or SIGTERM.

    What is under way then has its grace; turns that are left go on at the next start. With an
    engine they go on in workers (treadle worker), and the server resumes none.
    """
    try:
        import uvicorn

        from ..serve import app
        from ..serve.guard import LOOPBACK
    except ImportError as error:
        raise UsageError(
            f"treadle serve needs {error.name}: pip install 'treadle[serve]'"
        ) from None
    keys = read_keys(settings)
    hosts = LOOPBACK | {name.lower() for name in settings.allow_host or ()}
    runners = load_runners(settings)
    engine = open_engine(settings.engine)
    application = app(*runners, keys=keys, hosts=hosts, grace_s=settings.grace, engine=engine)
    listener = listen(settings.host, settings.port, "--port")
    config = uvicorn.Config(
        application,
        log_level="warning",
        server_header=False,
        timeout_graceful_shutdown=round(settings.grace) + 5,
    )
    announce(settings, listener, keys, engine is not None)
    uvicorn.Server(config).run(sockets=[listener])
    return 0


def load_runners(settings: ServeOptions) -> list[Runner | Graph]:
    """The agents that are named, with the options of the command line; else Treadle's own."""
    if not settings.agents:
        return [make_runner(settings, True)]
    return [_load_runner(replace(settings, agent=place), place) for place in settings.agents]


def _load_runner(settings: ServeOptions, place: str) -> Runner | Graph:
    """An agent, a flow, or a graph, of which the page draws more than of its flow."""
    runner = make_runner(settings, True)
    target = load_target(place)
    if isinstance(target, Graph):
        return replace(target, store=runner.store, limits=runner.limits)
    return runner


def read_keys(settings: ServeOptions) -> dict[str, str]:
    """By key, whose it is; without a file, a new key for this system's user.

    Raises UsageError for a file that others can read, and for what is no key.
    """
    if settings.keys is None:
        if settings.host not in HERE:
            raise UsageError(
                f"--host {settings.host} lets other machines in; say who may come in: --keys FILE,"
                " with lines of NAME KEY"
            )
        return {secrets.token_urlsafe(24): current_user()}
    keys: dict[str, str] = {}
    for number, line in enumerate(_read_lines(settings.keys), 1):
        words = line.split()
        if not words or line.startswith("#"):
            continue
        if len(words) != 2 or len(words[1]) < MIN_KEY_CHARS:
            raise UsageError(
                f"{settings.keys}, line {number}: give a NAME and a KEY of at least"
                f" {MIN_KEY_CHARS} characters"
            )
        name, key = words
        if key in keys:
            raise UsageError(f"{settings.keys}, line {number}: the key is that of {keys[key]}, too")
        keys[key] = name
    if not keys:
        raise UsageError(f"{settings.keys} has no line of NAME KEY")
    return keys


def _read_lines(path: Path) -> list[str]:
    try:
        if path.stat().st_mode & 0o077:
            raise UsageError(f"others can read {path}, which has keys: chmod 600 {path}")
        return path.read_text("utf8").splitlines()
    except OSError as error:
        raise UsageError(f"--keys {path}: {error.strerror}") from None


def listen(host: str, port: int, option: str) -> socket.socket:
    """The socket that a server answers at, which takes connections from now on.

    Raises UsageError where it can't be had; `option` is the one that chooses the port.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        raise UsageError(
            f"nothing can listen on {host}, port {port}: {error.strerror}."
            f" Another port: {option} 0 takes any free one"
        ) from None
    listener.listen(512)
    return listener


def announce(
    settings: ServeOptions, listener: socket.socket, keys: dict[str, str], has_workers: bool
) -> None:
    """Say where it is. The address with the key is for the person at this terminal."""
    host, port = listener.getsockname()[:2]
    shown = f"[{host}]" if ":" in host else host
    address = f"http://{shown}:{port}/"
    screen = Screen()
    if settings.keys is None:
        address += f"?key={next(iter(keys))}"
    screen.note(f"open {address}", "bold")
    if settings.keys is not None:
        screen.note(f"with ?key=KEY of {', '.join(sorted(set(keys.values())))}", "dim")
    if has_workers:
        screen.note("Ctrl-C ends it; threads go on in workers: treadle worker", "dim")
    else:
        screen.note("Ctrl-C ends it; turns that are left go on at the next start", "dim")
