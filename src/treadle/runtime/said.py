"""Checks what a person says before it is in the log, and so in every later request. Pure."""

from typing import Any

from msgspec.structs import replace

from ..core import events as e
from ..core.attachments import check_url
from ..core.errors import UsageError

EXAMPLE = 'UserSaid(("What is this?", Image.of("lamp.png")))'


def take_said(said: Any) -> e.UserSaid:
    """A text or a UserSaid, as the event that the log gets. Raises UsageError for anything else."""
    if isinstance(said, str):
        return e.UserSaid(said)
    if not isinstance(said, e.UserSaid):
        raise UsageError(
            f"what is said must be a text or a UserSaid, e.g. {EXAMPLE}; this is"
            f" a {type(said).__name__}"
        )
    if not isinstance(said.answers, str):
        raise UsageError(
            "UserSaid.answers must be the id of a call; pictures and files stand in the content:"
            f" {EXAMPLE}"
        )
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


def check_part(part: Any) -> None:
    """Raise UsageError for a part of a message that no provider takes."""
    match part:
        case str():
            return
        case e.Image(url=url):
            check_url("Image", url)
        case e.File(url=url):
            check_url("File", url)
        case e.Audio(url=url):
            check_url("Audio", url)
        case _:
            raise UsageError(
                "a part of a message must be a text, an Image, a File or an Audio, not"
                f" a {type(part).__name__}"
            )
