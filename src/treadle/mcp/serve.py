"""An agent as an MCP server: one tool, whose calls are turns of threads.

1. A call begins a thread, or goes on in one that a call here has begun. The thread's name comes
   back with each answer: it is long and random, and nothing else lets a client into a thread.
2. Where the turn waits for a person, they are asked at the client by elicitation, if the client
   can: in the newer protocol the call comes back with the questions and is made again, so neither
   side needs to live meanwhile; in the older one the question is asked while the call runs.
3. Where the client can't ask, the words of the result say how to decide here. A model can't: what
   it says in a call is never taken for a person's approval.
4. A client that cancels a call, or is gone before it has the result, ends the turn that the call
   has begun: nobody would get what came of it. (As the protocol has it: 2026-07-28, cancellation.)
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from typing import Any

import anyio
import mcp_types as types
from mcp.server import Server
from mcp.server.context import ServerRequestContext
from msgspec.structs import replace

from mcp import MCPError

from ..core import events as e
from ..core.errors import IllegalEvent, TreadleError, UnknownThread, UsageError
from ..core.links import find_runners
from ..core.result import Result
from ..core.version import VERSION
from ..core.visible import visible_line
from ..models.known_secrets import redact_known
from ..runtime.agent import Agent
from ..runtime.background import Begun
from ..runtime.drives import is_stopping
from ..runtime.given import Given
from ..runtime.listeners import Delta
from ..runtime.log import open_log
from ..runtime.require_log import require_log
from ..runtime.unless_decided import unless_decided
from ..stores.open_store import open_store
from .serve_questions import describe_wait, key_of, read_response, request_of

PREFIX = "mcp-"
"""Of the names of threads that clients may go on in."""
MAX_ROUNDS = 20
NEWER = "2026-07-28"
"""From this version of the protocol on, a call comes back with its questions."""
_SCHEMA = {
    "type": "object",
    "properties": {
        "message": {"type": "string", "description": "What is said to the agent."},
        "thread": {
            "type": "string",
            "description": "To go on: the thread of an earlier result. Without a message, this"
            " gives the result of its last turn, once people have decided what it waits for.",
        },
    },
    "additionalProperties": False,
}
_ARGUMENTS = ("message", "thread")
_OUTPUT = {
    "type": "object",
    "properties": {
        "answer": {"type": "string"},
        "thread": {"type": "string"},
        "status": {"type": "string"},
    },
    "required": ["answer", "thread", "status"],
}


def make_server(agent: Agent) -> Server[Any]:
    """The MCP server of this agent; it runs on the transports of the SDK."""
    served = _Served(agent)
    return Server(
        f"treadle-{agent.name}",
        version=VERSION,
        instructions=agent.description or None,
        on_list_tools=served.list_tools,
        on_call_tool=served.call_tool,
    )


@dataclass(frozen=True)
class _Served:
    agent: Agent

    async def list_tools(self, _: Any, __: Any) -> types.ListToolsResult:
        """The one tool: the agent."""
        about = self.agent.description or f"Ask the agent {self.agent.name}."
        tool = types.Tool(
            name=self.agent.name,
            description=about,
            input_schema=_SCHEMA,
            output_schema=_OUTPUT,
        )
        return types.ListToolsResult(tools=[tool])

    async def call_tool(
        self, context: ServerRequestContext[Any, Any], params: types.CallToolRequestParams
    ) -> types.CallToolResult | types.InputRequiredResult:
        """One turn, or what is left of one."""
        if params.name != self.agent.name:
            return _refusal(f"there is one tool: {self.agent.name}")
        given = params.arguments or {}
        thread = ""
        try:
            if params.request_state:
                thread = await self._require_own(params.request_state)
                await self._post(context, thread, params.input_responses or {})
                return await self._answer(context, await self.agent.resume(thread))
            thread = await self._choose_thread(given)
            if not given.get("message"):
                return await self._answer(context, await self.agent.resume(thread))
            # The client's model has written it, who may have read a stranger's page.
            said = e.UserSaid(given["message"], by=_client(context), labels=("untrusted",))
            said = replace(said, key=self.agent.world.new_id())
            async with self._begin(said, thread) as begun:
                return await self._answer(context, await self._follow(context, begun))
        except TreadleError as error:
            return _refusal(redact_known(str(error)), thread)

    async def _choose_thread(self, given: Mapping[str, Any]) -> str:
        """The thread of an earlier result, or a new one. Raises UnknownThread, and UsageError for
        arguments that can't be."""
        if unknown := [name for name in given if name not in _ARGUMENTS]:
            raise UsageError(f"there is no argument {unknown[0]!r}; there are: message, thread")
        message, thread = given.get("message"), given.get("thread")
        if thread is not None:
            await self._require_own(thread)
        if thread is not None and not message:
            return str(thread)
        if not isinstance(message, str) or not message.strip():
            raise UsageError("say a message, or name the thread whose result is wanted")
        return str(thread or PREFIX + self.agent.world.new_id())

    async def _require_own(self, thread: Any) -> str:
        """The thread's name. Raises UnknownThread for one that no client has begun here."""
        if isinstance(thread, str) and thread.startswith(PREFIX):
            log = await open_log(thread, open_store(self.agent.store), self.agent.world)
            if self.agent.name in find_runners(log.records, log.state):
                return thread
        raise UnknownThread("there is no such thread here; take the one of an earlier result")

    @asynccontextmanager
    async def _begin(self, said: e.UserSaid, thread: str) -> AsyncIterator[Begun]:
        """Say a message. Whoever cancels the block cancels the turn that it has opened."""
        begun: Begun | None = None
        with anyio.CancelScope(shield=True):  # or it would go on with nobody who knows of it
            begun = await self.agent.runs.start(said, thread, None, Given())
        assert begun
        try:
            yield begun
        except asyncio.CancelledError:
            with anyio.CancelScope(shield=True), contextlib.suppress(TreadleError):
                log = await require_log(thread, open_store(self.agent.store), self.agent.world)
                turn = log.state.turn
                opening = log.records[turn.opened_seq - 1].event if turn else None
                opened = isinstance(opening, e.UserSaid) and opening.key == said.key
                if opened and not is_stopping():
                    await self.agent.post(thread, e.TurnEnded("cancelled", f"by {said.by}"))
            raise

    async def _follow(self, context: ServerRequestContext[Any, Any], begun: Begun) -> Result:
        """The turn's result; each of its records is told to the client as progress."""
        result: Result | None = None
        count = 0
        async with aclosing(self.agent.runs.follow(begun.thread_id, None, begun)) as items:
            async for item in items:
                if isinstance(item, Result):
                    result = item
                elif not isinstance(item, Delta):
                    count += 1
                    await context.session.report_progress(count, None, type(item.event).__name__)
        assert result is not None
        return result

    async def _answer(
        self, context: ServerRequestContext[Any, Any], result: Result
    ) -> types.CallToolResult | types.InputRequiredResult:
        """The result, or what a person at the client is asked first."""
        for _ in range(MAX_ROUNDS):
            asked: dict[str, types.ElicitRequestFormParams] = {}
            for call in result.waiting:
                can_ask = can_show_forms(context.session.client_capabilities)
                if can_ask and (request := request_of(call, self.agent.name)):
                    asked[key_of(call)] = request
            if not asked:
                break
            if context.protocol_version >= NEWER:
                requests = {key: types.ElicitRequest(params=each) for key, each in asked.items()}
                return types.InputRequiredResult(
                    input_requests={**requests}, request_state=result.thread_id
                )
            before = result.waiting
            said = await self._elicit(context, before, asked)
            await self._post(context, result.thread_id, said)
            result = await self.agent.resume(result.thread_id)  # others may have decided, too
            if result.waiting == before:
                break
        return _as_tool_result(result)

    async def _elicit(
        self,
        context: ServerRequestContext[Any, Any],
        waiting: Sequence[e.PendingDecision],
        asked: Mapping[str, types.ElicitRequestFormParams],
    ) -> dict[str, types.InputResponse]:
        """Ask the person at the client while the call runs, one thing after the other, each until
        it is decided: there or elsewhere."""
        said: dict[str, types.InputResponse] = {}
        store = open_store(self.agent.store)
        with contextlib.suppress(MCPError):  # nobody was asked, or nobody has said anything
            for call in waiting:
                if each := asked.get(key_of(call)):
                    log = await require_log(call.thread_id, store, self.agent.world)
                    asking = context.session.elicit_form(
                        each.message, each.requested_schema, context.request_id
                    )
                    if response := await unless_decided(asking, call, log):
                        said[key_of(call)] = response
        return said

    async def _post(
        self,
        context: ServerRequestContext[Any, Any],
        thread: str,
        responses: Mapping[str, types.InputResponse],
    ) -> None:
        """Write what people have decided.

        What was decided already says nothing new, and an answer fits only what was shown with it.
        """
        result = await self.agent.resume(thread)
        for call in result.waiting:
            response = responses.get(key_of(call))
            if not isinstance(response, types.ElicitResult):
                continue
            event = read_response(call, response, _client(context))
            if event is None:
                continue
            with contextlib.suppress(IllegalEvent):
                await self.agent.post(call.thread_id, event)


