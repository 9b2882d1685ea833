"""The lines of a timeline about a turn as a whole: its limits and its end. Pure."""

from ..core import events as e
from ..core.account import describe_account
from ..core.limits import RAISED, format_amount, name_unit
from ..runtime.local_time import format_time
from .line import Line, Tone, before_text, quote

_MARKS = {"answered": "■", "limit": "!", "cancelled": "!", "failed": "!", "refused": "!"}


def limit_line(record: e.Record, event: e.LimitReached | e.LimitRaised) -> Line:
    """A limit that was reached, or raised."""
    if isinstance(event, e.LimitRaised):
        return quote(record, before_text(f"· {describe_raise(event)}", event.reason), event.reason)
    text = f"the limit of {event.limit.replace('_', ' ')}"
    if event.account:
        text += f" of {describe_account(event.account)}"
    text += f" is reached: {format_amount(event.used)} of {format_amount(event.allowed)}"
    if event.waits and event.until is not None:
        text += f"; waits until {format_time(event.until)}, or until that is raised"
    elif event.waits:
        text += "; waits until that is raised"
    return Line(record, "!", text, tone="yellow")


def describe_raise(event: e.LimitRaised) -> str:
    """Who raises which limits by how much."""
    amounts = [(name, getattr(event, name)) for name in RAISED]
    more = [f"{format_amount(amount)} {name_unit(name)}" for name, amount in amounts if amount]
    if not more:
        return f"{event.by} lets it try again"
    return f"{event.by} lets it use {' and '.join(more)} more"


def end_line(record: e.Record, event: e.TurnEnded | e.FeedbackGiven) -> Line:
    """The end of a turn, or what a person found of one that had ended."""
    if isinstance(event, e.FeedbackGiven):
        found = "good" if event.good else "bad"
        text = f"· {event.by} found the turn of record {event.turn_seq} {found}"
        return quote(record, before_text(text, event.reason), event.reason)
    tone: Tone = "bold" if event.status == "answered" else "yellow"
    said = "; ".join(filter(None, (event.reason, event.value)))
    before = before_text(f"{_MARKS[event.status]} {event.status}", said)
    return quote(record, before, said, tone=tone)
