"""The child of the flows' crash tests: one life of a flow or a graph, that may be told to die at any point of it."""

import asyncio
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, cast

import msgspec

from crash.scenario import DoomedStore, Fate, happened, main, say
from treadle import (
    Agent,
    Context,
    Flow,
    Result,
    SQLiteStore,
    Usage,
    approve,
    ask,
    flow,
    sleep,
    step,
    tool,
)
from treadle.core.events import ApprovalGiven, OutcomeDecided, UserSaid
from treadle.core.model import Reply, Request
from treadle.graphs import END, START, Choice, Each, Edge, Graph, Join, Node, append
from treadle.models.scripted import ScriptedModel, calls, says
from treadle.runtime.world import World

THREAD = "t"
IDEMPOTENT = ("put", "plan", "judge")


@dataclass
class Article:
    topic: str = ""
    subjects: list[str] = field(default_factory=list)
    notes: Annotated[list[str], append] = field(default_factory=list)
    draft: str = ""
    score: int = 0


class Writer(ScriptedModel):
    """Uses its tool once, then says what came of it; answers by what it is shown, so any process can go on with it."""

    def __init__(self, fate: Fate) -> None:
        super().__init__([])
        self._fate = fate

    async def reply(self, request: Request, emit: Callable[[str], None]) -> Reply:
        self._fate.at("model.before")
        await asyncio.sleep(0)
        self._fate.at("model.after")
        told = [message.text for message in request.messages if message.role == "tool"]
        answer = says(f"a draft: {told[0]}") if told else calls("stamp")
        return msgspec.structs.replace(answer, usage=Usage(request.tokens, 5))


def acting(fate: Fate) -> Callable[..., str]:
    def act(context: Context, name: str, said: str = "") -> str:
        fate.at(f"{name}.before")
        line = {"tool": name, "key": context.idempotency_key, "call": context.call_id, "said": said}
        wrote = os.open(fate.effects, os.O_APPEND | os.O_CREAT | os.O_WRONLY, 0o600)
        os.write(wrote, msgspec.json.encode(line) + b"\n")
        os.close(wrote)
        fate.at(f"{name}.after")
        return f"{name} {said} is done".replace("  ", " ")

    return act


def writer(act: Callable[..., str], fate: Fate) -> Agent:
    def stamp(context: Context) -> str:
        """Stamp."""
        return act(context, "stamp")

    return Agent("Write.", name="writer", tools=[stamp], model=Writer(fate))


def flow_of(fate: Fate, settings: dict[str, Any]) -> Flow:
    """Gather with branches of two steps, a loop, an agent, an approval, a question and a timer."""
    act = acting(fate)

    def charge(who: str, context: Context) -> str:
        return act(context, "charge", who)

    async def put(who: str, context: Context) -> str:
        await asyncio.sleep(0)
        return act(context, "put", who)

    async def both(who: str) -> list[str]:
        return [await step(charge, who), await step.options(idempotent=True)(put, who)]

    @flow(name="pay", **settings)
    async def pay(customers: list[str]) -> dict[str, Any]:
        done = await asyncio.gather(*(both(who) for who in customers))
        helper = asyncio.create_task(writer(act, fate).run("Write it."))
        rounds = []
        while len(rounds) < 3:
            rounds.append(await step(charge, f"round {len(rounds)}"))
        if await approve("the wire"):
            rounds.append(await step(charge, "wire"))
        await sleep(0.001)
        said, written = await ask("which?"), await helper
        return {"done": done, "rounds": rounds, "said": said, "written": written.answer}

    return pay


def graph_of(fate: Fate, settings: dict[str, Any]) -> Graph:
    """A choice, a parallel section with a fan-out and a join, a cycle, an agent, and a person before its last node."""
    act = acting(fate)

    @tool(read_only=True)
    def plan(topic: str) -> list[str]:
        return [f"{topic} one", f"{topic} two"]

    async def search(subject: str, context: Context) -> str:
        await asyncio.sleep(0)
        return act(context, "search", subject)

    def facts(topic: str, context: Context) -> str:
        return act(context, "facts", topic)

    def review(score: int, draft: str, context: Context) -> int:
        act(context, "review", str(score))
        return score + 2

    def judge(score: int) -> tuple[str, str]:
        return ("good" if score > 3 else "again", f"the score is {score}")

    def publish(draft: str, context: Context) -> None:
        act(context, "publish")

    return Graph(
        Article,
        [
            Node(plan, "subjects"),
            Node(search, "notes"),
            Node(facts, "notes"),
            Node(writer(act, fate), "draft", said="Write of {topic}"),
            Node(review, "score"),
            Node(publish, approve="before"),
        ],
        [
            Edge(START, "plan"),
            Each("plan", "search", over="subjects", item="subject"),
            Edge("plan", "facts"),
            Join(["search", "facts"], "writer"),
            Edge("writer", "review"),
            Choice("review", judge, {"good": "publish", "again": "writer"}),
            Edge("publish", END),
        ],
        name="article",
        **settings,
    )


GIVEN: dict[str, Any] = {"flow": {"customers": ["ann", "bob"]}, "graph": {"topic": "lamps"}}


async def life(what: str, one: Any, effects: Path) -> dict[str, Any]:
    """Start or resume it and bring it to its end; a person who looks at the effects decides what is held."""
    known = await one.store.read(THREAD)
    work = one.resume(THREAD) if known else one.options(thread=THREAD).run(**GIVEN[what])
    result: Result = await work
    decided = []
    while result.status == "waiting":
        for call in result.waiting:
            fact: Any = ApprovalGiven(call.id, True, "ann")
            if call.status == "question":
                fact = UserSaid("that one", answers=call.id, by="ann")
            elif call.status == "unknown":
                decided.append(f"{call.thread_id} {call.id}")
                done = [
                    each
                    for each in happened(effects)
                    if each["key"] == await _key(one, call.thread_id, call.id)
                ]
                fact = OutcomeDecided(
                    call.id, "ran" if done else "not_run", "ann", _content(call, done)
                )
            await one.post(call.thread_id, fact)
        result = await one.resume(THREAD)
    return {"status": result.status, "answer": result.answer, "decided": decided}


def _content(call: Any, done: list[dict[str, str]]) -> str:
    if not done:
        return ""
    said = f"{call.name} {done[0]['said']} is done".replace("  ", " ")
    if call.name == "stamp":  # told to a model, which reads text
        return said
    if call.name == "review":
        return str(int(done[0]["said"]) + 2)
    return "null" if call.name == "publish" else f'"{said}"'


async def _key(one: Any, thread: str, call_id: str) -> str:
    from treadle.runtime.log import open_log

    turn = (await open_log(thread, one.store, World())).state.turn
    return turn.calls[call_id].key if turn else ""


def lives() -> Callable[[dict[str, Any]], None]:
    """The lives of the flow and of the graph, which are made once for all of them."""
    fate = Fate()
    store = DoomedStore(cast("SQLiteStore", None), fate)
    settings: dict[str, Any] = {"store": store, "world": World(chance=lambda: 0.0)}
    made = {"flow": flow_of(fate, settings), "graph": graph_of(fate, settings)}

    def live(order: dict[str, Any]) -> None:
        fate.take(order)
        store.inner = SQLiteStore(order["db"])
        say(asyncio.run(life(order["what"], made[order["what"]], fate.effects)))
        store.inner.close()

    return live


if __name__ == "__main__":
    main(lives())
