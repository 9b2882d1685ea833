"""Checks what a person says before it is in the log, and so in every later request."""

from typing import Any

from msgspec.structs import replace

from ..core import events as e
from ..core.attachments import Kind, check_url
from ..core.errors import UsageError
from ..core.name_kind import name_kind
from .log import Log

Said = str | e.UserSaid
"""What a person says: a text, or a UserSaid with pictures or files."""
_KINDS: dict[type, Kind] = {e.Image: "Image", e.File: "File", e.Audio: "Audio"}
EXAMPLE = 'UserSaid(("What is this?", Image.of("lamp.png")))'


def take_said(said: Any) -> e.UserSaid:
    """A text or a UserSaid, as the event that the log gets. Raises UsageError for anything else."""
    if isinstance(said, str):
        said = e.UserSaid(said)
    if not isinstance(said, e.UserSaid):
        raise UsageError(
            f"what is said must be a text or a UserSaid, e.g. {EXAMPLE}; this is"
            f" {name_kind(said)}{_instead_of(said)}"
        )
    if not isinstance(said.answers, str):
        raise UsageError(
            "UserSaid.answers must be the id of a call; pictures and files stand in the content:"
            f" {EXAMPLE}"
        )
    if not said.answers and _is_empty(said.content):
        raise UsageError("there is nothing to say: the message is empty; give a text")
    if isinstance(said.content, str):
        return said
    if not isinstance(said.content, tuple | list):
        raise UsageError(
            f"UserSaid.content must be a text, or a tuple of texts, pictures and files, e.g."
            f" {EXAMPLE}; this is a {type(said.content).__name__}"
        )
    for part in said.content:
        check_part(part)
    return replace(said, content=tuple(said.content))


def take_message(said: Any) -> e.UserSaid:
    """What opens a turn or steers one, as `take_said`. Raises UsageError for an answer, too."""
    message = take_said(said)
    if message.answers:
        raise UsageError(
            f"this UserSaid answers call {message.answers}: hand it to agent.post(thread, UserSaid("
            "..., answers=...)), and resume the thread"
        )
    return replace(message, steers=False, in_call=False)


def as_answer(log: Log, said: e.UserSaid) -> e.UserSaid:
    """The answer, which says whether the question came in mid-call."""
    turn = log.state.turn
    call = turn.calls.get(said.answers) if turn else None
    return replace(said, in_call=bool(call and call.attempt))


def _instead_of(said: Any) -> str:
    """What to do with messages in the form of chat completions."""
    if isinstance(said, dict):
        return ". Of a message give its text"
    if isinstance(said, list | tuple) and said and isinstance(said[0], dict):
        return (
            ". Give the last message's text; a history of messages is made a thread by"
            " agent.import_history(messages)"
        )
    if isinstance(said, list | tuple):
        return ". Put the parts into a UserSaid"
    return ""


def _is_empty(content: Any) -> bool:
    """Whether it is a text or parts without any character or attachment."""
    if isinstance(content, str):
        return not content.strip()
    parts = content if isinstance(content, tuple | list) else [content]
    return all(isinstance(part, str) and not part.strip() for part in parts)


def check_part(part: Any) -> None:
    """Raise UsageError for a part of a message that no provider takes."""
    match part:
        case str():
            return
        case e.Image() | e.File() | e.Audio():
            check_url(_KINDS[type(part)], part.url)
        case _:
            raise UsageError(
                "a part of a message must be a text, an Image, a File or an Audio, not"
                f" a {type(part).__name__}"
            )
