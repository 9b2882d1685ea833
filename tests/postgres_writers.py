"""What other processes do in the tests of PostgreSQL: run as `python postgres_writers.py WHAT URL NAME`."""

import asyncio
import sys
import time

from treadle import Agent, ScriptedModel
from treadle.core.errors import SeqTaken
from treadle.models.scripted import calls
from treadle.stores.postgres import PostgresStore
from treadle.stores.store import Row


async def share(store: PostgresStore, name: str, count: int = 15) -> None:
    """Write so many rows to the thread that all share, and as many to one of its own."""
    own = 0
    while own < count:
        try:
            seq = len(await store.read("shared")) + 1
            await store.append("shared", [Row(seq, 0.0, f'{{"by":"{name}-{own}"}}'.encode())])
        except SeqTaken:
            continue
        own += 1
        await store.append(name, [Row(own, 0.0, b"{}")])


async def drive(store: PostgresStore, name: str) -> None:
    """Drive the thread up to a tool that never ends."""

    def wait() -> str:
        print("waiting", flush=True)
        time.sleep(600)
        return ""

    agent = Agent(model=ScriptedModel([calls("wait")]), tools=[wait], store=store)
    await agent.run("go", thread=name)


if __name__ == "__main__":
    what, url, name = sys.argv[1:]
    made = PostgresStore(url)
    asyncio.run({"share": share, "drive": drive}[what](made, name))
    made.close()
