"""How a connection reaches its server: the SDK's transports, over a process's streams or HTTP."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx2
from mcp.client.streamable_http import streamable_http_client

from mcp import Client, StdioServerParameters, stdio_client

from .oauth import make_auth
from .server_config import ServerConfig, fill_in
from .standard_error import StandardError


@asynccontextmanager
async def ready_transport(config: ServerConfig, said: StandardError) -> AsyncIterator[Any]:
    """The SDK's transport of this server, not yet opened. Raises UsageError."""
    where = f"the MCP server {config.name}"

    def fill(text: str) -> str:
        return fill_in(text, os.environ, where)

    if config.url:
        url = fill(config.url)
        headers = {name: fill(value) for name, value in config.headers}
        timeout = httpx2.Timeout(30.0, read=300.0)
        auth = make_auth(config, url)
        async with httpx2.AsyncClient(headers=headers, timeout=timeout, auth=auth) as http_client:
            yield streamable_http_client(url, http_client=http_client)
        return
    program, *arguments = map(fill, config.command)
    process = StdioServerParameters(
        command=program,
        args=arguments,
        env={name: fill(value) for name, value in config.env},
        cwd=os.path.join(config.folder, fill(config.cwd)) or None,
    )
    yield stdio_client(process, errlog=said.writer)


def is_closed(client: Client) -> bool:
    """Whether the connection is known to be gone: a request would be refused, and never sent.

    The SDK keeps that to itself. If it didn't have it there, no connection would seem closed before
    a request has failed.
    """
    dispatcher = getattr(client.session, "_dispatcher", None)
    return getattr(dispatcher, "_closed", False) is True
