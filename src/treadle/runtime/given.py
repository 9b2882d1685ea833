"""What a caller gives to one run or resume, beside what is said. It isn't a part of the agent."""

from dataclasses import dataclass
from typing import Any

from ..core.model_settings import ModelSettings, check_model_settings
from .when_busy import Options, WhenBusy, read_busy


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

    @property
    def asked(self) -> ModelSettings:
        """The settings that win over the agent's: none, if none are given."""
        return self.settings or ModelSettings()


def read_options(options: Options, deps: Any) -> Given:
    """What `run` was given besides its thread and key. Raises TypeError for an unknown option."""
    return Given(deps, options.get("settings"), read_busy(options))
