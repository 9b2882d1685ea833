"""A process of benchmarks/machines.py: a worker, the client that submits, or the person who answers.

python benchmarks/machines_worker.py '{"role": "worker", ...}'      as machines.py starts it
"""

import asyncio
import faulthandler
import json
import os
import random
import signal
import sys
import traceback
from pathlib import Path
from typing import Any

from torture_play import Play
from torture_worker import Person

from treadle import Budget, ModelError, TurnFailed
from treadle.engines import Engine, open_engine
from treadle.runtime.submit import tell_engine
from treadle.workers.keep_going import until_stopped
from treadle.workers.worker import Worker

KINDS = ("agent", "team", "relay", "pay", "article")


class Telling(Person):
    """A person whose posts are followed by a word to the engine."""

    engine: Engine

    async def post(self, name: str, thread: str, event: Any) -> None:
        await super().post(name, thread, event)
        await self.tell(name)

    async def deliver(self, name: str, pending: Any) -> None:
        await super().deliver(name, pending)
        await self.tell(name)

    async def tell(self, name: str) -> None:
        await tell_engine(self.engine, self.play.store, self.play.one(name).name, name)


async def work(play: Play, engine: Engine) -> None:
    told = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, told.set)
    runners = [play.by_name[kind] for kind in KINDS]
    async with until_stopped(Worker(runners, engine), 100, 5):
        await told.wait()


async def submit(play: Play, lasts_s: float) -> None:
    """Say each message when its time has come, and note what came of it."""
    names = play.names()
    async with asyncio.TaskGroup() as group:
        for name in names:
            group.create_task(talk(play, name))
            await asyncio.sleep(0.6 * lasts_s / len(names))


async def talk(play: Play, name: str) -> None:
    for message in play.messages(name):
        one, args, given = play.said(name, message)
        try:
            submitted = await one.submit(*args, **given)
            while (result := await submitted.result()).status == "waiting":  # noqa: ASYNC110
                await asyncio.sleep(1)
            said = [result.status, result.answer, result.reason]
            turn = result.records[0].seq
            play.journal.note("result", thread=name, how="submit", turn=turn, said=said)
        except (TurnFailed, ModelError) as error:
            play.journal.note("failed", thread=name, error=str(error))
        except Exception as error:
            trace = traceback.format_exc()
            play.journal.note("error", thread=name, how="submit", error=repr(error), trace=trace)


def main() -> None:
    given = json.loads(sys.argv[1])
    folder = Path(given["folder"])
    os.environ["TREADLE_ENGINE"] = given["engine"]
    play = Play(
        folder,
        given["seed"],
        given["threads"],
        f"{given['role']}{given['number']}",
        url=given["url"],
        budgets=(Budget("team", tokens_a_day=given["team_tokens"]),),
    )
    trace = open(folder / f"trace-{os.getpid()}.txt", "w")  # noqa: SIM115 - open to the end
    faulthandler.register(signal.SIGUSR1, trace)
    play.journal.note("born")
    engine = open_engine(given["engine"])
    assert engine
    if given["role"] == "person":
        person = Telling(play, random.Random(given["seed"]))
        person.engine = engine
        asyncio.run(person.live())
    elif given["role"] == "client":
        asyncio.run(submit(play, given["lasts_s"]))
    else:
        asyncio.run(work(play, engine))


if __name__ == "__main__":
    main()
