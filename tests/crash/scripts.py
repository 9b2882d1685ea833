"""Random turns for the property tests: any script of replies, through tools of every kind, with people in between."""

import asyncio
import contextlib
import itertools
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from hypothesis import strategies as st

from treadle import Agent, Context, Limits, MemoryStore, Record, Result, ToolRetry, Usage, tool
from treadle.core.errors import ContextOverflow, IllegalEvent, ModelUnavailable, TreadleError
from treadle.core.events import (
    ApprovalGiven,
    ModelFailed,
    ModelReplied,
    OutcomeDecided,
    Text,
    UserSaid,
)
from treadle.core.model import Reply, Request
from treadle.core.policy import Policy
from treadle.core.result import read_result
from treadle.core.state import fold
from treadle.models.scripted import ScriptedModel, calls, says
from treadle.runtime.log import open_log
from treadle.runtime.settings import RunSettings
from treadle.runtime.world import World
from treadle.stores.rows import to_rows
from treadle.stores.store import Row
from treadle.tools.ask import ask_user

SYSTEM = "Do as the script says."
CALLS: list[Any] = [
    *(("sure", {"number": number}) for number in range(3)),
    *(("once", {"number": number}) for number in range(3)),
    *(("guarded", {"number": number}) for number in range(2)),
    ("once", {"number": "x"}),
    ("once", "{number:"),
    ("later", {}),
    ("weak", {}),
    ("broken", {}),
    ("alone", {}),
    ("nope", {}),
    ("ask_user", {"question": "which?"}),
]
REPLIES = st.one_of(
    st.lists(st.sampled_from(CALLS), min_size=1, max_size=5).map(
        lambda wanted: calls(*wanted, text="so far")
    ),
    st.sampled_from(
        [
            *(says("an answer"), says(" "), ModelUnavailable("503"), ContextOverflow("long")),
            Reply("cut", finish_reason="length"),
            Reply("", refusal="no"),
        ]
    ),
)
LIMITS = st.sampled_from(
    [
        *(
            Limits(),
            Limits(),
            Limits(steps=2, last_word=True),
            Limits(tool_calls=3),
            Limits(tokens=2000),
        ),
        *(Limits(seconds=4.0), Limits(repeats=1), Limits(model_tries=2)),
    ]
)


@dataclass(frozen=True)
class Plot:
    """All that a random thread depends on."""

    script: tuple[Reply | TreadleError, ...]
    limits: Limits
    waits_s: tuple[float, ...]
    """How long each tool and reply takes, in turn: parallel calls end in any order."""
    meddle_s: tuple[float, ...]
    """When people look in while a turn is under way."""
    unknown: Any = "ask"
    plan: bool = False


PLOTS = st.builds(
    Plot,
    st.lists(REPLIES, min_size=1, max_size=5).map(tuple),
    LIMITS,
    st.lists(st.sampled_from([0.0, 0.01, 0.35, 2.0]), min_size=1, max_size=5).map(tuple),
    st.lists(st.sampled_from([0.0, 0.05, 0.3, 1.0]), max_size=4).map(tuple),
    st.sampled_from(["ask", "tell"]),
    st.booleans(),
)


class Prompted(ScriptedModel):
    """Gives the script's answer by the number of answers in the prompt, so that any process can go on with it."""

    def __init__(self, plot: Plot, pause: Callable[[], float]) -> None:
        super().__init__([], context_tokens=3000, max_output_tokens=500)
        self._plot = plot
        self._pause = pause
        self._asked: Counter[int] = Counter()

    async def reply(self, request: Request, emit: Callable[[str], None]) -> Reply:
        await asyncio.sleep(self._pause())
        place = sum(message.role == "assistant" for message in request.messages)
        answer = self._plot.script[place] if place < len(self._plot.script) else says("the end")
        self._asked[place] += 1
        if isinstance(answer, Reply):
            return Reply(
                (Text(answer.text), *answer.calls),
                Usage(request.tokens, 7),
                answer.finish_reason,
                answer.refusal,
            )
        if self._asked[place] > 2:
            return says("back again")
        raise answer


class Kept(MemoryStore):
    """Remembers where each append ended: a crash can only be between two."""

    def __init__(self) -> None:
        super().__init__()
        self.ends: list[int] = []

    async def append(self, thread_id: str, rows: Sequence[Row]) -> None:
        await super().append(thread_id, rows)
        self.ends.append(rows[-1].seq)


class Ordered(Kept):
    """Remembers every append, of whichever thread: a crash can only be between two."""

    def __init__(self, appends: Sequence[tuple[str, Sequence[Row]]] = ()) -> None:
        super().__init__()
        self.appends: list[tuple[str, Sequence[Row]]] = []
        self._before = list(appends)

    async def append(self, thread_id: str, rows: Sequence[Row]) -> None:
        await super().append(thread_id, rows)
        self.appends.append((thread_id, rows))

    async def lived(self) -> "Ordered":
        for thread_id, rows in self._before:
            await self.append(thread_id, rows)
        return self

    async def logs(self) -> list[list[Record]]:
        return [
            (await open_log(info.thread_id, self, World())).records for info in await self.threads()
        ]


