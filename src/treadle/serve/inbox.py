"""The API's inbox, all that waits for people, and the list of what is served."""

from typing import Any

import msgspec

from ..core import events as e
from ..core.errors import UsageError
from ..runtime.summary import read_summary
from ..stores.archive import ALL_THREADS
from .routes import Asked


class Waiting(msgspec.Struct):
    """Something that waits for a person, with the thread that goes on once it is decided."""

    root_id: str
    title: str
    agent: str
    since: float
    """Seconds since the epoch when the thread was last written."""
    decision: e.PendingDecision


async def list_waiting(asked: Asked) -> list[Waiting]:
    """All that waits for people: approvals, questions, calls of unknown outcome, limits."""
    found: list[Waiting] = []
    for status in ("waiting", "parked", "imported"):
        for info in await asked.served.store.threads(ALL_THREADS, status=status, parent=""):
            if info.damaged:
                continue
            summary = await read_summary(info.thread_id, asked.served.store)
            line = await asked.request.app.state.lines.make(info)
            found += [
                Waiting(info.thread_id, line.title, info.agent, info.updated_at, each)
                for each in summary.waiting
            ]
    return found


async def read_agents(asked: Asked) -> dict[str, Any]:
    """What is served: each agent with its tools and its model, each flow."""
    return {"agents": [_describe_runner(name, asked) for name in asked.served.runners]}


def _describe_runner(name: str, asked: Asked) -> dict[str, Any]:
    runner = asked.served.runners[name]
    found: dict[str, Any] = {"name": name, "description": runner.description}
    try:
        settings = runner.run_settings
    except UsageError as error:
        return found | {"problem": str(error)}
    return found | {"model": settings.model.name, "tools": sorted(settings.policy.tools)}
