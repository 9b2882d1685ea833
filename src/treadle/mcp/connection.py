"""One MCP server: started or reached when it is first needed, and anew after it has died.

1. Everything here runs in the loop of background.py, in which the SDK's tasks live.
2. A process gets a short environment (PATH, HOME and the like) and what its configuration says;
   nothing of ours. What it writes to standard error is kept for the error of a failed start.
3. Both eras of the protocol are spoken: the SDK asks the server which it speaks.
"""

import asyncio
import contextlib
import logging
from collections.abc import Callable
from contextlib import AsyncExitStack
from typing import Any, TypeVar

import mcp_types as types
from mcp.client import advertise
from mcp.client.context import ClientRequestContext
from pydantic import BaseModel, TypeAdapter

from mcp import Client, MCPError

from ..core.errors import ToolError, UsageError
from ..core.raised import describe_raised, first_error
from ..core.version import VERSION
from ..models.known_secrets import redact_known
from ..runtime.bounded import CutOff
from .background import close_at_end
from .server_config import ServerConfig
from .standard_error import StandardError
from .tasks import EXTENSION
from .transport import is_closed, ready_transport

START_S = 60.0
"""How long a server may take to start and to say what it is (`npx` may download it first), and how
long to list its tools."""
MAX_PAGES = 100
R = TypeVar("R", bound=BaseModel)
_logger = logging.getLogger("treadle.mcp")


Elicit = Callable[[types.ElicitRequestParams], types.ElicitResult]
"""Answers what a server of the older protocol asks while a call runs."""


class ServerDied(CutOff):
    """The connection broke while a call was under way: it may have had its effect."""


class Unanswered(ToolError):
    """The server gave no answer to go by: of work that goes on there, it says nothing."""


class Refused(ToolError):
    """The server refuses the request, as the protocol has it."""

    def __init__(self, message: str, code: int) -> None:
        super().__init__(message)
        self.code = code


