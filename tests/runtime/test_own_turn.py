"""Whoever has run a turn gets what came of that one, whatever others do in its thread meanwhile."""

from collections.abc import Awaitable, Callable, Sequence

from fakes import agent, live
from treadle import ApprovalGiven, MemoryStore, ScriptedModel, tool
from treadle.models.scripted import calls, says
from treadle.stores.store import Row

Act = Callable[[], Awaitable[object]]


class Meanwhile(MemoryStore):
    """From the moment when its turn waits, others do one of these acts before each time it reads."""

    def __init__(self) -> None:
        super().__init__()
        self.acts: list[Act] = []
        self.waits = False

    async def append(self, thread_id: str, rows: Sequence[Row]) -> None:
        await super().append(thread_id, rows)
        self.waits = self.waits or any(b"ApprovalAsked" in row.event for row in rows)

    async def read(self, thread_id: str, after_seq: int = 0) -> list[Row]:
        if self.waits and self.acts:
            self.waits = False  # others read, too
            await self.acts.pop(0)()
            self.waits = True
        return await super().read(thread_id, after_seq)


def test_the_answer_is_that_of_ones_own_turn_though_another_has_begun():
    @tool(needs_approval=True)
    async def wire() -> str:
        return "wired"

    async def whole() -> None:
        store = Meanwhile()
        mine = agent(ScriptedModel([calls("wire")]), wire, store=store)
        theirs = agent(ScriptedModel([says("it is wired"), says("good day")]), wire, store=store)

        async def approve() -> None:
            [call] = (await theirs.summary("t")).waiting
            await theirs.post("t", ApprovalGiven(call.id, True, "ann"))

        async def go_on() -> None:
            await theirs.resume("t")
            await theirs.run("hello", thread="t")

        store.acts = [approve, go_on]
        assert (await mine.run("wire it", thread="t")).answer == "it is wired"
        assert store.acts == []

    live(whole())
