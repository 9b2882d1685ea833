"""Handles on the command line: JSON, or a plain text, in the place of a thread or of a call."""

from dataclasses import replace
from typing import Any

from ..core import events as e
from ..core.errors import IllegalEvent, ToolError, UsageError
from ..core.pending import write_handle
from ..core.visible import visible_line
from ..runtime.agent import Agent
from ..runtime.log import Log, open_log
from ..runtime.sync import run_sync
from ..stores.open_store import open_store
from ..stores.store import Timed
from .agents import Runner, choose_store
from .choose_call import choose_call, read_handle_text
from .thread_options import SettleOptions


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
    try:
        settled = run_sync(agent.settle(handle, result, thread=thread_id, by=by))
    except IllegalEvent as error:
        raise UsageError(f"{error}; nothing was written") from None
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
