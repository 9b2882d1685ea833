"""Models, stores and listeners of one's own fit the protocols."""

from collections.abc import Sequence

from treadle import Agent, Delta, MemoryStore, Record, ScriptedModel
from treadle.core.model import Model
from treadle.notes.embedder import Embedder
from treadle.stores.store import Erasable, Queued, Store, Timed


class Flat:
    name = "flat"
    dimensions = 1

    async def embed(self, texts: Sequence[str]) -> list[bytes]:
        return [b"\0\0\0\0" for _ in texts]


def listen(item: Record | Delta) -> None:
    print(item)


model: Model = ScriptedModel([])
store: Store = MemoryStore()
timed: Timed = MemoryStore()
erasable: Erasable = MemoryStore()
queued: Queued = MemoryStore()
embedder: Embedder = Flat()
agent = Agent("Talk.", model=[model, "gpt-5.4-mini"], store=store, listeners=[listen])