def _client(context: ServerRequestContext[Any, Any]) -> str:
    """Who decides, for the log: the client, as it calls itself."""
    told = context.session.client_params
    name = told.client_info.name if told else "MCP client"
    return f"{visible_line(name, 60)} (MCP)"


def can_show_forms(client: types.ClientCapabilities | None) -> bool:
    """Whether a person at this client can be asked by a form; older ones don't say by what."""
    asked = client and client.elicitation
    return bool(asked and (asked.form or not asked.url))


def _as_tool_result(result: Result) -> types.CallToolResult:
    text = result.answer or result.reason or result.status
    if result.status == "waiting":
        waits = [describe_wait(call, result.thread_id) for call in result.waiting]
        text = "\n".join(filter(None, [result.answer, *waits]))
    return types.CallToolResult(
        content=[_show(text, result.thread_id)],
        structured_content={"answer": text, "thread": result.thread_id, "status": result.status},
        is_error=result.status in ("failed", "cancelled"),
    )


def _refusal(text: str, thread: str = "") -> types.CallToolResult:
    return types.CallToolResult(content=[_show(text, thread)], is_error=True)


def _show(text: str, thread: str) -> types.ContentBlock:
    if thread:
        text = f"{text}\n\n[thread {thread}]"
    return types.TextContent(type="text", text=text)
