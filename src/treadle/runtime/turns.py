"""What only an agent, or only a flow, knows of its turns: runs.py does all the rest for both."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

from ..core import events as e
from ..core.limits import Limits
from ..core.model_settings import ModelSettings
from ..core.result import Result
from ..core.state import State
from ..core.type_variables import Output
from ..stores.store import Store
from .drive import Work
from .given import Given
from .listeners import Listener
from .log import Log
from .said import Said
from .world import World

if TYPE_CHECKING:
    from .runs import Runs


class Owner(Protocol):
    """An Agent or a Flow, as far as their runs are alike."""

    @property
    def name(self) -> str: ...
    @property
    def limits(self) -> Limits: ...
    @property
    def listeners(self) -> Sequence[Listener]: ...
    @property
    def world(self) -> World: ...


class Turns(Protocol[Output]):
    """What only an agent, or only a flow, knows of its turns."""

    kind: str
    """`agent` or `flow`."""

    @property
    def owner(self) -> Owner:
        """The Agent or the Flow."""
        ...

    @property
    def store(self) -> Store:
        """Where its threads are."""
        ...

    async def open(self, log: Log, said: e.UserSaid) -> list[e.Event]:
        """What stands before the message that opens a turn. Raises TurnOpen where none may be."""
        ...

    def refuse_other(self, log: Log) -> None:
        """Raise UsageError for the thread of somebody else, as that of an agent is for a flow."""
        ...

    async def work(self, log: Log, given: Given, opening: Sequence[e.Event]) -> Work:
        """What drives the turn that these events open, or that is open. Raises UsageError."""
        ...

    async def has_more(self, log: Log) -> bool:
        """Whether something was said to a turn that waits, as its driver left it."""
        ...

    def read(self, result: Result, state: State) -> Result[Output]:
        """The result, with the answer as a value."""
        ...

    def task(self, said: Said) -> str:
        """What is said, as the arguments of a flow's step."""
        ...

    def take(self, said: Said) -> e.UserSaid:
        """What is said, as an event. Raises UsageError."""
        ...

    def runs_with(self, settings: ModelSettings | None) -> "Runs[Output]":
        """The runs of the same agent, which asks its model for this; a flow has nothing to ask."""
        ...

    def runs_below(self, parent: Log, limits: Limits) -> "Runs[Output]":
        """The runs of the same agent or flow, for the parent of this log, within these limits."""
        ...
