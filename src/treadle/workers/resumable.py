"""What a worker can resume."""

from collections.abc import Callable, Coroutine
from typing import Any, Protocol

from ..core.result import Result
from ..stores.open_store import GivenStore


class Resumable(Protocol):
    """An agent, a flow or a graph."""

    @property
    def name(self) -> str:
        """What its threads call it."""
        ...

    @property
    def store(self) -> GivenStore:
        """Where they are."""
        ...

    async def due(self) -> list[str]:
        """The threads that `resume` would bring forward now."""
        ...

    @property
    def resume(self) -> Callable[..., Coroutine[Any, Any, Result[Any]]]:
        """Bring the thread to its end: `resume(thread)`, of agents with `deps=`, too."""
        ...
