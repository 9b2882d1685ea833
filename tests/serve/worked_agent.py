"""The agent of test_workers.py: what it does waits for a person, or for long; what was paid is in a file."""

import asyncio
import os
import time
from pathlib import Path

from treadle import Agent, Context, ScriptedModel, tool
from treadle.core.model import Reply
from treadle.models.scripted import calls, says

FOLDER = Path(os.environ["WORKED_TEST_FOLDER"])


@tool(needs_approval=True)
async def pay() -> str:
    """Pay."""
    with (FOLDER / "paid").open("a") as file:
        file.write(f"{os.getpid()}\n")
    return "paid"


@tool(idempotent=True)
async def nap(context: Context) -> str:
    """Sleep, for good the first time; who is woken from that says when into a pipe."""
    try:
        await asyncio.sleep(3600 if context.attempt == 1 else 0)
    except asyncio.CancelledError:
        (FOLDER / "woken").write_text(f"{time.monotonic()}\n")
        raise
    return "napped"


class Obedient(ScriptedModel):
    """Calls the tool that is named; once that has returned, says what it has said."""

    async def reply(self, request, emit) -> Reply:
        last = request.messages[-1]
        if last.role == "tool":
            return says(last.text)
        return calls(last.text)


agent = Agent(tools=[pay, nap], model=Obedient([]), name="worked")
