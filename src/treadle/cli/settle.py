"""`treadle settle`: says what became of a call, by its id or by the handle that it has noted.

A handle on the command line is JSON, or a plain text.
"""

from dataclasses import dataclass, replace
from typing import Any, Literal

from ..core import events as e
from ..core.errors import ToolError, UsageError
from ..core.pending import write_handle
from ..core.visible import visible_line
from ..runtime.agent import Agent
from ..runtime.log import Log, open_log
from ..runtime.post import refuse_while_running
from ..runtime.sync import run_sync
from ..stores.open_store import open_store
from ..stores.store import Timed
from ..this_user import current_user
from .agents import Runner, choose_store
from .choose_call import choose_call, read_handle_text
from .decisions import DecisionOptions, finish_decision, open_for_decision
from .parameters import make_argument, make_flag, make_option
from .terminal import Screen
from .threads import write

Outcome = Literal["ran", "not_run", "tell", "failed"]
_OUTCOMES = {"ran": "it ran", "not_run": "it may run", "tell": "nobody knows"}


@dataclass(frozen=True, kw_only=True)
class SettleOptions(DecisionOptions):
    thread: str = make_argument(None, "The thread, or the handle of work elsewhere.")
    call: str | None = make_argument(None, "The call's id, or the handle that it has noted.", None)
    ran: bool = make_flag("It had its effect.")
    result: str | None = make_option("TEXT", "With --ran: what came of it, told to the model.")
    failed: str | None = make_option("TEXT", "It has failed: why, told to the model.")
    not_run: bool = make_flag("It had none: it may run now.")
    tell: bool = make_flag("Nobody knows: tell the model so.")
    why: str = make_option("TEXT", "How you know it; kept in the log.", "")
    take: bool = make_flag("Stop the process that runs it.")


def settle(settings: SettleOptions) -> int:
    """Say what became of a call that was cut off, or whose work goes on elsewhere.

    A crash or its time-out cut it off. It ran, with its result, it has failed, it did not run, or
    nobody knows. A call of work elsewhere is found by its handle, too: the same result twice is
    one. A process that still drives the thread of such a call is stopped.
    """
    outcome = _choose_outcome(settings)
    settings = name_thread_of_handle(settings)
    agent, log = open_for_decision(settings)
    call = find_waiting(log, settings)
    if call is None or outcome == "failed" or (call.status == "pending" and outcome == "ran"):
        return _settle_result(settings, agent, log, call)
    if not settings.take:
        refuse_while_running(run_sync(open_log(call.thread_id, log.store, log.world)), call.id)
    content = ""
    if outcome == "ran":
        content = settings.result or "done"
    by = settings.by or current_user()
    decided = e.OutcomeDecided(call.id, outcome, by, content, settings.why, digest=call.digest)
    write(agent.post(call.thread_id, decided))
    return finish_decision(_OUTCOMES[outcome], call, log, agent, settings)


def _settle_result(
    settings: SettleOptions, agent: Runner, log: Log, call: e.PendingDecision | None
) -> int:
    if settings.not_run or settings.tell:
        raise UsageError("the call has its result already; nothing was written")
    result = read_result(log, call, settings)
    by = settings.by or current_user()
    if call:
        settle_by_handle(agent, call.thread_id, call.id, result, by)
        return finish_decision("settled", call, log, agent, settings)
    handle = read_handle_text(settings.call or "")
    settle_by_handle(agent, log.thread_id, handle, result, by)
    Screen().note("it has this result already; nothing was written", "dim")
    return 0


def _choose_outcome(settings: SettleOptions) -> Outcome:
    given: dict[Outcome, bool] = {
        "ran": settings.ran or settings.result is not None,
        "not_run": settings.not_run,
        "tell": settings.tell,
        "failed": settings.failed is not None,
    }
    outcomes: list[Outcome] = [name for name, is_given in given.items() if is_given]
    if len(outcomes) != 1:
        raise UsageError(
            "say one of --ran (and --result TEXT), --failed TEXT, --not-run and --tell"
        )
    return outcomes[0]


def name_thread_of_handle(settings: SettleOptions) -> SettleOptions:
    """The options with the thread and the handle, where the handle alone was given.

    Raises UsageError where several threads have a call with this handle.
    """
    store = open_store(Agent(store=choose_store(settings)).store)
    if settings.call is not None or not isinstance(store, Timed):
        return settings
    found = run_sync(store.find_handle(write_handle(read_handle_text(settings.thread))))
    if len(found) > 1:
        names = ", ".join(visible_line(name, 200) for name in found)
        raise UsageError(f"{len(found)} threads have noted this handle; say which: {names}")
    return replace(settings, thread=found[0], call=settings.thread) if found else settings


def find_waiting(log: Log, settings: SettleOptions) -> e.PendingDecision | None:
    """The call to settle; None if the named handle's has a result. Raises UsageError."""
    try:
        return choose_call(log, settings.call, "unknown", "pending")
    except UsageError:
        if settings.call is None or not _has_noted(log, settings.call):
            raise
    return None


def settle_by_handle(agent: Runner, thread_id: str, handle: Any, result: Any, by: str) -> bool:
    """Post the result; whether it is new. Raises UsageError where there is another one."""
    settled = write(agent.settle(handle, result, thread=thread_id, by=by))
    return any(not each.again for each in settled)


def read_result(log: Log, call: e.PendingDecision | None, settings: SettleOptions) -> Any:
    """What came of the call, as the options say it. The result of a step is read as JSON."""
    if settings.failed is not None:
        return ToolError(settings.failed)
    text = settings.result or "done"
    if call is None:
        return text
    posted_to = run_sync(open_log(call.thread_id, log.store, log.world))
    calls = posted_to.state.turn.calls if posted_to.state.turn else {}
    if call.id in calls and calls[call.id].step:
        return read_handle_text(text)
    return text


def _has_noted(log: Log, text: str) -> bool:
    handle = write_handle(read_handle_text(text))
    noted = (record.event for record in log.records if isinstance(record.event, e.CallNoted))
    return any(event.handle == handle for event in noted)
