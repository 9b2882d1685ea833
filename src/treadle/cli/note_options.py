"""The options of `treadle notes`. Imports nothing slow."""

from dataclasses import dataclass
from pathlib import Path

from .options import JSON, AgentOptions, StoreOptions, name_thread
from .parameters import make_argument, make_flag, make_option

_SCOPES = "user, user:NAME, project:NAME or agent:NAME."
_OF_SCOPE = f"Only of this scope: {_SCOPES}"
_INTO_SCOPE = f"Whom it is about: {_SCOPES}"
_ID = "The note's id, or the beginning of it."
_DAYS = "How long it is valid; default: for ever."


@dataclass(frozen=True, kw_only=True)
class ListNotesOptions(StoreOptions):
    scope: str | None = make_option("SCOPE", _OF_SCOPE)
    all: bool = make_flag("Also those that were replaced or have expired.")
    json: bool = make_flag(JSON)


@dataclass(frozen=True, kw_only=True)
class SearchNotesOptions(StoreOptions):
    words: list[str] = make_argument("WORDS", "What to look for.")
    scope: str | None = make_option("SCOPE", _OF_SCOPE)
    limit: int = make_option("N", "At most so many.", 5, short="-n", min=1)
    json: bool = make_flag(JSON)


@dataclass(frozen=True, kw_only=True)
class AddNoteOptions(StoreOptions):
    text: str = make_argument("TEXT", "One fact or decision, complete in itself.")
    scope: str = make_option("SCOPE", _INTO_SCOPE, "user")
    about: str = make_option("WORD", "What it is about; what else is about it is shown.", "")
    days: float | None = make_option("N", _DAYS)
    replaces: str = make_option("ID", "The note that it replaces.", "")


@dataclass(frozen=True, kw_only=True)
class CorrectNoteOptions(StoreOptions):
    note: str = make_argument("ID", _ID)
    text: str = make_argument("TEXT", "What is right, complete in itself.")
    days: float | None = make_option("N", _DAYS)


@dataclass(frozen=True, kw_only=True)
class WhyNoteOptions(StoreOptions):
    note: str = make_argument("ID", _ID)
    json: bool = make_flag("As one line of JSON.")


@dataclass(frozen=True, kw_only=True)
class ForgetNoteOptions(StoreOptions):
    note: str = make_argument("ID", _ID)


@dataclass(frozen=True, kw_only=True)
class ExportNotesOptions(StoreOptions):
    scope: str | None = make_option("SCOPE", _OF_SCOPE)
    output: Path | None = make_option("FILE", "Else to standard output.", short="-o")


@dataclass(frozen=True, kw_only=True)
class ExtractNotesOptions(AgentOptions):
    thread: str = name_thread()
    scope: str = make_option("SCOPE", _INTO_SCOPE, "user")
    json: bool = make_flag(JSON)
