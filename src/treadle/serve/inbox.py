"""The API's inbox, all that waits for people, and the list of what is served."""

from contextlib import suppress
from typing import Any

import msgspec

from ..core import events as e
from ..core.errors import UsageError
from ..runtime.agent import Agent
from ..runtime.due import DAMAGED
from ..runtime.summary import sum_up
from ..stores.archive import ALL_THREADS
from ..stores.store import ThreadInfo
from .routes import Asked


class Waiting(msgspec.Struct):
    """Something that waits for a person, with the thread that goes on once it is decided."""

    root_id: str
    title: str
    agent: str
    since: float
    """Seconds since the epoch when the thread was last written."""
    decision: e.PendingDecision
    schema: dict[str, Any] | None = None
    """JSON Schema of the call's arguments, where the log describes its tool."""


async def list_waiting(asked: Asked) -> list[Waiting]:
    """All that waits for people: approvals, questions, calls of unknown outcome, limits."""
    found: list[Waiting] = []
    for status in ("waiting", "parked", "imported"):
        for info in await asked.served.store.threads(ALL_THREADS, status=status, parent=""):
            with suppress(*DAMAGED):  # the list of threads shows what is wrong with it
                found += await _read_waiting(asked, info)
    return found


async def _read_waiting(asked: Asked, info: ThreadInfo) -> list[Waiting]:
    summary = await sum_up(info.thread_id, asked.served.readings.count)
    line = await asked.request.app.state.lines.make(info)
    found: list[Waiting] = []
    for each in summary.waiting:
        schema = await find_schema(asked, each)
        found.append(Waiting(info.thread_id, line.title, info.agent, info.updated_at, each, schema))
    return found


async def find_schema(asked: Asked, waiting: e.PendingDecision) -> dict[str, Any] | None:
    """The JSON Schema of the arguments of what waits, as its thread's log describes the tool."""
    if not waiting.id:
        return None
    described = (await asked.served.read(waiting.thread_id)).state.last_described
    tool = described.tools.get(waiting.name) if described else None
    return tool.parameters if tool else None


async def read_agents(asked: Asked) -> dict[str, Any]:
    """What is served: each agent with its tools and its model, each flow."""
    return {"agents": [_describe_runner(name, asked) for name in asked.served.runners]}


def _describe_runner(name: str, asked: Asked) -> dict[str, Any]:
    runner = asked.served.runners[name]
    kind = "agent" if isinstance(runner, Agent) else "flow"
    found: dict[str, Any] = {"name": name, "kind": kind, "description": runner.description}
    try:
        settings = runner.run_settings
    except UsageError as error:
        return found | {"problem": str(error)}
    return found | {"model": settings.model.name, "tools": sorted(settings.policy.tools)}
