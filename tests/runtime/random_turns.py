"""Agents that do at random what agents can do, with a person beside them who does what people can.

All follows from one seed: the same seed gives the same threads.
"""

import asyncio
import contextlib
import random
from collections import Counter
from collections.abc import Callable
from typing import Any

from fakes import world
from treadle import (
    Agent,
    Ask,
    Change,
    Context,
    Deny,
    Limits,
    MemoryStore,
    ModelUnavailable,
    Pending,
    Question,
    Rule,
    TreadleError,
    Usage,
    UserSaid,
    tool,
)
from treadle.core import events as e
from treadle.core.model import Reply, Request
from treadle.models.request_rules import find_faults
from treadle.models.scripted import calls
from treadle.runtime.fork import fork

EXPECTED = (TreadleError, ModelUnavailable)
"""What comes of it where somebody else was first, a model is down, or a turn has failed."""


class RandomTurns:
    """A few turns of one agent in the thread "t"; `agents` are by the names that threads have."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self.store = MemoryStore()
        self.world = world(chance=0.3)
        self.places = dict(store=self.store, world=self.world)
        self.effects: Counter[tuple[str, str]] = Counter()
        """By thread and call, how often a payment was made."""
        self.tools = self._make_tools()
        self.agents = self._make_agents()

    async def run(self) -> None:
        """All turns, each with a person at work beside it, and brought to its end."""
        for number in range(self.chance.randrange(1, 4)):
            person = asyncio.create_task(self._meddle())
            turn = asyncio.create_task(
                self.agent.run(f"message {number}", thread="t", when_busy="steer")
            )
            if self._happens(0.3):
                await self._sleep(6)
                turn.cancel()
            with contextlib.suppress(asyncio.CancelledError, *EXPECTED):
                await turn
            await person
            await self._bring_to_an_end()
        if self._happens(0.5):
            records = len(await self.store.read("t"))
            at = self.chance.randrange(1, records + 1)
            forked = await fork(self.store, "t", at=at, world=self.world)
            with contextlib.suppress(*EXPECTED):
                await self.agent.resume(forked.thread_id)
        await asyncio.sleep(60)  # a tool whose thread was taken comes to its own end

    @property
    def agent(self) -> Agent:
        return self.agents["agent"]

    def _happens(self, odds: float) -> bool:
        return self.chance.random() < odds

    async def _sleep(self, most_s: float) -> None:
        await asyncio.sleep(self.chance.uniform(0, most_s))

    async def _bring_to_an_end(self) -> None:
        for _ in range(6):
            try:
                result = await self.agent.resume("t")
            except EXPECTED:
                return
            for waiting in result.waiting:
                with contextlib.suppress(*EXPECTED):
                    await self._decide(waiting.thread_id, waiting.id, waiting.status)

    async def _meddle(self) -> None:
        """What a person does while a turn is under way."""
        acts: list[Callable[[], Any]] = [
            lambda: self.agent.steer("t", "and this", key=self.chance.choice((None, "once"))),
            lambda: self.agent.raise_limit("t", "ann", steps=2, tokens=1000, seconds=5),
            lambda: self.agent.post("t", e.TurnEnded("cancelled", "by ann")),
            lambda: self.agent.settle({"job": self.chance.randrange(4)}, "settled"),
            lambda: self.agent.resume("t", take=True),
            *[self._decide_all] * 4,
        ]
        for _ in range(self.chance.randrange(6)):
            await self._sleep(4)
            with contextlib.suppress(*EXPECTED):
                await self.chance.choice(acts)()

    async def _decide_all(self) -> None:
        for each in (await self.agent.summary("t")).waiting:
            await self._decide(each.thread_id, each.id, each.status)

    async def _decide(self, thread: str, call_id: str, status: str) -> None:
        if status == "waiting":
            arguments = self.chance.choice((None, '{"n": 5}'))
            allowed = self._happens(0.7)
            given = e.ApprovalGiven(
                call_id, allowed, "ann", arguments=arguments if allowed else None
            )
            await self.agent.post(thread, given)
        elif status == "question":
            await self.agent.post(thread, UserSaid("yes", answers=call_id))
        elif status == "unknown":
            outcome = self.chance.choice(("ran", "not_run", "tell"))
            await self.agent.post(thread, e.OutcomeDecided(call_id, outcome, "ann", content="x"))
        elif status == "pending":
            await self.agent.settle({"job": 0}, "settled", thread=thread)

    def _make_tools(self) -> list[Any]:
        @tool(background=True)
        async def dig(n: int) -> str:
            await self._sleep(6)
            if self._happens(0.2):
                raise ValueError("the ground is frozen")
            return f"dug {n}"

        @tool(idempotent=True, retries=2)
        async def look(n: int) -> str:
            await self._sleep(2)
            if self._happens(0.3):
                raise ConnectionError("no line")
            return f"seen {n}"

        @tool
        async def pay(n: int, ctx: Context) -> str:
            await self._sleep(2)
            self.effects[ctx.thread_id, ctx.call_id] += 1
            return f"paid {n} " * self.chance.choice((1, 1, 300))

        @tool(needs_approval=True)
        async def wire(n: int, ctx: Context) -> str:
            self.effects[ctx.thread_id, ctx.call_id] += 1
            return f"wired {n}"

        @tool(timeout_s=1, idempotent=True)
        async def wait(n: int) -> str:
            await self._sleep(3)
            return "waited"

        @tool
        async def ship(n: int, ctx: Context) -> str:
            await ctx.note({"job": n})
            raise Pending({"job": n}, due=self.chance.choice((None, 3, 20)))

        async def what_became(handle: Any, ctx: Context) -> str:
            await self._sleep(1)
            if self._happens(0.5):
                raise Pending(handle, due=2)
            return "built"

        @tool(poll=what_became)
        async def build(n: int) -> str:
            raise Pending({"job": n}, due=2)

        @tool
        async def ask(n: int, ctx: Context) -> str:
            if not ctx.answers:
                raise Question("really?")
            return ctx.answers[-1].text

        return [dig, look, pay, wire, wait, ship, build, ask]

    def _make_agents(self) -> dict[str, Agent]:
        settings: dict[str, Any] = {
            **self.places,
            "limits": Limits(
                steps=self.chance.choice((None, 2, 5, 20)),
                tool_calls=self.chance.choice((None, 4)),
                tokens=self.chance.choice((None, 3000)),
                seconds=self.chance.choice((None, 12)),
                last_word=self._happens(0.6),
            ),
        }
        pay, wire = self.tools[2:4]
        helper = Agent(
            name="helper", model=RandomModel(self), tools=[pay, wire], limits=Limits(steps=4)
        )
        other = Agent(
            name="other",
            model=RandomModel(self),
            tools=self.tools[:3],
            handoffs=["agent"],
            **settings,
        )
        agent = Agent(
            name="agent",
            model=RandomModel(self),
            tools=self.chance.sample([*self.tools, helper.as_tool()], self.chance.randrange(1, 8)),
            handoffs=[other] if self._happens(0.3) else [],
            parallel=self._happens(0.3),
            plan=self._happens(0.15),
            unknown=self.chance.choice(("ask", "tell")),
            check_input=self._judge if self._happens(0.2) else None,
            check_output=self._judge if self._happens(0.2) else None,
            rules=[
                *([Rule("pay", before=self._judge_call)] if self._happens(0.3) else []),
                *([Rule("look", after=self._judge)] if self._happens(0.3) else []),
            ],
            **settings,
        )
        return {"agent": agent, "helper": helper}

    def _judge(self, said: Any, context: Any) -> Any:
        return self.chance.choice((None, None, None, Deny("not that"), Change("something else")))

    def _judge_call(self, call: Any, context: Any) -> Any:
        said = (None, None, Deny("not that"), Ask("is that right?"), Change({"n": 7}))
        return self.chance.choice(said)


class RandomModel:
    """A model that calls what there is, answers, is down, and writes what is no answer."""

    name = "random"
    max_output_tokens = 400

    def __init__(self, turns: RandomTurns) -> None:
        self.chance = turns.chance
        self.context_tokens = self.chance.choice((3000, 100_000))

    def cost_usd(self, usage: Usage) -> float:
        return 0.001

    async def reply(self, request: Request, emit: Callable[[str], None]) -> Reply:
        if faults := find_faults(request, self.context_tokens):
            raise AssertionError(f"no provider takes this request: {faults}")
        await asyncio.sleep(self.chance.uniform(0, 1))
        emit("so far")
        drawn = self.chance.random()
        if drawn < 0.08:
            raise ModelUnavailable("down", retry_after_s=self.chance.uniform(0, 2))
        if drawn < 0.12:
            return Reply("", Usage(10, 1), "stop")
        if drawn < 0.16:
            return Reply("cut off", Usage(10, 400), "length")
        names = [each.name for each in request.tools]
        if request.tool_choice == "none" or not names or drawn < 0.45:
            text = f"answer {drawn} " * self.chance.choice((1, 1, 40))
            return Reply(text, Usage(50, 5), "stop")
        return calls(*(self._call(names) for _ in range(self.chance.choice((1, 1, 2, 3)))))

    def _call(self, names: list[str]) -> tuple[str, dict[str, Any]]:
        name = self.chance.choice([*names, "unheard_of"] if self.chance.random() < 0.05 else names)
        if name.startswith("hand_to"):
            return name, {}
        if name == "helper":
            return name, {"task": f"task {self.chance.randrange(9)}"}
        if self.chance.random() < 0.05:
            return name, {"wrong": "x"}
        return name, {"n": self.chance.randrange(4)}
