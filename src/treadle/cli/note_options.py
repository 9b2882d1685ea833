"""The options of `treadle notes`. Imports nothing slow."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from .options import AgentOptions, StoreOptions, Thread
from .parameters import make_argument, make_option

_SCOPE = "user, user:NAME, project:NAME or agent:NAME."

Scope = Annotated[str | None, make_option(metavar="SCOPE", help=f"Only of this scope: {_SCOPE}")]
Into = Annotated[str, make_option(metavar="SCOPE", help=f"Whom it is about: {_SCOPE}")]
All = Annotated[bool, make_option("--all", help="Also those that were replaced or have expired.")]
NoteId = Annotated[str, make_argument(metavar="ID", help="The note's id, or the beginning of it.")]
Json = Annotated[bool, make_option("--json", help="As JSON Lines.")]


@dataclass(frozen=True, kw_only=True)
class ListNotesOptions(StoreOptions):
    scope: Scope = None
    all: All = False
    json: Json = False


@dataclass(frozen=True, kw_only=True)
class SearchNotesOptions(StoreOptions):
    words: Annotated[list[str], make_argument(metavar="WORDS", help="What to look for.")]
    scope: Scope = None
    limit: Annotated[
        int, make_option("--limit", "-n", min=1, metavar="N", help="At most so many.")
    ] = 5
    json: Json = False


@dataclass(frozen=True, kw_only=True)
class AddNoteOptions(StoreOptions):
    text: Annotated[
        str, make_argument(metavar="TEXT", help="One fact or decision, complete in itself.")
    ]
    scope: Into = "user"
    about: Annotated[
        str,
        make_option(metavar="WORD", help="What it is about; what else is about it is shown."),
    ] = ""
    days: Annotated[
        float | None, make_option(metavar="N", help="How long it is valid; default: for ever.")
    ] = None
    replaces: Annotated[str, make_option(metavar="ID", help="The note that it replaces.")] = ""


@dataclass(frozen=True, kw_only=True)
class CorrectNoteOptions(StoreOptions):
    note: NoteId
    text: Annotated[str, make_argument(metavar="TEXT", help="What is right, complete in itself.")]
    days: Annotated[
        float | None, make_option(metavar="N", help="How long it is valid; default: for ever.")
    ] = None


@dataclass(frozen=True, kw_only=True)
class WhyNoteOptions(StoreOptions):
    note: NoteId
    json: Annotated[bool, make_option("--json", help="As one line of JSON.")] = False


@dataclass(frozen=True, kw_only=True)
class ForgetNoteOptions(StoreOptions):
    note: NoteId


@dataclass(frozen=True, kw_only=True)
class ExportNotesOptions(StoreOptions):
    scope: Scope = None
    output: Annotated[
        Path | None, make_option("--output", "-o", metavar="FILE", help="Else to standard output.")
    ] = None


@dataclass(frozen=True, kw_only=True)
class ExtractNotesOptions(AgentOptions):
    thread: Thread
    scope: Into = "user"
    json: Json = False
