"""What must hold when a simulation has come to its end."""

from typing import TYPE_CHECKING

from simulate.check import Shadow
from treadle import Usage
from treadle.core import events as e
from treadle.core.errors import TreadleError
from treadle.core.state import fold
from treadle.runtime.log import open_log
from treadle.runtime.replay import replay

if TYPE_CHECKING:
    from simulate.simulation import Simulation


async def check_the_end(simulation: "Simulation") -> None:
    """Look at every thread once more, as it is read from the store."""
    world = simulation.processes[0].world
    for name, shadow in sorted(simulation.check.threads.items()):
        try:
            log = await open_log(name, simulation.database.rows, world)
        except TreadleError as error:
            simulation.violate("fold never fails", f"{name}: {error}")
            return
        if log.records != shadow.records or log.state != fold(shadow.records):
            simulation.violate("nothing recorded is lost", name)
        if shadow.is_open:
            simulation.violate("every thread ends or waits for something listed", name)
            return
        _check_said(simulation, shadow)
        _check_usage(simulation, shadow)
        await _check_replay(simulation, shadow)


async def _check_replay(simulation: "Simulation", shadow: Shadow) -> None:
    """What an agent did follows again from what came from outside."""
    start = shadow.records[0].event
    asked = any(isinstance(each.event, e.ModelCalled) for each in shadow.records)
    if not isinstance(start, e.ThreadStarted) or start.flow or not asked:
        return
    if difference := await replay(list(shadow.records)):
        simulation.violate("a log is replayed as it was", f"{shadow.thread_id}: {difference}")


def _check_said(simulation: "Simulation", shadow: Shadow) -> None:
    said = [
        each.event.text
        for each in shadow.records
        if isinstance(each.event, e.UserSaid) and not each.event.answers
    ]
    if len(said) != len(set(said)):
        simulation.violate("nothing is recorded twice", f"{shadow.thread_id}: {said}")


def _check_usage(simulation: "Simulation", shadow: Shadow) -> None:
    """The last turn's usage is that of its own replies and of its children."""
    turn = shadow.state.turn
    if turn is None:
        return
    used = Usage()
    children: dict[str, str] = {}
    told: dict[str, Usage] = {}
    told_at: dict[str, float] = {}
    for record in shadow.records[turn.opened_seq :]:
        match record.event:
            case e.ModelReplied(usage=usage) | e.ModelFailed(usage=usage):
                used += usage
            case e.ChildStarted(call_id=call_id, thread_id=thread_id):
                children[call_id] = thread_id
            case e.ToolReturned(call_id=call_id, usage=usage):
                used += usage
            case e.ToolFailed(usage=usage):
                used += usage
        match record.event:
            case (
                e.ToolReturned(call_id=call_id, usage=usage)
                | e.ToolFailed(call_id=call_id, usage=usage)
            ) if call_id in children:
                name = children[call_id]
                told[name] = told.get(name, Usage()) + usage
                told_at[name] = shadow.written_at[record.seq - 1]
    for name, usage in told.items():  # of one that went on after its end, several times
        child = simulation.check.threads.get(name)
        known = child.state.turn.usage if child and child.state.turn else Usage()
        if usage != known and not _has_late(child) and not _begins_after(child, told_at[name]):
            words = f"{shadow.thread_id} was told {usage} of {name}, which used {known}"
            simulation.violate("usage adds up", words)
    if used != turn.usage:
        simulation.violate("usage adds up", f"{shadow.thread_id}: {turn.usage}, not {used}")


def _begins_after(child: Shadow | None, told_at: float) -> bool:
    """Whether it was begun when its parent had been told how it ended: by a driver that didn't know
    yet that somebody had ended the parent's turn. What it uses is in its own log, and booked."""
    return child is not None and child.written_at[0] > told_at


def _has_late(shadow: Shadow | None) -> bool:
    """Whether what a lost call has used was learned later: maybe after its parent was told."""
    return shadow is not None and any(
        isinstance(each.event, e.ModelFailed) and each.event.kind == "late"
        for each in shadow.records
    )
