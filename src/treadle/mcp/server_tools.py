"""The tools of one MCP server, and their calls. Needs the SDK: tools.py imports it when used."""

import asyncio
import logging
import os
import threading
from functools import partial
from typing import Any, TypeVar

import mcp_types as types
from mcp_types import INVALID_PARAMS
from pydantic import BaseModel, TypeAdapter

from ..core.context import Context
from ..core.errors import ToolError, UsageError
from ..core.pending import Pending
from ..core.tool import Tool
from .background import do, submit
from .connection import Connection, Refused, ServerDied
from .consents import Consent, pin, require_start
from .definitions import (
    CONTEXT,
    Definition,
    describe_definition,
    digest_of,
    make_mcp_tool,
    name_tools,
)
from .elicitation import Questions
from .results import read_tool_result
from .server_config import ServerConfig
from .tasks import Done, Task, TaskParams, TaskRequest, result_of_task

NamedTool = tuple[str, Tool]
"""A tool after its server's own name for it: a model knows it by another."""
CallResult = types.CallToolResult | types.InputRequiredResult | Task
_call_result: TypeAdapter[CallResult] = TypeAdapter(CallResult)
_task: TypeAdapter[Task] = TypeAdapter(Task)
_done: TypeAdapter[Done] = TypeAdapter(Done)
MAX_ROUNDS = 10
SLOW_DOWN_S = 0.1
R = TypeVar("R", bound=BaseModel)
_logger = logging.getLogger("treadle.mcp")
_known: dict[tuple[int, ServerConfig, bool, float], "ServerTools"] = {}
_connections: dict[tuple[int, ServerConfig], Connection] = {}
_lock = threading.Lock()


def server_tools(server: ServerConfig, trusted: bool, timeout_s: float) -> "ServerTools":
    """The same for the same settings: so several agents in a process share a connection."""
    with _lock:
        place = (os.getpid(), server)
        if place not in _connections:
            _connections[place] = Connection(server)
        key = (*place, trusted, timeout_s)
        if key not in _known:
            _known[key] = ServerTools(_connections[place], trusted, timeout_s)
        return _known[key]


class ServerTools:
    """The tools of a server, read again where that says that they are others."""

    def __init__(self, connection: Connection, trusted: bool, timeout_s: float) -> None:
        self.connection = connection
        self._trusted = trusted
        self._timeout_s = timeout_s
        self._tools: tuple[NamedTool, ...] = ()
        self._digests: dict[str, str] | None = None
        self._first: Consent | None = None
        """To the tools as this process first saw them: it counts where none could be kept."""
        self._lock = threading.Lock()

    def find_named(self) -> "tuple[NamedTool, ...]":
        """Those that may be offered, with the server's own names. Raises UsageError."""
        with self._lock:
            if self._digests is None or self.connection.has_changed:
                self._read()
            return self._tools

    @property
    def config(self) -> ServerConfig:
        return self.connection.config

    def definitions(self) -> list[Definition]:
        """What the server says of its tools now, whatever was allowed. It is started for that."""
        told = submit(self.connection.list_tools()).result()
        self.forget()
        return [describe_definition(each) for each in told]

    def forget(self) -> None:
        """Read the tools again when they are asked for: others are allowed by now."""
        self._digests = None

    def _read(self) -> None:
        server = self.config
        consent = require_start(server) or self._first
        told = submit(self.connection.list_tools()).result()
        has_tasks = submit(self.connection.has_tasks()).result()
        by_name = {each.name: each for each in told}
        digests = {name: digest_of(each) for name, each in by_name.items()}
        if digests == self._digests:
            return
        if len(by_name) < len(told):
            _logger.warning(
                "the MCP server %s lists a tool's name more than once; the last one counts",
                server.name,
            )
        allowed = pin(server, consent, digests)
        if consent is None:
            self._first = Consent(server.name, server.line, digests)
        trusted = self._trusted or bool(consent and consent.trusted)
        told = [each for name, each in by_name.items() if name in allowed]
        self._tools = self._make(told, trusted, has_tasks)
        self._digests = digests

    def _make(
        self, told: list[types.Tool], trusted: bool, has_tasks: bool
    ) -> "tuple[NamedTool, ...]":
        server = self.config
        names = name_tools(server.name, [each.name for each in told])
        made: list[NamedTool] = []
        for each in told:
            function = partial(self._call, each.name)
            try:
                poll = self._poll if has_tasks else None
                tool = make_mcp_tool(each, names[each.name], function, poll, trusted)
                made.append((each.name, tool))
            except UsageError as error:
                _logger.warning(
                    "the MCP server %s has a tool that can't be offered: %s", server.name, error
                )
        return tuple(made)

    async def _call(self, own_name: str, /, **arguments: Any) -> Any:
        questions = Questions.of(arguments.pop(CONTEXT), self.config.name)
        if questions.task:
            return await self._go_on_with_task(questions)
        is_fresh = False
        for _ in range(MAX_ROUNDS):
            params = types.CallToolRequestParams(
                name=own_name,
                arguments=arguments,
                input_responses=questions.responses(),
                request_state=questions.request_state,
            )
            request = types.CallToolRequest(params=params)
            try:
                result = await self._request(request, _call_result, questions)
            except Refused as error:
                questions.ask_next()
                # What it has asked before its restart, say, it doesn't know any more.
                if is_fresh or questions.request_state is None or error.code != INVALID_PARAMS:
                    raise
                is_fresh = True
                questions.forget_round()
                continue
            questions.ask_next()
            match result:
                case types.CallToolResult():
                    return read_tool_result(result)
                case Task():
                    return result_of_task(result, self.config.name, questions)
                case types.InputRequiredResult():
                    questions.must_answer(result)
                    if not result.input_requests:
                        await asyncio.sleep(SLOW_DOWN_S)
        raise ToolError(f"the MCP server asks and asks: {MAX_ROUNDS} rounds gave no result")

    async def _go_on_with_task(self, questions: Questions) -> Any:
        """Answer what a task has asked."""
        task_id, questions.task = questions.task, ""
        params = TaskParams(task_id=task_id, input_responses=questions.responses())
        await self._request(TaskRequest(method="tasks/update", params=params), _done, None)
        raise Pending({"mcp": self.config.name, "task": task_id}, due=0.1)

    async def _poll(self, handle: Any, context: Context) -> Any:
        """What became of a task. Raises as `result_of_task`; all else means: ask again."""
        server = self.config.name
        params = TaskParams(task_id=handle["task"])
        try:
            task = await self._request(TaskRequest(params=params), _task, None)
        except ServerDied as error:
            raise ConnectionError(str(error)) from error
        return result_of_task(task, server, Questions(server))

    async def _request(
        self, request: Any, result: TypeAdapter[R], questions: Questions | None
    ) -> R:
        elicit = questions.answer_at_once if questions else None
        return await do(self.connection.request(request, result, self._timeout_s, elicit))
