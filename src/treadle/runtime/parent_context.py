"""What a child inherits of the thread that it works for."""

from dataclasses import dataclass

from ..core.context import Context
from ..core.events import ChildStarted
from .account import Payers
from .log import Log


@dataclass(frozen=True)
class ParentContext:
    """What a child inherits of the thread that it works for."""

    child: ChildStarted
    """The child's thread."""
    log: Log
    """The parent's: with its store, its clock and its listeners."""
    seconds: float | None
    """What the parent's turn has left; None for no limit."""
    paid_by: Payers
    """What pays for the child's model calls besides its own limits."""


def find_parent(context: Context[object]) -> ParentContext:
    """What the call of this context, which runs as a child, inherits."""
    assert isinstance(context.parent, ParentContext)
    return context.parent
