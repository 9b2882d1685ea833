"""`treadle mcp`: runs an agent's MCP server, over standard input and output or HTTP."""

import asyncio
import hmac
import os
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

from ..core.errors import UsageError
from ..runtime.agent import Agent
from ..workers.keep_going import stopping_in_time
from .agents import choose_store, load_agent
from .options import StoreOptions
from .parameters import make_argument, make_option
from .serve import listen
from .signals import serve_one
from .terminal import Screen

TOKEN = "TREADLE_MCP_TOKEN"  # noqa: S105  # the name of a variable, no token
GRACE_S = 20.0
"""How long a stop waits for what is under way."""
Lifespan = Callable[[Any], AbstractAsyncContextManager[Any]]
Asgi = Callable[[Any, Any, Any], Awaitable[None]]


@dataclass(frozen=True, kw_only=True)
class McpServeOptions(StoreOptions):
    agent: str = make_argument("MODULE:AGENT", "Your Agent; or path/file.py:name.")
    http: int | None = make_option(
        "PORT",
        "Streamable HTTP on 127.0.0.1, with a token; else standard input and output.",
        min=0,
        max=65_535,
    )


def serve(settings: McpServeOptions) -> int:
    """Offer an agent to any MCP client: over standard input and output, or HTTP on 127.0.0.1.

    Its questions and approvals are asked of the person at that client, where the client can ask.
    """
    agent = load_agent(settings.agent)
    agent = replace(agent, store=choose_store(settings, agent))
    try:
        from ..mcp.serve import make_server
    except ImportError as error:
        raise UsageError(
            f"MCP needs a library that isn't installed ({error.name}): pip install 'treadle[mcp]'"
        ) from None
    _ = agent.run_settings  # what is wrong with it is said now, and not to the client
    server = make_server(agent)
    if settings.http is None:
        return asyncio.run(serve_one(_serve_stdio(server)))
    _serve_http(server, agent, settings.http)
    return 0


async def _serve_stdio(server: Any) -> None:
    from mcp.server.stdio import stdio_server

    async with stdio_server() as (reading, writing):
        await server.run(reading, writing, server.create_initialization_options())


def _serve_http(server: Any, agent: Agent, port: int) -> None:
    import uvicorn

    token = os.environ.get(TOKEN) or secrets.token_urlsafe(32)
    host = "127.0.0.1"
    app = server.streamable_http_app(host=host)
    app.router.lifespan_context = _and_stop(app.router.lifespan_context)
    config = uvicorn.Config(
        require_token(app, token),
        log_level="warning",
        timeout_graceful_shutdown=round(GRACE_S) + 5,
    )
    listener = listen(host, port, "--http")
    screen = Screen()
    screen.note(f"the agent {agent.name}: http://{host}:{listener.getsockname()[1]}/mcp", "bold")
    if TOKEN not in os.environ:
        screen.note(f"with the header  Authorization: Bearer {token}")
    asyncio.run(uvicorn.Server(config).serve(sockets=[listener]))


def _and_stop(lifespan: Lifespan) -> Lifespan:
    """The lifespan; at a signal the turns under way are let go: each call waits for its own."""

    @asynccontextmanager
    async def stopping(app: Any) -> AsyncIterator[Any]:
        async with lifespan(app) as state, stopping_in_time(GRACE_S):
            yield state

    return stopping


def require_token(app: Asgi, token: str) -> Asgi:
    """The application, for those alone who send the token: every program here reaches loopback."""
    wanted = f"Bearer {token}".encode()

    async def guarded(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            given = dict(scope["headers"]).get(b"authorization", b"")
            if not hmac.compare_digest(given, wanted):
                headers = [(b"content-type", b"text/plain"), (b"www-authenticate", b"Bearer")]
                await send({"type": "http.response.start", "status": 401, "headers": headers})
                await send({"type": "http.response.body", "body": b"the token is missing or wrong"})
                return
        await app(scope, receive, send)

    return guarded
