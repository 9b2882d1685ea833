"""A job of many payments at a service, by processes that are killed, with a `verify` that asks the service."""

import asyncio
import json
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from fakes import Door, world
from treadle import (
    Agent,
    CannotTell,
    Context,
    DidNotRun,
    Limits,
    MemoryStore,
    Ran,
    ScriptedModel,
    flow,
    step,
    tool,
)
from treadle.core import events as e
from treadle.core.model import Reply, Request
from treadle.models.scripted import calls, says
from treadle.stores.store import Row

LAG_S = 2.0
SETTLE_S = 5.0


class Machine:
    """Processes with one store: whoever looks sees which claims a living one drives."""

    def __init__(self) -> None:
        self.rows = MemoryStore()
        self.attended: dict[str, Process] = {}

    def is_attended(self, claim: str) -> bool:
        return claim in self.attended and not self.attended[claim].is_dead


class Process(Door):
    """One process's way to the store. It is killed at an append: before it is written, or after."""

    def __init__(self, machine: Machine, dies_at: int = 0, *, written: bool = False) -> None:
        super().__init__(machine.rows)
        self.machine = machine
        self.appends = 0
        self._dies_at = dies_at
        self._written = written

    async def append(self, thread_id: str, rows: Sequence[Row]) -> None:
        self.appends += 1
        if self.appends == self._dies_at and not self._written:
            self.kill()
        await super().append(thread_id, rows)
        if self.appends == self._dies_at:
            self.kill()

    @contextmanager
    def attend(self, claim: str) -> Iterator[None]:
        self.machine.attended[claim] = self
        try:
            yield
        finally:
            if not self.is_dead:
                self.machine.attended.pop(claim, None)

    def find_beat(self, claim: str) -> int | None:
        return 1 if self.machine.is_attended(claim) else None

    def is_gone(self, claim: str) -> bool:
        return not self.machine.is_attended(claim)


class Service:
    """Keeps a ledger of what was paid: `lag_s` after it was asked, once for each key if it honours those."""

    def __init__(
        self, lag_s: float = 0.0, *, honours_keys: bool = False, tells: bool = True
    ) -> None:
        self.ledger: list[tuple[int, str]] = []
        self.lag_s = lag_s
        self.honours_keys = honours_keys
        self.tells = tells
        """Whether it can be asked what was paid."""

    def ask(self, n: int, key: str) -> None:
        asyncio.get_running_loop().call_later(self.lag_s, self._apply, n, key)

    def _apply(self, n: int, key: str) -> None:
        if not (self.honours_keys and key in self.keys):
            self.ledger.append((n, key))

    @property
    def keys(self) -> list[str]:
        return [key for _, key in self.ledger]

    @property
    def doubles(self) -> list[int]:
        return [n for n, times in Counter(n for n, _ in self.ledger).items() if times > 1]

    def verify(self, n: int, context: Context) -> Ran | DidNotRun | CannotTell:
        if not self.tells:
            return CannotTell("the service keeps no list")
        if context.idempotency_key in self.keys:
            return Ran(f"paid {n}")
        return DidNotRun()


def make_pay(service: Service) -> Any:
    async def verify(n: int, context: Context) -> Any:
        return service.verify(n, context)

    @tool(verify=verify, settle_s=SETTLE_S, honours_key=service.honours_keys)
    async def pay(n: int, context: Context) -> str:
        service.ask(n, context.idempotency_key)
        return f"paid {n}"

    return pay


def make_agent(service: Service, store: Any, count: int) -> Agent:
    """One whose model asks for so many payments, one after the other."""

    def next_call(request: Request) -> Reply:
        done = sum(message.role == "tool" for message in request.messages)
        if done == count:
            return says("All paid.")
        return calls(("pay", {"n": done}))

    model = ScriptedModel([next_call] * (count + 1))
    limits = Limits(steps=None, tool_calls=None, tokens=None)
    return Agent(model=model, tools=[make_pay(service)], store=store, world=world(), limits=limits)


def make_flow(service: Service, store: Any, count: int) -> Any:
    """The same as a flow."""

    @flow(store=store, world=world())
    async def job() -> str:
        pay = make_pay(service)
        for n in range(count):
            await step(pay, n)
        return "All paid."

    return job


async def begin(runner: Any, process: Process) -> Any:
    """The first process's work; None where it was killed."""
    start = (
        runner.run("go", thread="t")
        if isinstance(runner, Agent)
        else runner.options(thread="t").run()
    )
    return await process.life(start)


async def go_on(runner: Any, service: Service) -> tuple[Any, int]:
    """The thread's result, and how often a person had to say what became of a call."""
    asked = 0
    result = await runner.resume("t")
    while result.waiting:
        await asyncio.sleep(60.0)
        for each in result.waiting:
            asked += 1
            n = json.loads(each.final_arguments)["n"]
            outcome = "ran" if any(n == paid for paid, _ in service.ledger) else "not_run"
            await runner.post("t", e.OutcomeDecided(each.id, outcome, "ann", '"paid"'))
        result = await runner.resume("t")
    return result, asked
