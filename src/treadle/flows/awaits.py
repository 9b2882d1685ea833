"""Names what a flow's code awaits that is no step, for the error that says what to use instead.

Only steps come back after a crash. A timer of asyncio, a thread or a lock that another task holds
is awaited anew in each run, and no result in the log can end it.
"""

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..core.errors import FlowChanged, FlowStuck
from ..runtime.flow_tasks import TaskCode, codes_of
from ..runtime.step_ids import StepRunner, scope_of
from .step_results import History

_STEPS = Path(__file__).with_name("flow_run.py")
_ASYNCIO = Path(asyncio.__file__).parent
_BETWEEN_TASKS = ("tasks.py", "taskgroups.py", "timeouts.py", "runners.py")
"""Modules of asyncio whose coroutines wait for other tasks, which are looked at themselves."""
_BETWEEN_OR_OUTSIDE = ("locks.py", "queues.py")
"""Modules whose coroutines wait for another task, of this flow or of somebody else."""
_TIMERS = {
    "_on_timeout": "asyncio.timeout or asyncio.wait_for",
    "_release_waiter": "asyncio.wait_for, or asyncio.wait with a timeout",
    "_set_result_unless_cancelled": "asyncio.sleep",
}
"""By the name of what asyncio's event loop calls when a timer is up, who sets such a timer."""


MANY_TIMERS = 200
"""Timers of an event loop above which they aren't looked through at each step."""


@dataclass(frozen=True)
class Awaited:
    """What one task of the flow's code awaits, if that may be no step."""

    what: str
    sure: bool
    """No step and no task of this flow can end it."""


def find_strays(tasks: Iterable["asyncio.Task[Any]"]) -> list[Awaited]:
    """What these tasks of a flow's code await, except for steps and one another."""
    known = set(tasks)
    found = [_awaited(code, known) for code in codes_of(known)]
    return [each for each in found if each]


def refuse_timers(caller: StepRunner, *, stops: bool) -> None:
    """Raise FlowStuck where the flow's code has set timers of asyncio around its steps.

    Where the event loop has many timers, they are looked through only when the flow `stops` to
    wait for people: at each step, that would take too long.
    """
    scheduled = getattr(asyncio.get_running_loop(), "_scheduled", ())
    if (stops or len(scheduled) <= MANY_TIMERS) and (timers := find_timers(caller)):
        raise stuck(timers)


def find_timers(caller: StepRunner) -> list[Awaited]:
    """The timers of asyncio that this flow's code has set, as around the wait for a step.

    Each begins anew when the code runs again, and is lost when the flow stops. None is seen where
    an event loop doesn't show its timers, as uvloop.
    """
    scheduled = getattr(asyncio.get_running_loop(), "_scheduled", ())
    found: list[Awaited] = []
    for handle in [*scheduled]:
        scope = None if handle.cancelled() else scope_of(handle._context)
        if scope is None or scope.caller is not caller:
            continue
        name = _TIMERS.get(getattr(handle._callback, "__name__", ""))
        if name:
            found.append(Awaited(name, sure=True))
    return found


def refuse_to_stop(caller: StepRunner, tasks: Iterable["asyncio.Task[Any]"], asked: bool) -> None:
    """Raise FlowStuck where the code awaits what would be lost if the flow stopped now.

    `asked`: it awaits steps.
    """
    strays = find_strays(tasks)
    if not asked or any(stray.sure for stray in strays):
        raise stuck(strays)
    refuse_timers(caller, stops=True)


def why_missing(history: History, strays: Sequence[Awaited], asked: bool) -> FlowChanged:
    """The error for code at rest that hasn't asked for the step that comes next in the log."""
    if any(stray.sure for stray in strays) or (strays and not asked):
        return stuck(strays)
    return history.changed([stray.what for stray in strays])


def stuck(strays: Iterable[Awaited]) -> FlowStuck:
    """The error for code that awaits this, with nothing left that could end it."""
    what = ", and ".join(sorted({each.what for each in strays})) or "what nothing can bring"
    return FlowStuck(
        f"the flow's code awaits {what}. That is no step: it would be lost whenever the flow stops,"
        " so it isn't waited for. Use treadle.sleep or until for time, within= for a limit of time,"
        " treadle.wait_for or ask for what comes from elsewhere, and put other work into a step:"
        " await step(function). The thread stays as it is; go on with the mended code"
    )


def _awaited(code: TaskCode, tasks: set["asyncio.Task[Any]"]) -> Awaited | None:
    chain = _chain(code.code)
    inner = chain[-1]
    path = Path(inner.cr_code.co_filename)
    if not code.waits:
        return Awaited(f"nothing, and yields for ever{_place(chain)}", sure=True)
    if path == _STEPS:
        return None
    if path.parent == _ASYNCIO and inner.__qualname__ != "sleep" and path.name in _BETWEEN_TASKS:
        return None
    if isinstance(code.awaits, asyncio.Task):
        if code.awaits in tasks:
            return None
        return Awaited(f"the task {code.awaits.get_name()}{_place(chain)}", sure=False)
    if type(code.awaits).__name__ == "_GatheringFuture":
        return None
    if path.parent == _ASYNCIO:
        sure = path.name not in _BETWEEN_OR_OUTSIDE
        return Awaited(f"asyncio.{inner.__qualname__}{_place(chain)}", sure)
    return Awaited(f"a {type(code.awaits).__name__}{_place(chain)}", sure=False)


def _chain(code: Any) -> list[Any]:
    """The coroutines of a task, each awaiting the next one."""
    chain = [code]
    while hasattr(getattr(chain[-1], "cr_await", None), "cr_code"):
        chain.append(chain[-1].cr_await)
    return chain


def _place(chain: list[Any]) -> str:
    """The line of the flow's own code, in brackets; "" if there is none."""
    own = [each for each in chain if Path(each.cr_code.co_filename).parent != _ASYNCIO]
    if not own or own[-1].cr_frame is None:
        return ""
    return f" ({Path(own[-1].cr_code.co_filename).name}, line {own[-1].cr_frame.f_lineno})"
