"""A process of benchmarks/torture.py: a worker that drives threads and disturbs itself, or a person who answers.

python benchmarks/torture_worker.py '{"role": "worker", ...}'      as torture.py starts it
"""

import asyncio
import contextlib
import faulthandler
import json
import os
import random
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from torture_play import BROKEN, Play, answer_of, forced, is_alive, state_of

from treadle import Result, stop
from treadle.core import events as e
from treadle.core.errors import (
    Fenced,
    IllegalEvent,
    ModelError,
    Stopped,
    StoreError,
    TurnFailed,
)
from treadle.core.state import OPEN_PHASES
from treadle.core.waits import find_tree_waits
from treadle.runtime.drives import find_drive
from treadle.runtime.due import find_due
from treadle.runtime.log import open_log
from treadle.runtime.waiting_children import read_waiting_children
from treadle.stores.archive import ALL_THREADS

FAULTS = [*["break"] * 6, *["fork", "stall", "clock"] * 2, *["take", "twice"] * 3]
"""What a worker does to itself."""
SLOT_S = 1.5
"""How often all processes resume the same thread at the same moment."""


@dataclass
class Worker:
    """Says what is to be said, resumes what is due, and meets the others at random threads."""

    play: Play
    chance: random.Random
    began: float
    """When the whole run began, by the monotonic clock, and for how long it disturbs."""
    lasts_s: float
    number: int
    of: int
    is_fork: bool = False
    tasks: set["asyncio.Task[Any]"] = field(default_factory=set)
    busy: set[str] = field(default_factory=set)
    children: list[tuple[int, float]] = field(default_factory=list)

    @property
    def is_calm(self) -> bool:
        return (self.play.folder / "calm").exists()

    def do(self, work: Coroutine[Any, Any, Any]) -> None:
        task = asyncio.create_task(work)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    async def watched(self, how: str, name: str, work: Coroutine[Any, Any, Result]) -> None:
        """Note what the caller got. All errors are notes: the checks say which may be."""
        note = self.play.journal.note
        try:
            try:
                result = await work
            except (TurnFailed, ModelError) as error:
                if error.result is None:
                    raise
                result = error.result
        except Fenced as error:
            note("fenced", thread=name, how=how, error=str(error))
        except Stopped:
            note("refused", thread=name, how=how)
        except StoreError as error:
            what = "met break" if BROKEN in str(error) else "error"
            note(what, thread=name, how=how, error=repr(error), trace=traceback.format_exc())
        except Exception as error:
            note("error", thread=name, how=how, error=repr(error), trace=traceback.format_exc())
        else:
            said = [result.status, result.answer, result.reason]
            turn = result.records[0].seq if result.records else 0
            note("result", thread=name, how=how, turn=turn, said=said)

    async def speak(self, name: str, message: str) -> None:
        """Say it, and wait for the result by one of the ways there are."""
        one, args, given = self.play.said(name, message)
        if self.chance.random() < 0.5:
            await self.watched("run", name, one.run(*args, **given))
        else:
            await self.watched("follow", name, self.followed(name, one, args, given))

    async def followed(self, name: str, one: Any, args: Any, given: Any) -> Result:
        await one.start(*args, **given)
        seqs: list[int] = []
        result = None
        async for item in one.follow(name):
            if isinstance(item, e.Record) and item.thread_id == name:
                seqs.append(item.seq)
            if isinstance(item, Result):
                result = item
        if seqs != list(range(seqs[0], seqs[0] + len(seqs))) or result is None:
            self.play.journal.note("error", thread=name, how="follow", error=f"gave {seqs}")
        assert result
        return result

    async def resume(self, name: str, how: str, take: bool = False) -> None:
        if take:
            forced.set(True)
        one = self.play.one(name)
        await self.watched(how, name, one.resume(name, take=take))

    # What it does all the time

    async def begin(self) -> None:
        """Say each message when its time has come; often two processes say the same."""
        names = self.play.names()
        for_s = 0.75 * self.lasts_s / len(names)
        done: set[str] = set()
        while True:
            now = time.monotonic() - self.began
            for index, name in enumerate(names):
                late_s = now - for_s * index
                mine = index % self.of == self.number or (index // 3) % self.of == self.number
                if late_s < 0 or (not mine and late_s < 5) or name in done or name in self.busy:
                    continue
                message = await self.next_message(name)
                if message is None:
                    done.add(name)
                elif message:
                    self.busy.add(name)
                    self.do(self.say(name, message))
            await asyncio.sleep(self.chance.uniform(0.1, 0.6))

    async def say(self, name: str, message: str) -> None:
        try:
            await self.speak(name, message)
        finally:
            self.busy.discard(name)

    async def next_message(self, name: str) -> str | None:
        """What is to be said now; "" while the turn before is open, None if all is said."""
        log = await open_log(name, self.play.store, self.play.settings["world"])
        said = [
            each.event.key
            for each in log.records
            if isinstance(each.event, e.UserSaid) and not each.event.answers
        ]
        left = [message for message in self.play.messages(name) if message not in said]
        if log.state.phase in OPEN_PHASES:
            return ""
        return left[0] if left else None

    async def go_on(self) -> None:
        """Resume what is due."""
        while True:
            for due in await find_due(self.play.store, self.play.settings["world"]):
                if due.thread_id in self.busy or len(self.busy) > 40:
                    continue
                self.busy.add(due.thread_id)
                self.do(self.again(due.thread_id))
            await asyncio.sleep(self.chance.uniform(0.3, 1.5))

    async def again(self, name: str) -> None:
        try:
            await self.resume(name, "due")
        finally:
            self.busy.discard(name)

    async def meet(self) -> None:
        """At each slot of time resume the thread that all other processes resume then."""
        while not self.is_calm:
            now = time.monotonic() - self.began
            slot = int(now / SLOT_S) + 1
            await asyncio.sleep(slot * SLOT_S - now)
            name = await self.pick(self.play.chance(f"slot {slot}"))
            if name:
                self.do(self.resume(name, f"meets {slot}"))

    async def pick(self, chance: random.Random) -> str:
        """A thread that has begun and isn't over; "" if there is none."""
        infos = await self.play.store.threads(ALL_THREADS, parent="", status="unfinished")
        names = sorted(info.thread_id for info in infos)
        return chance.choice(names) if names else ""

    async def disturb(self) -> None:
        """Faults that a process has of its own."""
        every_s = 0.4
        while not self.is_calm:
            await asyncio.sleep(self.chance.expovariate(1 / every_s))
            if self.is_calm or self.is_fork:
                return
            await self.fault(self.chance.choice(FAULTS))

    async def fault(self, what: str) -> None:
        name = await self.pick(self.chance)
        note = self.play.journal.note
        if what == "fork":
            self.fork()
        elif what == "stall":
            seconds = self.chance.choice([0.5, 1.5, 4.5])
            note("stalls", seconds=seconds)
            time.sleep(seconds)  # noqa: ASYNC251 - that is the fault
        elif what == "clock":
            self.play.offset_s[0] = self.chance.choice([-3600.0, 0.0, 3600.0])
            note("clock", offset=self.play.offset_s[0])
        elif not name:
            return
        elif what == "break":
            infos = await self.play.store.threads(ALL_THREADS, status="unfinished")
            here = [i.thread_id for i in infos if find_drive(self.play.store, i.thread_id)]
            name = self.chance.choice(sorted(here)) if here else name
            self.play.store.breaks[name] = self.chance.choice(["before", "after"])
        elif what == "take":
            note("takes", thread=name)
            self.do(self.resume(name, "take", take=True))
        elif what == "twice":
            note("twice", thread=name)
            self.do(self.resume(name, "twice"))
            self.do(self.resume(name, "twice"))

    # Processes

    def fork(self) -> None:
        """A child that goes on as a worker of its own, with all that it has inherited."""
        seconds, kills = self.chance.uniform(0.5, 5.0), self.chance.random() < 0.5
        pid = os.fork()
        if pid:
            self.play.journal.note("forked", child=pid, seconds=seconds)
            self.children.append((pid, time.monotonic() + seconds))
            return
        try:
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            self.play.journal.note("born")
            self.play.store.beats.clear()
            self.play.store.breaks.clear()
            ends = threading.Timer(seconds, self.die, ["dies"])
            ends.daemon = True
            if kills:
                ends.start()
            other = Worker(
                self.play, self.chance, self.began, self.lasts_s, self.number, self.of, True
            )
            asyncio.run(other.live(None if kills else seconds))
            self.die("exits")
        except BaseException:
            self.play.journal.note("error", how="fork", error=traceback.format_exc())
        finally:
            os._exit(1)

    def die(self, how: str) -> None:
        self.play.journal.note(how)
        os.kill(os.getpid(), signal.SIGKILL)

    async def reap(self) -> None:
        """Note the end of each fork; one that hangs is an error."""
        while True:
            for pid, until in list(self.children):
                if os.waitpid(pid, os.WNOHANG)[0]:  # noqa: ASYNC222 - it doesn't wait
                    self.children.remove((pid, until))
                elif time.monotonic() > until + 40:
                    os.kill(pid, signal.SIGUSR1)
                    await asyncio.sleep(1)
                    self.play.journal.note("error", how="fork", error=f"{pid} hangs")
                    os.kill(pid, signal.SIGKILL)
                    os.waitpid(pid, 0)  # noqa: ASYNC222
                    self.children.remove((pid, until))
            await asyncio.sleep(0.2)

    async def live(self, seconds: float | None) -> None:
        """For so long, or until the process is told to stop."""
        told = asyncio.Event()
        if not self.is_fork:
            loop = asyncio.get_running_loop()
            loop.add_signal_handler(signal.SIGTERM, told.set)
        threading.Thread(target=self.watch_beats, args=(os.getpid(),), daemon=True).start()
        always = [
            asyncio.create_task(self.kept(work))
            for work in (self.begin, self.go_on, self.meet, self.disturb, self.reap)
        ]
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await told.wait()
        grace_s = self.chance.choice([0.0, 0.5, 3.0])
        self.play.journal.note("stops", grace_s=grace_s)
        for task in always:
            task.cancel()
        left = await stop(grace_s=grace_s)
        self.play.journal.note("stopped", left=left)

    async def kept(self, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        try:
            await work()
        except Exception:
            self.play.journal.note("error", how=work.__name__, error=traceback.format_exc())

    def watch_beats(self, pid: int) -> None:
        while os.getpid() == pid:
            time.sleep(0.1)
            self.play.store.look_at_beats()


@dataclass
class Person:
    """Answers what waits for people, now and then; looks at the ledger before they say what ran."""

    play: Play
    chance: random.Random
    patience: dict[str, float] = field(default_factory=dict)

    async def live(self) -> None:
        while True:
            try:
                await self.look()
            except Exception:
                self.play.journal.note("error", how="person", error=traceback.format_exc())
            await asyncio.sleep(self.chance.uniform(0.1, 0.6))

    async def look(self) -> None:
        store, world = self.play.store, self.play.settings["world"]
        for name in self.play.names():
            log = await open_log(name, store, world)
            if log.state.phase not in OPEN_PHASES:
                continue
            if self.play.is_cancelled(name) and self.chance.random() < 0.02:
                await self.post(name, name, e.TurnEnded("cancelled", "by ann"))
                continue
            states = {**await read_waiting_children(log), name: log.state}
            for pending in find_tree_waits(name, states):
                if self.chance.random() < 0.5:
                    await self.decide(name, pending)

    async def decide(self, name: str, pending: e.PendingDecision) -> None:
        if pending.status == "unknown":
            if decided := await self.settle(pending):
                await self.post(name, pending.thread_id, decided)
            return
        if self.play.is_left(name) and pending.status != "parked":
            return
        if pending.status == "limit":
            return
        if pending.status == "pending":
            await self.deliver(name, pending)
            return
        event = answer_of(pending, "ann")
        if pending.status == "waiting" and self.chance.random() < 0.15:
            event = e.ApprovalGiven(pending.id, False, "ann", "too dear")
        await self.post(name, pending.thread_id, event)
        if self.chance.random() < 0.2:  # a double click
            await self.post(name, pending.thread_id, event)

    async def deliver(self, name: str, pending: e.PendingDecision) -> None:
        """What was begun elsewhere has come to its end."""
        settled = await self.play.one(name).settle(json.loads(pending.handle), "it is built")
        self.play.journal.note("delivered", thread=name, settled=len(settled))

    async def settle(self, pending: e.PendingDecision) -> e.OutcomeDecided | None:
        """What became of a call, once it is sure that whoever began it does nothing more."""
        log = await open_log(pending.thread_id, self.play.store, self.play.settings["world"])
        driver, attempt = "", 0
        for record in log.records:
            match record.event:
                case e.ThreadClaimed(driver=name, releases=False) if name:
                    claimed_by = name
                case e.ToolStarted(call_id=call_id, attempt=number) if call_id == pending.id:
                    driver, attempt = claimed_by, number
        pid = int(driver.rpartition(":")[2])
        lines = self.lines(pending)
        effects = [line for line in lines if line["what"] == "effect"]
        if effects:
            result = effects[-1]["result"]
            is_step = not any(isinstance(each.event, e.AgentDescribed) for each in log.records)
            content = json.dumps(result) if is_step else result
            return e.OutcomeDecided(pending.id, "ran", "ann", content)
        mine = [line["what"] for line in lines if (line["pid"], line["attempt"]) == (pid, attempt)]
        if not is_alive(pid) or (mine and mine.count("begun") == mine.count("over")):
            return e.OutcomeDecided(pending.id, "not_run", "ann")
        place = f"{pending.thread_id} {pending.id} {pid}"
        first = self.patience.setdefault(place, time.monotonic())
        if state_of(pid) == "T":
            self.patience[place] = time.monotonic()
        elif time.monotonic() - first > 12 and not mine:
            return e.OutcomeDecided(pending.id, "not_run", "ann")
        return None

    def lines(self, pending: e.PendingDecision) -> list[dict[str, Any]]:
        needle = f'"call": "{pending.id}"'
        found = []
        for path in (self.play.folder / "ledger").glob("*.jsonl"):
            for line in path.read_text().splitlines():
                if needle in line and json.loads(line)["thread"] == pending.thread_id:
                    found.append(json.loads(line))
        return sorted(found, key=lambda line: float(line["at"]))

    async def post(self, name: str, thread: str, event: Any) -> None:
        told = type(event).__name__
        try:
            await self.play.one(name).post(thread, event)
            self.play.journal.note("posted", thread=thread, event=told)
        except IllegalEvent as error:  # somebody was first
            self.play.journal.note("too late", thread=thread, event=told, error=str(error))


def main() -> None:
    given = json.loads(sys.argv[1])
    folder = Path(given["folder"])
    play = Play(folder, given["seed"], given["threads"], f"{given['role']}{given['number']}")
    chance = random.Random(f"{given['seed']}:{play.role}:{given['life']}")
    trace = open(folder / f"trace-{os.getpid()}.txt", "w")  # noqa: SIM115 - open to the end
    faulthandler.register(signal.SIGUSR1, trace)
    faulthandler.enable(trace)
    play.journal.note("born")
    if given["role"] == "person":
        asyncio.run(Person(play, chance).live())
        return
    worker = Worker(
        play, chance, given["began"], given["lasts_s"], given["number"], given["of"]
    )  # fmt: skip
    asyncio.run(worker.live(None))
    play.journal.note("exits")


if __name__ == "__main__":
    main()
