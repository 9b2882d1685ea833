"""What only an agent knows of its turns: its notes, its settings, the type of its answers."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from ..core import events as e
from ..core.errors import UsageError
from ..core.limits import Limits
from ..core.links import start_of_child
from ..core.model import Model
from ..core.model_settings import ModelSettings
from ..core.result import Result
from ..core.state import State
from ..core.waits import is_held
from ..stores.store import Store
from .account import find_user
from .agent_settings import reach_sources
from .answer_type import with_output
from .children import refuse_flow
from .conflicts import turn_open
from .drive import Work, new_claim
from .given import Given
from .log import Log
from .loop import run_loop
from .said import Said, take_message
from .serialize import to_json
from .settings import OfRun
from .unpriced import refuse_unpriced
from .waiting_children import read_tree_waits

if TYPE_CHECKING:
    from .agent import AnyAgent
    from .runs import Runs


@dataclass(frozen=True)
class AgentTurns:
    """See turns.py:Turns."""

    owner: "AnyAgent"
    kind = "agent"

    @property
    def store(self) -> Store:
        return self.owner._store

    async def open(self, log: Log, said: e.UserSaid) -> list[e.Event]:
        refuse_flow(log)
        self._refuse_nameless(said.by or log.paid_by.user)
        if log.state.phase not in ("empty", "idle"):
            raise turn_open(log)
        world, notes = self.owner.world, self.owner._notes
        if log.records:
            return [new_claim(world)]
        started = e.ThreadStarted(self.owner.name, world.new_id())
        opening: list[e.Event] = [started, new_claim(world)]
        if notes and (recalled := await notes.recall_event(said.text)):
            return [*opening, recalled]
        return opening

    def refuse_other(self, log: Log) -> None:
        refuse_flow(log)

    async def work(self, log: Log, given: Given, opening: Sequence[e.Event]) -> Work:
        await reach_sources(self.owner)
        said = [event for event in opening if isinstance(event, e.UserSaid)]
        is_resumed = not said
        settings = self.owner.run_settings
        if is_resumed or given.deps is not None or given.settings is not None:
            asked = given.settings or ModelSettings()
            run = OfRun(given.deps, asked, is_resumed and given.deps is None)
            settings = replace(settings, run=run)
        if is_resumed:
            settings.refuse_missing(log.state)
        settings.refuse_uncarried()
        if len(settings.models) < 2:
            refuse_unusable(settings.model)
        refuse_unpriced(settings, log.paid_by.accounts)
        self._refuse_nameless(said[0].by or log.paid_by.user if said else find_user(log))
        return partial(run_loop, log, settings)

    def _refuse_nameless(self, user: str) -> None:
        """Raise UsageError for no user, where each has a budget of their own."""
        for budget in self.owner.budgets:
            budget.of(self.owner.name, user)

    async def has_more(self, log: Log) -> bool:
        # Looked at once nobody drives it: whoever spoke before that found it driven, and left it.
        if start_of_child(log.records) or is_held(log.state):
            return False
        await log.refresh()
        if log.lost_reason or not log.state.is_open:
            return False
        return not await read_tree_waits(log, self.owner.run_settings.in_charge(log.state).policy)

    def read(self, result: Result, state: State) -> Result[Any]:
        agent = self.owner._team.get(state.agent, self.owner)
        return with_output(result, agent._answer_type)

    def task(self, said: Said) -> str:
        return to_json({"task": said})

    def take(self, said: Said) -> e.UserSaid:
        return take_message(said)

    def runs_with(self, settings: ModelSettings | None) -> "Runs[Any]":
        if not settings:
            return self.owner.runs
        return replace(self.owner, settings=settings.over(self.owner.settings)).runs

    def runs_below(self, parent: Log, limits: Limits) -> "Runs[Any]":
        return replace(self.owner, store=parent.store, world=parent.world, limits=limits).runs


def refuse_unusable(model: Model) -> None:
    """Raise UsageError, before anything is written, for a model that lacks its key or package."""
    if lacks := getattr(model, "lacks", ""):
        raise UsageError(
            f"{model.name} {lacks}. Or name another model; with OPENAI_API_KEY or ANTHROPIC_API_KEY"
            " set, OpenAI or Claude answers by itself"
        )
