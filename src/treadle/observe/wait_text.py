"""What a turn waits for, in words for people. Pure."""

from ..core import events as e
from ..runtime.local_time import format_time
from .deed_text import call_text, short


def describe_wait(pending: e.PendingDecision, thread_id: str) -> str:
    """What a person must decide, and until when, if their time is limited."""
    what = _describe_decision(pending, thread_id)
    if pending.until is None:
        return what
    how = "its poll is asked from" if pending.polls else "until"
    return f"{what} ({how} {format_time(pending.until)})"


def _describe_decision(pending: e.PendingDecision, thread_id: str) -> str:
    what = call_text(e.Call(pending.id, pending.name, pending.final_arguments))
    if pending.thread_id != thread_id:
        what += f" in thread {pending.thread_id}"
    match pending.status:
        case "waiting":
            if pending.reason:
                what += f" ({pending.reason})"
            return f"approve or deny {what}"
        case "question":
            return f"answer {pending.id}: {pending.reason}"
        case "pending":
            work = short(pending.handle)
            return (
                f"post the result of {work} once that work has ended, unless its service does:"
                f" {what} waits for it"
            )
        case "unknown":
            why = f" ({pending.reason})" if pending.reason else ""
            return (
                f"decide what became of {what}{why}: it ran, it did not, or tell the model that"
                " nobody knows (its own process writes it, if it is alive and learns it)"
            )
        case "imported":
            return f"adopt thread {pending.thread_id}, which was imported, or leave it"
        case "parked":
            return (
                f"let thread {pending.thread_id} go on, or cancel it: it is parked, because"
                f" {pending.reason}"
            )
        case "limit":
            return f"{_limit_text(pending)} ({pending.reason})"


def _limit_text(pending: e.PendingDecision) -> str:
    name = pending.name.replace("_", " ")
    if "_a_" in pending.name:
        return f"wait, or raise the limit of {name} in the code"
    return f"raise the limit of {name} of thread {pending.thread_id}"
