"""How a flow's code is stopped, how it has ended, and the events that say so. Writes nothing."""

import asyncio
from collections.abc import Iterator, Sequence
from typing import Any

from ..core import events as e
from ..core.errors import StepFailed
from ..core.limits import Limits, check_seconds
from ..models.known_secrets import redact_known
from ..runtime.bounded import warn_of_deaf

_CUT_OFF = ("timeout", "limit")
"""The kinds of failures of steps that may have come because the turn's own time was up."""


class FlowLimitReached(Exception):
    """Raised by a flow's code to end the turn at a limit, with its value so far as JSON."""

    def __init__(self, reached: e.LimitReached, value: str) -> None:
        super().__init__(reached.limit)
        self.reached = reached
        self.value = value


def end_events(
    value: str, error: BaseException | None, limits: Limits, spent_s: float
) -> tuple[e.Event, ...]:
    """The events for code that has returned this JSON, or raised this error, after so many seconds.

    Where the turn has no time left, it has cut off a step: that is no failure of the step's own.
    """
    if isinstance(error, FlowLimitReached):
        return (error.reached, e.TurnEnded("limit", error.reached.limit, error.value))
    if error is None:
        return (e.TurnEnded("answered", value=value),)
    whole = list(_whole(error))
    failed = [step for each in whole if (step := getattr(each, "step", ""))]
    steps = tuple(dict.fromkeys(failed))
    used_up = check_seconds(limits, spent_s)
    if used_up and any(isinstance(each, StepFailed) and each.kind in _CUT_OFF for each in whole):
        return (used_up, e.TurnEnded("limit", used_up.limit, failed_steps=steps))
    return (e.TurnEnded("failed", _describe(error), failed_steps=steps),)


def _whole(error: BaseException, seen: frozenset[int] = frozenset()) -> Iterator[BaseException]:
    """The error, its parts and its causes."""
    if id(error) in seen:
        return
    seen |= {id(error)}
    yield error
    parts = error.exceptions if isinstance(error, BaseExceptionGroup) else ()
    for other in (*parts, error.__cause__, error.__context__):
        if other is not None:
            yield from _whole(other, seen)


def _describe(error: BaseException) -> str:
    """What went wrong, and in which step or child thread."""
    place = type(error).__name__
    if isinstance(error, StepFailed) and error.step:
        place = f"step {error.step}"
    notes = "".join(f" ({note})" for note in getattr(error, "__notes__", ()))
    return redact_known(": ".join(filter(None, (place, str(error)))) + notes)


def error_of(main: "asyncio.Task[str]") -> BaseException | None:
    """What the code has raised, if anything."""
    if not main.done():
        return None
    if main.cancelled():
        return asyncio.CancelledError("the code cancelled itself")
    return main.exception()


STOP_S = 0.5
"""How long the code may take to stop after it was cancelled."""


async def stop_all(tasks: Sequence["asyncio.Task[Any]"]) -> None:
    """Cancel these tasks and wait until they have stopped, at most STOP_S seconds."""
    for task in tasks:
        task.cancel()  # which does nothing to one that is done
    await wait_for_end(tasks)


async def wait_for_end(tasks: Sequence["asyncio.Task[Any]"]) -> None:
    """Wait until these tasks have stopped, at most STOP_S seconds; warn of those that haven't."""
    left = {task for task in tasks if not task.done()}
    if left:
        _, left = await asyncio.wait(left, timeout=STOP_S)
    for task in left:
        warn_of_deaf(f"the flow's code {getattr(task.get_coro(), '__qualname__', '')}")
    # asyncio warns of an exception that nobody reads, also of a task that had failed before.
    for task in tasks:
        task.add_done_callback(lambda done: done.cancelled() or done.exception())
