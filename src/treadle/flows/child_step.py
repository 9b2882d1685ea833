"""Opens the log of the thread that a step of a flow ran as, once the step has its result."""

from ..core import events as e
from ..core.errors import StepFailed, StepTimedOut
from ..core.links import is_child_in
from ..core.state import State
from ..core.turn import Turn
from ..runtime.log import Log
from ..runtime.one_turn import up_to_end
from .step_results import Step


async def open_child_of(step: Step, parent: Log) -> Log:
    """The child's log, up to the end that this log has a result of. Raises StepFailed where it has
    nothing to say of the step, and StoreErrors.

    In a fork, it may be a child of the thread that was forked, which goes on there.
    """
    match step.came:
        case e.ToolFailed(kind="timeout", message=message):
            raise StepTimedOut(message, step=step.call.id, kind="timeout")
        case e.OutcomeDecided(outcome="ran", content=content):
            return _told(content, parent)
        case e.OutcomeDecided():  # the child may have come further since
            raise StepFailed("nobody knows what came of it", step=step.call.id, kind="unknown")
    child = Log(step.child, parent.store, parent.world)
    await child.refresh()
    started = e.ChildStarted(step.call.id, step.child)
    has_begun = bool(child.state.claim) or child.state.is_open
    if not has_begun or not is_child_in(parent.records, started, child.records):
        raise StepFailed(getattr(step.came, "message", "it never began"), step=step.call.id)
    records, child.state = up_to_end(child.records, child.state, step.starts)
    child.records = [*records]
    return child


def _told(content: str, parent: Log) -> Log:
    """The log of a turn of which is known only what a person has told: its answer."""
    ended = e.TurnEnded("answered", value=content)
    told = Log(parent.thread_id, parent.store, parent.world)
    told.records = [e.Record(parent.thread_id, 1, parent.state.at, ended)]
    told.state = State(seq=1, at=parent.state.at, turn=Turn(1, answer=content, ended=ended))
    return told
