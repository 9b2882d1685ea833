"""How a flow's code has ended, as its log has it. Pure."""

from ..core import events as e
from ..core.errors import StepFailed


class FlowLimitReached(Exception):
    """Raised by a flow's code: the turn ends at this limit, with what it has so far, as JSON."""

    def __init__(self, reached: e.LimitReached, value: str) -> None:
        super().__init__(reached.limit)
        self.reached = reached
        self.value = value


def end_events(value: str, error: BaseException | None) -> tuple[e.Event, ...]:
    """What is written of code that has returned this JSON, or raised."""
    if isinstance(error, FlowLimitReached):
        return (error.reached, e.TurnEnded("limit", error.reached.limit, error.value))
    if error:
        return (e.TurnEnded("failed", _told(error)),)
    return (e.TurnEnded("answered", value=value),)


def _told(error: BaseException) -> str:
    """What went wrong, and where: the step, or the thread below."""
    place = (
        f"step {error.step}"
        if isinstance(error, StepFailed) and error.step
        else type(error).__name__
    )
    notes = "".join(f" ({note})" for note in getattr(error, "__notes__", ()))
    return ": ".join(filter(None, (place, str(error)))) + notes
