"""Opens the log of the thread that a step of a flow ran as, once the step has its result."""

from ..core import events as e
from ..core.errors import StepFailed, StepTimedOut
from ..core.links import is_child_in
from ..runtime.log import Log
from .step_results import Step


async def open_child_of(step: Step, parent: Log) -> Log:
    """The child's log. Raises StepFailed where it has nothing to say of the step, and StoreErrors.

    In a fork, it may be a child of the thread that was forked.
    """
    match step.came:
        case e.ToolFailed(kind="timeout", message=message):
            raise StepTimedOut(message, step=step.call.id, kind="timeout")
        case e.OutcomeDecided(content=content):  # the child may have come further since
            words = filter(None, ("nobody knows what came of it", content))
            raise StepFailed(": ".join(words), step=step.call.id, kind="unknown")
    child = Log(step.child, parent.store, parent.world)
    await child.refresh()
    started = e.ChildStarted(step.call.id, step.child)
    has_begun = bool(child.state.claim) or child.state.is_open
    if not has_begun or not is_child_in(parent.records, started, child.records):
        raise StepFailed(getattr(step.came, "message", "it never began"), step=step.call.id)
    return child
