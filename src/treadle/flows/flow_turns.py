"""What only a flow knows of its turns: its code, its arguments as JSON, its value."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from ..core import events as e
from ..core.errors import UsageError
from ..core.limits import Limits
from ..core.model_settings import ModelSettings
from ..core.result import Result
from ..core.state import State
from ..runtime.arguments import read_by_annotations, write_arguments
from ..runtime.border import contain
from ..runtime.conflicts import flow_begun
from ..runtime.drive import Work, new_claim
from ..runtime.given import Given
from ..runtime.log import Log
from ..runtime.runs import Runs
from ..runtime.said import Said
from ..runtime.serialize import read_value, return_type, write_value
from ..stores.store import Store
from .flow_run import FlowRun

if TYPE_CHECKING:
    from .flow import Flow


@dataclass(frozen=True)
class FlowTurns:
    """See runtime/turns.py:Turns. What is said to a flow are its arguments, as JSON."""

    owner: "Flow[Any, Any]"
    kind = "flow"

    @property
    def store(self) -> Store:
        return self.owner._store

    async def open(self, log: Log, said: e.UserSaid) -> list[e.Event]:
        if log.records:
            raise flow_begun(log)
        world = self.owner.world
        return [e.ThreadStarted(self.owner.name, world.new_id(), flow=True), new_claim(world)]

    def refuse_other(self, log: Log) -> None:
        if log.state.agent != self.owner.name:
            raise UsageError(
                f"thread {log.thread_id} is one of {log.state.agent!r},"
                f" not of the flow {self.owner.name!r}"
            )

    async def work(self, log: Log, given: Given, opening: Sequence[e.Event]) -> Work:
        async def run() -> BaseException | None:
            flow_run = FlowRun(log, self.owner.run_settings)
            code: Any = self.code(log)
            code.__qualname__ = self.owner.name  # so that warnings name it
            await flow_run.run(code)
            return flow_run.error

        return run

    async def code(self, log: Log) -> str:
        """Run the flow's function with the recorded arguments; its value as JSON."""
        assert log.state.turn
        said = log.records[log.state.turn.opened_seq - 1].event
        assert isinstance(said, e.UserSaid)
        function = self.owner.function
        value = await contain(
            function(**self._decode_arguments(said.text)), f"the flow {self.owner.name}"
        )
        return write_value(value, return_type(function))

    async def has_more(self, log: Log) -> bool:
        return False

    def read(self, result: Result[Any], state: State) -> Result[Any]:
        value = state.turn and state.turn.ended and state.turn.ended.value
        if not value:
            return result
        return replace(result, outputs=(read_value(value, return_type(self.owner.function)),))

    def task(self, said: Said) -> str:
        return str(said)

    def take(self, said: Said) -> e.UserSaid:
        return e.UserSaid(str(said), by=self.owner.by)

    def runs_with(self, settings: ModelSettings | None) -> Runs[Any]:
        return self.owner.runs

    def runs_below(self, parent: Log, limits: Limits) -> Runs[Any]:
        return replace(self.owner, store=parent.store, world=parent.world, limits=limits).runs

    def encode_arguments(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> str:
        """The arguments as JSON. Raises UsageError for what can't be kept, before anything runs."""
        function = self.owner.function
        return_type(function)
        said = write_arguments(function, args, kwargs, marks=True).text
        self._decode_arguments(said)
        return said

    def _decode_arguments(self, text: str) -> dict[str, Any]:
        """The arguments with the types of the function's annotations.

        They are read from the log in every run, so that every run gets the same.
        """
        try:
            return read_by_annotations(self.owner.function, text)
        except UsageError as error:
            raise UsageError(f"the flow {self.owner.name}: {error}") from None
