"""The lines of a timeline about a turn as a whole: its limits and its end. Pure."""

from ..core import events as e
from ..core.account import describe_account
from ..core.limits import RAISED
from .line import Line, Tone, before_text, quote

_MARKS = {"answered": "■", "limit": "!", "cancelled": "!", "failed": "!", "refused": "!"}


def limit_line(record: e.Record, event: e.LimitReached | e.LimitRaised) -> Line:
    """A limit that was reached, or raised."""
    if isinstance(event, e.LimitRaised):
        return quote(record, before_text(f"· {_describe_raise(event)}", event.reason), event.reason)
    limit = event.limit.replace("_", " ")
    text = f"the limit of {limit}"
    if event.account:
        text += f" of {describe_account(event.account)}"
    text += f" is reached: {event.used:g} of {event.allowed:g}"
    if event.waits:
        text += "; waits until that is raised"
    return Line(record, "!", text, tone="yellow")


def _describe_raise(event: e.LimitRaised) -> str:
    amounts = [(name, getattr(event, name)) for name in RAISED]
    more = [f"{amount:+g} {name.replace('_', ' ')}" for name, amount in amounts if amount]
    if not more:
        return f"{event.by} lets it try again"
    return f"{event.by} raises its limits: {', '.join(more)}"


def end_line(record: e.Record, event: e.TurnEnded) -> Line:
    """The end of a turn."""
    tone: Tone = "bold" if event.status == "answered" else "yellow"
    said = "; ".join(filter(None, (event.reason, event.value)))
    before = before_text(f"{_MARKS[event.status]} {event.status}", said)
    return quote(record, before, said, tone=tone)
