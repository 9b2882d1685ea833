"""What the checks and rules of an agent did, in words. Pure."""

from ..core import events as e
from ..core.values import text_of
from .line import Tone
from .short_text import VALUE, WIDTH, arguments_text, shorten

_WHAT = {"message": "the message", "call": "the call", "answer": "the answer"}
_DID = {
    "pass": "has nothing against",
    "allow": "lets through",
    "ask": "wants a person to decide on",
    "deny": "refuses",
}


def describe_checked(checked: e.Checked) -> str:
    """Who judged what, and how: `the check no_cards refuses the message: a card number`."""
    what = _WHAT[checked.what]
    if checked.call_id:
        what = f"the call {checked.call_id}"
    who = "every rule"
    if checked.by:
        kind = "rule" if checked.call_id else "check"
        who = f"the {kind} {shorten(checked.by, VALUE)}"
    did = _DID[checked.verdict]
    text = f"{who} {did} {what}"
    if checked.content is not None:
        text = f"{who} changes {what} to {_content(checked)}"
        if checked.verdict in ("ask", "deny"):
            text += f", and {did} it"
    return ": ".join(filter(None, (text, shorten(checked.reason, WIDTH))))


def original_text(original: e.Original | None) -> str:
    """What a result was before a rule has changed it; "" where none has."""
    if original is None:
        return ""
    text = f" (the rule {shorten(original.by, VALUE)} changed it"
    if original.reason:
        text += f", {shorten(original.reason, WIDTH)}"
    return f"{text}; it was: {shorten(original.content, WIDTH)})"


def tone_of(checked: e.Checked) -> Tone:
    if checked.verdict in ("ask", "deny"):
        return "yellow"
    return "dim"


def _content(checked: e.Checked) -> str:
    assert checked.content is not None
    if checked.what == "call":
        return arguments_text(str(checked.content))
    return shorten(text_of(checked.content), WIDTH)
