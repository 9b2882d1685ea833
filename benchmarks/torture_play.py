"""What benchmarks/torture.py plays: agents with all kinds of tools, children, a hand-over, a flow, a graph.

What a thread asks for follows from the seed and its name alone, so that any process can go on with it.
Each effect is a line in a ledger beside the database; what processes do is in a journal.
"""

import asyncio
import contextlib
import contextvars
import json
import os
import random
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any
from zlib import crc32

from msgspec.structs import replace

from treadle import (
    Agent,
    Budget,
    Context,
    DidNotRun,
    Flow,
    Limits,
    Pending,
    Ran,
    StoreError,
    ToolRetry,
    Usage,
    approve,
    ask,
    flow,
    sleep,
    step,
    tool,
)
from treadle.core import events as e
from treadle.core.codec import decode_event
from treadle.core.errors import ModelUnavailable
from treadle.core.model import Reply, Request
from treadle.graphs import END, START, Choice, Each, Edge, Graph, Join, Node, append
from treadle.models.scripted import ScriptedModel, calls, says
from treadle.runtime.world import World
from treadle.stores.open_store import open_store
from treadle.stores.store import Row
from treadle.tools.ask import ask_user

KINDS = ("agent", "agent", "agent", "team", "relay", "pay", "article")
"""One of them is a thread's, by its number: an agent alone, with children, with a hand-over, a flow, a graph."""
LIMITS = Limits(
    steps=None, tool_calls=None, tokens=None, seconds=None, model_tries=50, last_word=False
)
BROKEN = "torture: the disk is full"
forced: contextvars.ContextVar[bool] = contextvars.ContextVar("forced", default=False)
"""Whether the thread that is claimed here is taken by force."""


class Journal:
    """Lines of JSON in a folder, a file for each process: all are there, also of a process that was killed."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._files: dict[int, int] = {}

    def note(self, what: str, **facts: Any) -> None:
        pid = os.getpid()
        if pid not in self._files:
            self._folder.mkdir(exist_ok=True)
            flags = os.O_APPEND | os.O_CREAT | os.O_WRONLY
            self._files[pid] = os.open(self._folder / f"{pid}.jsonl", flags, 0o600)
        line = {"at": time.monotonic(), "pid": pid, "what": what, **facts}
        os.write(self._files[pid], json.dumps(line, default=str).encode() + b"\n")


def read_journal(folder: Path) -> list[dict[str, Any]]:
    """All lines of all processes, in the order of the monotonic clock, which they share."""
    lines: list[dict[str, Any]] = []
    for path in folder.glob("*.jsonl"):
        for line in path.read_bytes().splitlines():
            with contextlib.suppress(ValueError):  # the last one is being written
                lines.append(json.loads(line))
    return sorted(lines, key=lambda line: line["at"])


def state_of(pid: int) -> str:
    """The process's state as Linux names it, such as `T` for a stopped one; "" if there is none."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return ""


def is_alive(pid: int) -> bool:
    """Whether the process is there, and no zombie. (Nothing is asked of it.)"""
    return state_of(pid) not in ("", "Z", "X")


class WatchedStore:
    """A database, whose claims and appends are noted, and which breaks where it is told to."""

    def __init__(self, inner: Any, journal: Journal) -> None:
        self.inner = inner
        self.breaks: dict[str, str] = {}
        """By thread, when its next append breaks: `before` it is written, or `after`."""
        self.beats: dict[str, tuple[int, float]] = {}
        """By claim that is driven here, its last beat, and since when it has stood."""
        self._journal = journal

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)

    async def append(self, thread_id: str, rows: Sequence[Row]) -> None:
        how = self.breaks.pop(thread_id, "")
        if how == "before":
            self._journal.note("broke", thread=thread_id, how=how)
            raise StoreError(BROKEN)
        await self.inner.append(thread_id, rows)
        for row in rows:
            self._journal.note("kept", thread=thread_id, seq=row.seq, crc=crc32(row.event))
            if row.event.startswith(b'{"type":"ThreadClaimed'):
                event = decode_event(row.event)
                self._journal.note("claimed", thread=thread_id, seq=row.seq, claim=event.claim)
        if how == "after":
            self._journal.note("broke", thread=thread_id, how=how)
            raise StoreError(BROKEN)

    async def read(self, thread_id: str, after_seq: int = 0) -> list[Row]:
        return await self.inner.read(thread_id, after_seq)

    async def threads(self, limit: int = 100, **filters: Any) -> Any:
        return await self.inner.threads(limit, **filters)

    @contextmanager
    def attend(self, claim: str) -> Iterator[None]:
        with self.inner.attend(claim):
            self.beats[claim] = (0, time.monotonic())
            self._journal.note("attends", claim=claim, forced=forced.get())
            try:
                yield
            finally:
                _, since = self.beats.pop(claim, (0, time.monotonic()))
                if time.monotonic() - since > 1.0:
                    self._journal.note("stood", claim=claim, since=since)
                self._journal.note("withdraws", claim=claim)

    def look_at_beats(self) -> None:
        """Note each beat that has stood still for longer than it may."""
        now = time.monotonic()
        for claim, (beat, since) in list(self.beats.items()):
            found = self.inner.find_beat(claim)
            if found == beat or found is None:
                continue
            if now - since > 1.0:
                self._journal.note("stood", claim=claim, since=since)
            if claim in self.beats:
                self.beats[claim] = (found, now)


