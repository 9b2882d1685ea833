"""What a caller gives to one run or resume, beside what is said. It isn't a part of the agent."""

from dataclasses import dataclass
from typing import Any, Literal, TypedDict

from ..core.check_settings import check_choice, refuse_unknown
from ..core.model_settings import ModelSettings, check_model_settings

WhenBusy = Literal["refuse", "talk", "steer", "queue"]
"""`talk`: as `steer` where the turn waits for people, else as `refuse`."""


class Options(TypedDict, total=False):
    """What `run`, `start` and `stream` of an agent take besides the message and the deps."""

    thread: str | None
    """Its name. None: a new thread, or the key's."""
    key: str | None
    """Names the message: with it again, that turn is brought to its end, and its result given."""
    settings: ModelSettings | None
    """They win over the agent's."""
    within: float | None
    """In a flow's code: after so many seconds, `run` raises StepTimedOut."""
    when_busy: Literal["steer", "queue"]
    """What becomes of a message whose thread has an open turn. Without it they raise TurnOpen,
    unless the turn waits for people: these may always say more. `steer`: the message is said into
    the open turn, whose result is given. `queue`: it waits for the end of that turn, and opens the
    next."""


@dataclass(frozen=True)
class Given:
    """What one run was given."""

    deps: Any = None
    """What tools get as `Context.deps`. Never in the log."""
    settings: ModelSettings | None = None
    when_busy: WhenBusy = "talk"
    """What becomes of what is said while a turn is open."""

    def __post_init__(self) -> None:
        if self.settings is not None:
            check_model_settings("run(settings=)", self.settings)


def read_options(options: Options, deps: Any) -> Given:
    """What `run` was given besides its thread and key. Raises TypeError for an unknown option."""
    refuse_unknown("run()", options, Options)
    found = options.get("when_busy")
    if found is not None:
        check_choice("run(when_busy", found, "steer", "queue")
    return Given(deps, options.get("settings"), found or "talk")
