"""The protocol's extension for tasks: work that goes on at the server, under an id of its own.

A call that becomes a task is a pending call, whose handle names the server and the task. Any
process asks about it later; the server may be restarted meanwhile, if it keeps its tasks.
"""

from typing import Any, ClassVar, Literal

import mcp_types as types
from pydantic import BaseModel

from ..core.errors import ToolError
from ..core.pending import Pending
from .elicitation import Questions
from .results import read_tool_result

EXTENSION = "io.modelcontextprotocol/tasks"
_POLL_S = 5.0


class Task(types.Result):
    """A task, as the answer to a call and to a question about it."""

    result_type: Literal["task", "complete"] = "task"
    task_id: str
    status: Literal["working", "input_required", "completed", "failed", "cancelled"]
    status_message: str = ""
    poll_interval_ms: float | None = None
    result: dict[str, Any] | None = None
    error: dict[str, Any] | None = None
    input_requests: types.InputRequests | None = None


class TaskParams(types.RequestParams):
    """Names the task, with answers to what it has asked."""

    task_id: str
    input_responses: types.InputResponses | None = None


class TaskRequest(types.Request[TaskParams, str]):
    """Asks about a task (`tasks/get`), or answers what it has asked (`tasks/update`)."""

    name_param: ClassVar[str | None] = "taskId"
    method: str = "tasks/get"
    params: TaskParams


class Done(BaseModel):
    """A result that says nothing."""


def result_of_task(task: Task, server: str, questions: Questions) -> Any:
    """What the task has come to. Raises Pending while it works, Question, or ToolError."""
    match task.status:
        case "working":
            wait_s = _POLL_S
            if task.poll_interval_ms is not None:
                wait_s = max(0.1, task.poll_interval_ms / 1000)
            raise Pending({"mcp": server, "task": task.task_id}, due=wait_s)
        case "input_required":
            asked = types.InputRequiredResult(
                input_requests=task.input_requests or {}, request_state=""
            )
            questions.must_answer(asked, task.task_id)
            return None
        case "completed":
            return read_tool_result(types.CallToolResult.model_validate(task.result or {}))
    said = str((task.error or {}).get("message") or task.status_message or "it said nothing more")
    raise ToolError(f"the task {task.status}: {said}")
