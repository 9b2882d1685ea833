"""A thread that kills each process which takes it is parked after eight, and a person lets it go on."""

import asyncio
from typing import Any

import pytest

from fakes import Door, agent, live, names, run_in
from treadle import Agent, ApprovalGiven, Flow, MemoryStore, Result, ScriptedModel, flow, step, tool
from treadle.core import events as e
from treadle.core.errors import FlowChanged, IllegalEvent
from treadle.core.state import MAX_CLAIMS
from treadle.models.scripted import calls, says
from treadle.observe.explain import explain
from treadle.observe.spans import build_spans
from treadle.observe.timeline import Timeline
from treadle.runtime.log import open_log
from treadle.runtime.world import World
from treadle.tools.ask import ask_user


class Poison:
    """A thread whose work kills its process, as often as it is told."""

    def __init__(self, kind: str, deaths: int = 10**6) -> None:
        self.kind = kind
        self.deaths = deaths
        self.store = MemoryStore()
        self.tries = 0

    def process(self) -> tuple[Any, Door]:
        """What a new process makes: an agent, a flow or a graph, and its store."""
        door = Door(self.store)

        def boom() -> str:
            self.tries += 1
            if self.tries <= self.deaths:
                door.kill()
            return "no boom"

        return getattr(self, self.kind.replace(" ", "_"))(boom, door), door

    def tool(self, boom: Any, door: Door) -> Agent:
        @tool(idempotent=True)
        async def bomb() -> str:
            return str(boom())

        return agent(Told("bomb"), bomb, store=door)

    def model(self, boom: Any, door: Door) -> Agent:
        class Deadly(Told):
            async def reply(self, request: Any, emit: Any) -> Any:
                boom()
                return says("done")

        return agent(Deadly(), store=door)

    def rule_of_approval(self, boom: Any, door: Door) -> Agent:
        @tool(needs_approval=lambda arguments: bool(boom() == ""))
        def look() -> str:
            return "seen"

        return agent(Told("look"), look, store=door)

    def child(self, boom: Any, door: Door) -> Agent:
        kid = self.tool(boom, door)
        return agent(Told(("kid", {"task": "x"})), kid.as_tool("kid"), store=door)

    def beside_a_child_that_waits(self, boom: Any, door: Door) -> Agent:
        @tool(idempotent=True)
        async def bomb() -> str:
            await asyncio.sleep(1)
            return str(boom())

        kid = agent(Told(("ask_user", {"question": "Which?"})), ask_user)
        asked = Told(("kid", {"task": "x"}), "bomb")
        return agent(asked, kid.as_tool("kid"), bomb, store=door)

    def code_of_a_flow(self, boom: Any, door: Door) -> Flow:
        @flow(store=door)
        async def play() -> str:
            return str(boom())

        return play

    def code_after_a_step(self, boom: Any, door: Door) -> Flow:
        @flow(store=door)
        async def play() -> str:
            await step.options(id="one")(lambda: 1)
            return str(boom())

        return play

    def step_of_a_flow(self, boom: Any, door: Door) -> Flow:
        @flow(store=door)
        async def play() -> str:
            await step.options(id="one")(lambda: 1)
            return str(await step.options(id="two", idempotent=True)(boom))

        return play

    async def life(self) -> Result | None:
        """One process's life with the thread: its result, or None if it is killed."""
        made, door = self.process()
        known = await self.store.read("t")
        said = ["go"] if isinstance(made, Agent) else []
        work = made.resume("t") if known else run_in("t", made, *said)
        return await door.life(work)  # type: ignore[no-any-return]

    async def records(self, thread: str = "t") -> list[e.Record]:
        return (await open_log(thread, self.store, World())).records


class Told(ScriptedModel):
    """Asks for these calls, then answers, whichever process asks."""

    def __init__(self, *asked: Any) -> None:
        super().__init__([])
        self._asked = asked

    async def reply(self, request: Any, emit: Any) -> Any:
        if self._asked and not any(message.role == "assistant" for message in request.messages):
            return calls(*self._asked)
        return says("done")


KINDS = [
    *("tool", "model", "rule of approval", "child", "beside a child that waits"),
    *("code of a flow", "code after a step", "step of a flow"),
]


