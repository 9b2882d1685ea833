"""The ASGI application: the API, behind the guard."""

from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import asynccontextmanager
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route as StarletteRoute
from starlette.types import ASGIApp, Receive, Scope, Send

from ..core.check_settings import check_number
from ..core.errors import StoreError
from ..engines import GivenEngine
from ..runtime.drives import is_stopping
from ..stores.open_store import GivenStore
from ..workers.keep_going import keep_going, stopping_in_time
from .api import API
from .conversations import Conversations
from .guard import LOOPBACK, Door, Guard, read_raw_path
from .lines import Lines
from .openapi import make_document
from .pages import make_page_routes
from .queue import QueueReader
from .routes import answer_nobody, answer_unrouted, make_starlette_routes
from .served import Served, make_served

GRACE_S = 20.0


def app(
    *runners: Any,
    store: GivenStore = None,
    keys: Mapping[str, str] | None = None,
    hosts: Collection[str] = LOOPBACK,
    grace_s: float = GRACE_S,
    engine: GivenEngine = None,
) -> ASGIApp:
    """These agents, flows and graphs as an ASGI application: `uvicorn.run(app(agent))`.

    `keys` gives, by key, the person whose it is; without any, everybody who reaches the server is
    let in: then your own code must say who may. `hosts` are the names under which it may be
    reached ("*": any). In an application of your own: `mount("/agents", app(agent))`, with
    `async with keep_going(agent)` in its lifespan, since a mounted one has none. `grace_s`: how
    long a stop waits for what is under way. With an `engine`, or its address (None: that of
    TREADLE_ENGINE), threads go on in workers, and this process resumes none. Raises UsageError.
    """
    served = make_served(runners, store, engine)
    door = Door({} if keys is None else keys, hosts)
    check_number("app(grace_s", grace_s)

    openapi = JSONResponse(make_document(API))  # the answer to each request, as an application
    made = Starlette(
        routes=[
            StarletteRoute("/health", _say_healthy),
            StarletteRoute("/ready", _make_ready(served)),
            StarletteRoute("/openapi.json", openapi, methods=["GET"]),
            *make_starlette_routes(API, served),
            *make_page_routes(),
        ],
        middleware=[Middleware(Guard, door=door), Middleware(RawPath)],
        exception_handlers={
            HTTPException: answer_unrouted,
            Exception: answer_unrouted,
            ClientDisconnect: answer_nobody,
        },
        lifespan=lambda _: resuming(served, grace_s),
    )
    made.state.lines = Lines(served.store, served.readings)
    made.state.conversations = Conversations(served.store)
    made.state.queue = QueueReader(served)
    return made


@asynccontextmanager
async def resuming(served: Served, grace_s: float) -> AsyncIterator[None]:
    """Resume what is due until the block is left, unless workers do that; then `stop`."""
    if served.engine is None:
        async with keep_going(*served.runners.values(), grace_s=grace_s):
            yield
        return
    await served.store.threads(1)  # what is wrong with the database is said at once
    async with stopping_in_time(grace_s):
        yield


class RawPath:
    """ASGI: paths are matched before they are decoded, since a thread's name may hold a slash."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            scope = {**scope, "path": read_raw_path(scope)}
        await self._app(scope, receive, send)


async def _say_healthy(_: Request) -> Response:
    return PlainTextResponse("healthy\n")


def _make_ready(served: Served) -> Any:
    async def say_ready(_: Request) -> Response:
        if is_stopping():
            return PlainTextResponse("stopping\n", 503)
        try:
            await served.store.threads(1)
        except StoreError as error:
            return PlainTextResponse(f"{error}\n", 503)
        return PlainTextResponse("ready\n")

    return say_ready