class Pilot(ScriptedModel):
    """Answers by what it is shown, not by how often it was asked."""

    def __init__(self, play: "Play") -> None:
        super().__init__([])
        self._play = play
        self._failed: set[tuple[str, int]] = set()

    async def reply(self, request: Request, emit: Callable[[Any], None]) -> Reply:
        place = max(
            place for place, each in enumerate(request.messages)
            if each.role == "user" and each.text.startswith("play ")
        )  # fmt: skip
        part = request.messages[place].text.split()[1]
        rounds = sum(each.role == "assistant" for each in request.messages[place:])
        chance = random.Random(f"{self._play.seed}:{part}:{rounds}")
        await asyncio.sleep(chance.choice([0.0, 0.02, 0.1, 0.3, 1.5]))
        if chance.random() < 0.05 and (part, rounds) not in self._failed:
            self._failed.add((part, rounds))
            raise ModelUnavailable("the model is busy", retry_after_s=0.2)
        self._play.ledger.note("asked", part=part, tokens=request.tokens + 5)
        script = self._play.script(part)
        if rounds < len(script):
            return replace(script[rounds], usage=Usage(request.tokens, 5))
        told = sum(each.role == "tool" for each in request.messages[place:])
        emit("done, ")
        return replace(says(f"done, {told} results"), usage=Usage(request.tokens, 5))


@dataclass
class Article:
    part: str = ""
    subjects: list[str] = field(default_factory=list)
    notes: Annotated[list[str], append] = field(default_factory=list)
    draft: str = ""
    score: int = 0


