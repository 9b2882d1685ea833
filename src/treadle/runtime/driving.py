"""What driving a turn is wrapped in, whoever drives it: its opening, its listeners, an end that came from elsewhere."""

from collections.abc import Callable, Coroutine, Sequence
from dataclasses import replace
from typing import Any

from ..core import events as e
from ..core.context import ParentContext
from ..core.errors import Fenced
from ..core.limits import Limits, tightest_limit
from .listeners import BackgroundListener, Listener
from .log import Log
from .loop import append_opening

Work = Callable[[], Coroutine[Any, Any, None]]


async def open_and_drive(
    log: Log, listeners: Sequence[Listener], opening: Sequence[e.Event], work: Work
) -> None:
    """Append the opening and do the work, while these listen. Where somebody ends the turn meanwhile, that is its end.

    Raises Fenced where another process has taken the thread.
    """
    aside = BackgroundListener(listeners)
    log.listeners += (aside.tell,) if listeners else ()
    try:
        await append_opening(log, opening)
        await work()
    except Fenced:
        claims = [event.worker for event in opening if isinstance(event, e.ThreadClaimed)]
        if not log.lost or log.state.worker not in claims:
            raise
    finally:
        await aside.drain()


def child_limits(limits: Limits, above: ParentContext) -> Limits:
    """The limits of whoever works for the thread above: their own, and no more than that has lent."""
    seconds = tightest_limit(limits.seconds, above.seconds)
    return replace(
        limits, tokens=above.child.tokens, cost_usd=above.child.cost_usd, seconds=seconds
    )