@dataclass
class Stage:
    """One process's life with a thread: an agent, and what its tools did."""

    plot: Plot
    store: Kept = field(default_factory=Kept)
    effects: list[str] = field(default_factory=list)
    """The idempotency key of each run of a tool that isn't idempotent."""

    def agent(self, **settings: Any) -> Agent:
        pauses = itertools.cycle(self.plot.waits_s)

        async def effect(context: Context) -> str:
            self.effects.append(context.idempotency_key)
            await asyncio.sleep(next(pauses))
            return "done"

        @tool(parallel=True)
        async def once(number: int, context: Context) -> str:
            return await effect(context)

        @tool(needs_approval=True)
        async def guarded(number: int, context: Context) -> str:
            return await effect(context)

        @tool
        async def alone(context: Context) -> str:
            return await effect(context)

        @tool(idempotent=True)
        async def sure(number: int) -> str:
            await asyncio.sleep(next(pauses))
            return f"sure of {number}"

        @tool(parallel=True)
        async def later(context: Context) -> str:
            if context.attempt == 1:
                raise ToolRetry("busy", retry_after_s=0.4)
            return await effect(context)

        @tool(idempotent=True, retries=1)
        async def weak() -> str:
            raise ConnectionError("refused")

        @tool
        async def broken(context: Context) -> str:
            await effect(context)
            raise ValueError("it broke")

        own: dict[str, Any] = {
            "tools": [once, guarded, alone, sure, later, weak, broken, ask_user],
            "model": Prompted(self.plot, lambda: next(pauses)),
            "limits": self.plot.limits,
            "unknown": self.plot.unknown,
            "plan": self.plot.plan,
            "store": self.store,
            "world": World(
                now=lambda: asyncio.get_running_loop().time(),
                monotonic=lambda: asyncio.get_running_loop().time(),
            ),
        }
        return Agent(SYSTEM, **(own | settings))

    async def records(self, thread: str = "t") -> list[Record]:
        return (await open_log(thread, self.store, World())).records


async def revived(plot: Plot, records: Sequence[Record], ends: Sequence[int]) -> Stage:
    """The process that finds these records, of appends with those ends, as a crash left them."""
    store = Kept()
    await store.append("t", to_rows(records))
    store.ends = [end for end in ends if end <= len(records)]
    return Stage(plot, store)


def job(agent: Agent, **changes: Any) -> RunSettings:
    """The agent's settings, worked out, as a replay takes them."""
    tools = {made.name: made for made in agent.tools}  # type: ignore[union-attr]
    setup = Policy(tools, agent.limits, tuple(agent.rules), agent.plan, None, agent.unknown)
    return RunSettings(setup, agent.model, agent.instructions, **changes)  # type: ignore[arg-type]


async def decided(agent: Agent, call: Any, thread: str = "t", outcome: Any = "not_run") -> None:
    """Do what a person must, about one call that waits."""
    match call.status:
        case "waiting" if call.final_arguments.endswith("0}"):
            await agent.post(thread, ApprovalGiven(call.id, False, "ann", "not that one"))
        case "waiting":
            await agent.post(thread, ApprovalGiven(call.id, True, "ann", arguments='{"number": 7}'))
        case "question":
            await agent.post(thread, UserSaid("that one", answers=call.id))
        case "parked":
            await agent.post(thread, ApprovalGiven("", True, "ann"))
        case "unknown":
            content = "it did" if outcome == "ran" else ""
            await agent.post(thread, OutcomeDecided(call.id, outcome, "ann", content))


async def finished(agent: Agent, done: Result, outcome: Any = "not_run") -> Result:
    """Bring the turn to its end, deciding whatever it waits for."""
    for _ in range(20):
        if done.status not in ("waiting", "unfinished"):
            return done
        for call in done.waiting:
            with contextlib.suppress(IllegalEvent):  # somebody else was first
                await decided(agent, call, call.thread_id, outcome)
        done = await settled(agent.resume(done.thread_id), agent, done.thread_id)
    raise AssertionError(f"it waits for ever: {done.waiting}")


async def settled(work: Any, agent: Agent, thread: str = "t") -> Result:
    """The result, also of a turn that failed, or that another process has taken."""
    try:
        done: Result = await work
    except TreadleError:
        log = await open_log(thread, agent.store, World())  # type: ignore[arg-type]
        done = read_result(log.records, log.state)
    return done


async def meddled(agent: Agent, moments_s: Sequence[float], thread: str = "t") -> None:
    """Look in at these moments, and decide whatever waits while other calls run."""
    for moment_s in moments_s:
        await asyncio.sleep(moment_s)
        log = await open_log(thread, agent.store, World())  # type: ignore[arg-type]
        turn = log.state.turn
        for call in turn.calls.values() if turn and not turn.ended else ():
            if call.status in ("waiting", "question"):
                await decided(agent, call, thread)


def add_up(logs: Sequence[Sequence[Record]]) -> None:
    """Every thread's turn is over, and knows what was used by it and by all below.

    What a lost call below has used may be learned when the threads above have been told already.
    """
    states = {records[0].thread_id: fold(records) for records in logs}
    assert {thread: state.phase for thread, state in states.items()} == dict.fromkeys(
        states, "idle"
    )
    for thread, state in states.items():
        used = in_time = Usage()
        for records in logs:
            name = records[0].thread_id
            if name != thread and not name.startswith(f"{thread}."):
                continue
            for event in (record.event for record in records):
                if not isinstance(event, ModelReplied | ModelFailed):
                    continue
                used += event.usage
                if name == thread or getattr(event, "kind", "") != "late":
                    in_time += event.usage
        assert state.turn
        assert (thread, state.turn.usage) in ((thread, used), (thread, in_time))