@dataclass(frozen=True)
class Play:
    """All that a thread does, in the folder of one run."""

    folder: Path
    seed: int
    threads: int
    role: str = ""
    offset_s: list[float] = field(default_factory=lambda: [0.0])
    """How wrong this process's wall clock is."""
    url: str = ""
    """Of the database, where it isn't a file in the folder."""
    budgets: tuple[Budget, ...] = ()
    """What its team is paid from besides."""

    @cached_property
    def journal(self) -> Journal:
        return Journal(self.folder / "journal")

    @cached_property
    def ledger(self) -> Journal:
        return Journal(self.folder / "ledger")

    @cached_property
    def store(self) -> WatchedStore:
        return WatchedStore(self.open_store(), self.journal)

    def open_store(self) -> Any:
        """The database, for whoever isn't to be watched."""
        return open_store(self.url or self.folder / "threads.db")

    @cached_property
    def settings(self) -> dict[str, Any]:
        world = World(
            now=lambda: time.time() + self.offset_s[0], driver=lambda: f"{self.role}:{os.getpid()}"
        )
        return {"store": self.store, "world": world}

    def names(self) -> list[str]:
        return [f"t-{number:03}" for number in range(self.threads)]

    def kind(self, name: str) -> str:
        return KINDS[int(name[2:5]) % len(KINDS)]

    def chance(self, about: str) -> random.Random:
        return random.Random(f"{self.seed}:{about}")

    def messages(self, name: str) -> list[str]:
        """What is said in the thread, one after the other: each has a key of the same words."""
        if self.kind(name) in ("pay", "article"):
            return [name]
        return [f"{name}.{turn}" for turn in range(self.chance(name).choice([1, 1, 2]))]

    def is_left(self, name: str) -> bool:
        """Whether nobody ever answers what the thread asks of people."""
        return self.chance(f"left {name}").random() < 0.04

    def is_cancelled(self, name: str) -> bool:
        """Whether a person may cancel it."""
        return self.chance(f"cancelled {name}").random() < 0.04

    def script(self, part: str) -> list[Reply]:
        """The rounds of calls that the model asks for."""
        chance = self.chance(part)
        rounds = []
        for number in range(chance.randint(1, 3)):
            wanted: list[Any] = []
            for place in range(chance.choice([1, 1, 2, 4])):
                wanted.append(self._call(chance, f"{part}>{number}{place}"))
            rounds.append(calls(*wanted, text="so far"))
        if self.kind(part) == "relay" and ">" not in part and part.endswith(".0"):
            rounds.insert(chance.randint(0, len(rounds)), calls("hand_to_second"))
        return rounds

    def _call(self, chance: random.Random, place: str) -> Any:
        names = sorted(name for name in self.tools if name != "ask_user")
        if self.kind(place) == "team" and place.count(">") == 1:
            names += ["helper"] * 12
        name = chance.choice([*names, "ask_user"])
        if name == "ask_user":
            return name, {"question": f"which, {place}?"}
        if name == "helper":
            return name, {"task": f"play {place}"}
        return name, {"place": place, "takes_s": chance.choice([0.0, 0.05, 0.3, 1.0])}

    def act(self, context: Context, name: str, result: Any = None) -> Any:
        """The effect of a tool."""
        result = f"{name} is done" if result is None else result
        self._write(context, "effect", tool=name, result=result)
        return result

    def _write(self, context: Context, what: str, **facts: Any) -> None:
        place = {"thread": context.thread_id, "call": context.call_id}
        told = {"key": context.idempotency_key, "attempt": context.attempt}
        self.ledger.note(what, **place, **told, **facts)

    def find_effect(self, context: Context) -> Ran | DidNotRun:
        """What the ledger says of a call: the `verify` of one of the tools."""
        for line in read_journal(self.folder / "ledger"):
            place = (line["what"], line["thread"], line["call"])
            if place == ("effect", context.thread_id, context.call_id):
                return Ran(line["result"])
        return DidNotRun()

    @contextmanager
    def at_work(self, context: Context) -> Iterator[None]:
        """Note when a tool begins, and that it does nothing any more."""
        self._write(context, "begun")
        try:
            yield
        finally:
            self._write(context, "over")

    @cached_property
    def tools(self) -> dict[str, Any]:
        """Sync and async, idempotent and not, side by side, slow, failing, with a person's consent."""
        act, at_work = self.act, self.at_work

        def sync(name: str, **settings: Any) -> Any:
            def function(place: str, takes_s: float, context: Context) -> str:
                with at_work(context):
                    time.sleep(takes_s)
                    said = act(context, name)
                    time.sleep(takes_s / 2)
                    return str(said)

            return tool(name=name, description=name, **settings)(function)

        def later(name: str, **settings: Any) -> Any:
            async def function(place: str, takes_s: float, context: Context) -> str:
                with at_work(context):
                    await asyncio.sleep(takes_s)
                    said = act(context, name)
                    await asyncio.sleep(takes_s / 2)
                    return str(said)

            return tool(name=name, description=name, **settings)(function)

        @tool(read_only=True)
        async def look(place: str, takes_s: float) -> str:
            await asyncio.sleep(takes_s)
            return "as ever"

        @tool
        def broken(place: str, takes_s: float, context: Context) -> str:
            with at_work(context):
                raise ValueError("no such account")

        @tool
        def half(place: str, takes_s: float, context: Context) -> str:
            with at_work(context):
                act(context, "half")
                raise ValueError("something else went wrong")

        @tool
        async def flaky(place: str, takes_s: float, context: Context) -> str:
            with at_work(context):
                if context.attempt < 3:
                    raise ToolRetry("busy", retry_after_s=0.1)
                return str(act(context, "flaky"))

        @tool(timeout_s=0.4)
        def dawdle(place: str, takes_s: float, context: Context) -> str:
            with at_work(context):
                time.sleep(2 * takes_s)
                return str(act(context, "dawdle"))

        @tool
        def slow(place: str, takes_s: float, context: Context) -> str:
            with at_work(context):
                time.sleep(1 + 2 * takes_s)
                said = act(context, "slow")
                time.sleep(takes_s)
                return str(said)

        @tool(verify=self.find_effect, settle_s=3)
        async def check(place: str, takes_s: float, context: Context) -> str:
            with at_work(context):
                await asyncio.sleep(takes_s)
                return str(act(context, "check"))

        @tool
        async def build(place: str, takes_s: float, context: Context) -> str:
            with at_work(context):
                act(context, "build")
                raise Pending({"build": place}, due=600)

        made = [
            *(check, build),
            *(look, broken, half, flaky, dawdle, slow, ask_user),
            *(sync("charge"), sync("put", idempotent=True), sync("stamp", parallel=True)),
            *(later("charge_later"), later("put_later", idempotent=True)),
            *(later("book", parallel=True), sync("wire", needs_approval=True)),
        ]
        return {each.name: each for each in made}

    @cached_property
    def by_name(self) -> dict[str, Any]:
        """The agents, the flow and the graph, by the name that their threads have in the log."""
        own = {"model": Pilot(self), "limits": LIMITS, **self.settings}
        tools = list(self.tools.values())
        helper = Agent("Help.", name="helper", tools=tools, **own)
        second = Agent("Go on.", name="second", tools=tools, **own)
        made = [
            Agent("Do it.", name="agent", tools=tools, **own),
            self._team([*tools, helper.as_tool()], own),
            Agent("Do it, then hand over.", name="relay", tools=tools, handoffs=[second], **own),
            second,
            self._pay(helper),
            self._article(helper),
        ]
        return {each.name: each for each in made}

    def _team(self, tools: list[Any], own: dict[str, Any]) -> Agent:
        budgets = self.budgets
        return Agent("Do it together.", name="team", tools=tools, budgets=budgets, **own)

    def one(self, name: str) -> Any:
        """The agent, flow or graph of this thread."""
        return self.by_name[self.kind(name)]

    def said(self, name: str, message: str) -> tuple[Any, tuple[Any, ...], dict[str, Any]]:
        """Who is told the message, and the arguments of its `run`, `start` and `submit`."""
        one, options = self.one(name), {"thread": name, "key": message}
        if self.kind(name) in ("pay", "article"):
            return one.options(**options), (), {"part": message}
        return one, (f"play {message}",), options

    def _pay(self, helper: Agent) -> Flow:
        """Steps side by side, a loop, an agent, an approval, a timer, a question."""
        act, at_work = self.act, self.at_work

        def charge(place: str, context: Context) -> str:
            with at_work(context):
                time.sleep(0.2)
                return str(act(context, "charge"))

        async def put(place: str, context: Context) -> str:
            await asyncio.sleep(0.2)
            return str(act(context, "put"))

        async def both(place: str) -> list[str]:
            return [await step(charge, place), await step.options(idempotent=True)(put, place)]

        @flow(name="pay", **self.settings)
        async def pay(part: str) -> list[str]:
            helping = asyncio.create_task(helper.run(f"play {part}>f"))
            done = await asyncio.gather(*(both(f"{part}>{number}") for number in range(3)))
            if await approve("the wire"):
                done.append([await step(charge, f"{part}>wire")])
            await sleep(2.0)
            done.append([await ask("which?"), (await helping).answer])
            return [each for some in done for each in some]

        return pay

    def _article(self, helper: Agent) -> Graph:
        """A fan-out, a join, an agent, a cycle, and a person before the last node."""
        act, at_work = self.act, self.at_work

        @tool(read_only=True)
        def plan(part: str) -> list[str]:
            return [f"{part} one", f"{part} two"]

        async def search(subject: str, context: Context) -> str:
            with at_work(context):
                await asyncio.sleep(0.3)
                return str(act(context, "search", f"found {subject}"))

        def facts(part: str, context: Context) -> str:
            with at_work(context):
                time.sleep(0.2)
                return str(act(context, "facts"))

        def review(score: int, draft: str, context: Context) -> int:
            with at_work(context):
                return int(act(context, "review", score + 2))

        def judge(score: int) -> tuple[str, str]:
            return ("good" if score > 3 else "again", f"the score is {score}")

        def publish(draft: str, context: Context) -> str:
            with at_work(context):
                return str(act(context, "publish", draft))

        return Graph(
            Article,
            [
                Node(plan, "subjects"),
                Node(search, "notes"),
                Node(facts, "notes"),
                Node(helper, "draft", said="play {part}>g{score}"),
                Node(review, "score"),
                Node(publish, "draft", approve="before"),
            ],
            [
                Edge(START, "plan"),
                Each("plan", "search", over="subjects", item="subject"),
                Edge("plan", "facts"),
                Join(["search", "facts"], "helper"),
                Edge("helper", "review"),
                Choice("review", judge, {"good": "publish", "again": "helper"}),
                Edge("publish", END),
            ],
            name="article",
            **self.settings,
        )


def answer_of(pending: e.PendingDecision, name: str) -> Any:
    """What a person says to this, where they say yes."""
    if pending.status == "question":
        return e.UserSaid("that one", answers=pending.id, by=name, key=f"click {pending.id}")
    return e.ApprovalGiven(pending.id, True, name, digest=pending.digest)