@pytest.mark.parametrize("kind", KINDS)
def test_what_kills_every_process_is_parked_shown_and_let_go_on(kind):
    async def whole() -> None:
        poison = Poison(kind)
        result = None
        for _ in range(30):
            result = await poison.life()
            if result:
                break
        assert result, f"it killed 30 processes, the log has {names(await poison.records())}"
        assert poison.tries <= MAX_CLAIMS + 2
        parked = [call for call in result.waiting if call.status == "parked"]
        assert (result.status, len(parked)) == ("waiting", 1)
        assert "parked" in result.reason
        assert "8 processes in a row" in parked[0].reason
        await told_everywhere(poison, parked[0].thread_id)
        before = await poison.records()
        again = await poison.life()
        assert again
        assert again.waiting == result.waiting
        assert await poison.records() == before

        poison.deaths = 0  # whatever it was has been mended
        made, _ = poison.process()
        await made.post(parked[0].thread_id, ApprovalGiven("", True, "ann", "mended"))
        result = await poison.life()
        assert result
        if kind == "beside a child that waits":
            assert [call.status for call in result.waiting] == ["question"]
            return
        assert result.status == "answered"
        await told_everywhere(poison, "")
        assert await made.replay("t") is None

    live(whole())


async def told_everywhere(poison: Poison, parked: str) -> None:
    """Explain, traces and the timeline read the log, and name the thread that is parked."""
    made, _ = poison.process()
    records = await poison.records()
    children = {
        info.thread_id: await poison.records(info.thread_id)
        for info in await poison.store.threads()
    }
    told = explain(records, made.run_settings, children)
    if parked:
        assert f"let thread {parked} go on, or cancel it" in " ".join(told.waits_for)
        assert told.next.startswith("nothing, until")
    for each in children.values():
        timeline = Timeline()
        assert all(str(timeline.line(record)) for record in each)
        assert build_spans(each)


@pytest.mark.parametrize("kind", KINDS)
def test_a_person_lets_it_go_on_as_often_as_they_like(kind):
    async def whole() -> None:
        poison = Poison(kind, deaths=2 * MAX_CLAIMS + 4)
        for _ in range(40):
            result = await poison.life()
            parked = [call for call in result.waiting if call.status == "parked"] if result else []
            if result and not parked:
                break
            for call in parked:
                made, _ = poison.process()
                await made.post(call.thread_id, ApprovalGiven("", True, "ann"))
        assert result
        assert result.status in ("answered", "waiting", "limit")
        assert poison.tries > poison.deaths

    live(whole())


def test_progress_begins_the_count_anew():
    async def whole() -> None:
        poison = Poison("tool", deaths=MAX_CLAIMS - 1)
        while not (result := await poison.life()):
            pass
        assert (result.status, poison.tries) == ("answered", MAX_CLAIMS)

    live(whole())


def test_what_is_not_parked_has_nothing_to_let_go_on_and_parking_is_not_refused_but_cancelled():
    async def whole() -> None:
        poison = Poison("tool")
        await poison.life()
        made, _ = poison.process()
        with pytest.raises(IllegalEvent, match="the thread isn't parked"):
            await made.post("t", ApprovalGiven("", True, "ann"))
        while not await poison.life():
            pass
        with pytest.raises(IllegalEvent, match="until it is let go on or cancelled"):
            await made.post("t", ApprovalGiven("", False, "ann"))
        await made.post("t", e.TurnEnded("cancelled", "enough"))
        result = await poison.life()
        assert result
        assert result.status == "cancelled"
        with pytest.raises(IllegalEvent, match="nothing waits"):
            await made.post("t", ApprovalGiven("", True, "ann"))

    live(whole())


def test_code_that_does_not_fit_the_log_stops_cleanly_and_parks_nothing():
    async def whole() -> None:
        poison = Poison("code after a step")
        await poison.life()
        before = await poison.records()

        @flow(name="play", store=poison.store)
        async def changed() -> str:
            return str(await step.options(id="other")(lambda: 1))

        for _ in range(MAX_CLAIMS + 2):
            with pytest.raises(FlowChanged):
                await changed.resume("t")
        assert await poison.records() == before

    live(whole())