class Connection:
    """The connection to one server. It reconnects by itself."""

    def __init__(self, config: ServerConfig, start_s: float = START_S) -> None:
        self.config = config
        self.start_s = start_s
        self.has_changed = True
        """The server has said, or may mean, that its list of tools is another by now."""
        self._under_way: list[Elicit] = []
        """Of each call, what answers the server's questions."""
        self._lock = asyncio.Lock()
        self._serving: asyncio.Task[None] | None = None
        self._client: Client | None = None
        self._closing = asyncio.Event()

    async def client(self) -> Client:
        """The client of a living connection. Raises UsageError where none can be made.

        A server that ended while nobody used it is started again: nothing was sent to it.
        """
        async with self._lock:
            if self._client is not None and is_closed(self._client):
                await self.close()
            if self._client is None:
                await self._connect()
            assert self._client is not None
            return self._client

    async def close(self) -> None:
        """End the server, or the session with it."""
        serving = self._serving
        self._closing.set()
        if serving:
            if self._client is None:  # it is still starting, and may never be ready
                serving.cancel()
            await asyncio.wait({serving})
        if self._serving is serving:  # else it has begun anew meanwhile
            self._client = self._serving = None

    async def list_tools(self) -> list[types.Tool]:
        """All tools that the server has now, by name. Raises UsageError."""
        tools: list[types.Tool] = []
        cursor: str | None = None
        client = await self.client()
        self.has_changed = False
        try:
            async with asyncio.timeout(self.start_s):
                for _ in range(MAX_PAGES):
                    page = await client.list_tools(cursor=cursor, cache_mode="refresh")
                    tools += page.tools
                    cursor = page.next_cursor
                    if cursor is None:
                        break
        except BaseException as error:
            self.has_changed = True
            if not isinstance(error, MCPError | ValueError | RuntimeError | TimeoutError):
                raise
            is_late = isinstance(error, TimeoutError)
            if is_late or is_broken(error):
                await self.close()
            why = "no answer in time" if is_late else self._words(error)
            raise UsageError(f"{self._who} doesn't list its tools: {why}") from error
        return sorted(tools, key=lambda tool: tool.name)

    async def has_tasks(self) -> bool:
        """Whether a call may become a task. Raises UsageError."""
        told = (await self.client()).session.server_capabilities
        return bool(told and EXTENSION in (told.extensions or {}))

    async def request(
        self, request: Any, result: TypeAdapter[R], timeout_s: float, elicit: Elicit | None = None
    ) -> R:
        """Ask the server. The time begins anew with each word of progress.

        Raises Refused for what it refuses, Unanswered where it can't be reached or gives nonsense,
        and ServerDied; it is started again at the next call.
        """
        try:
            client = await self.client()
        except UsageError as error:
            raise Unanswered(str(error)) from error
        try:
            if elicit:
                self._under_way.append(elicit)
            async with asyncio.timeout(timeout_s) as time:

                async def hear_progress(
                    progress: float, total: float | None, message: str | None
                ) -> None:
                    time.reschedule(asyncio.get_running_loop().time() + timeout_s)
                    _logger.info(
                        "%s: %s of %s %s", self._who, progress, total or "?", message or ""
                    )

                return await client.session.send_request(
                    request, result, progress_callback=hear_progress
                )
        except TimeoutError:
            raise CutOff(
                f"{self._who} gave no result and no word of progress within {timeout_s:g} s; the"
                " call was cancelled, and may have had its effect"
            ) from None
        except MCPError as error:
            if not is_broken(error):
                raise Refused(self._words(error), error.code) from error
            if self._client is client:
                await self.close()
            raise ServerDied(
                f"{self._who} ended while it worked on this call, which may have had its effect;"
                " the next call starts it again"
            ) from error
        except (ValueError, RuntimeError) as error:  # not as the protocol has it
            said = f"{self._who} answered with nonsense: {self._words(error)}"
            raise Unanswered(said) from error
        finally:
            if elicit:
                self._under_way.remove(elicit)

    @property
    def _who(self) -> str:
        return f"the MCP server {self.config.name}"

    def _words(self, error: BaseException) -> str:
        return redact_known(str(error) or describe_raised(error))[:2000]

    async def _connect(self) -> None:
        self._closing = asyncio.Event()
        said = StandardError()
        ready: asyncio.Future[Client] = asyncio.get_running_loop().create_future()
        self._serving = asyncio.ensure_future(self._serve(said, ready))
        close_at_end(self.close)
        try:
            async with asyncio.timeout(self.start_s):
                self._client = await asyncio.shield(ready)
            self.has_changed = True
        except UsageError:
            raise
        except BaseException as error:
            await self.close()
            if not isinstance(error, Exception):  # the call was cancelled
                raise
            why = "it didn't answer in time"
            if not isinstance(error, TimeoutError):
                why = self._words(first_error(error))
            heard = said.tail()
            shown = f"; it said: {heard}" if heard else ""
            raise UsageError(
                f"{self._who} can't be started or reached ({self.config.line}): {why}{shown}"
            ) from error

    async def _serve(self, said: StandardError, ready: "asyncio.Future[Client]") -> None:
        """Hold the connection open: the SDK wants it to be closed in the task that opened it."""
        try:
            async with AsyncExitStack() as stack:
                stack.enter_context(said)
                transport = await stack.enter_async_context(ready_transport(self.config, said))
                client = Client(
                    transport,
                    client_info=types.Implementation(name="treadle", version=VERSION),
                    message_handler=self._hear,
                    elicitation_callback=self._elicit,
                    extensions=[advertise(EXTENSION)],
                    cache=None,
                )
                await stack.enter_async_context(client)
                if not ready.done():
                    ready.set_result(client)
                listening = asyncio.ensure_future(self._listen(client))
                try:
                    await self._closing.wait()
                finally:
                    listening.cancel()
                    await asyncio.wait({listening})
        except BaseException as error:
            if not ready.done():
                is_own = isinstance(error, Exception)
                ready.set_exception(error if is_own else ConnectionError("it was closed"))
                ready.exception()
            elif isinstance(error, Exception):
                _logger.debug("%s: %s", self._who, describe_raised(error))
            else:
                raise
        finally:
            self._client = None

    async def _hear(self, message: Any) -> None:
        if isinstance(message, types.ToolListChangedNotification):
            self.has_changed = True

    async def _elicit(
        self, context: ClientRequestContext, params: types.ElicitRequestParams
    ) -> types.ElicitResult:
        """A question of the older protocol. It doesn't say which call it is of."""
        if len(self._under_way) == 1:
            return self._under_way[0](params)
        _logger.warning("%s asks while several calls run: it is told to cancel", self._who)
        return types.ElicitResult(action="cancel")

    async def _listen(self, client: Client) -> None:
        """Hear of changed lists of tools from a server of the newer era."""
        told = client.session.server_capabilities
        if client.session.discover_result is None or not (told and told.tools):
            return
        if not told.tools.list_changed:
            return
        with contextlib.suppress(Exception):  # it may refuse: then its list is read at a restart
            async with client.listen(tools_list_changed=True) as changes:
                async for _ in changes:
                    self.has_changed = True


def is_broken(error: BaseException) -> bool:
    """Whether the connection is gone."""
    return isinstance(error, MCPError) and error.code == types.CONNECTION_CLOSED
