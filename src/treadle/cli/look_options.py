"""The options of the commands that look at threads. Imports nothing slow."""

from dataclasses import dataclass
from typing import Annotated

from .complete import thread_names
from .options import JSON, THREAD, AgentOptions, StoreOptions, Thread
from .parameters import make_argument, make_option


@dataclass(frozen=True, kw_only=True)
class ShowOptions(AgentOptions):
    thread: Thread
    full: Annotated[bool, make_option("--full", help="Cut nothing.")] = False
    json: Annotated[bool, make_option("--json", help="Records as JSON Lines.")] = False
    picture: Annotated[
        bool,
        make_option(
            "--picture",
            help="Draw the graph of --agent in Mermaid, with the path taken.",
        ),
    ] = False
    raw: Annotated[bool, make_option("--raw", help="Events as they are stored.")] = False
    openai: Annotated[
        bool, make_option("--openai", help="All of it as messages of chat completions, in JSON.")
    ] = False
    prompt: Annotated[
        str | None,
        make_option(
            metavar="N",
            help="The prompt of model call N, or of record @SEQ.",
        ),
    ] = None


@dataclass(frozen=True, kw_only=True)
class TailOptions(StoreOptions):
    thread: Annotated[
        str, make_argument(metavar="[THREAD]", help=THREAD, complete=thread_names)
    ] = "last"
    until_end: Annotated[
        bool, make_option("--until-end", help="Leave when the turn ends, with its exit code.")
    ] = False
    json: Annotated[bool, make_option("--json", help=JSON)] = False


@dataclass(frozen=True, kw_only=True)
class ExplainOptions(AgentOptions):
    thread: Thread
    json: Annotated[bool, make_option("--json", help="As a JSON object.")] = False


@dataclass(frozen=True, kw_only=True)
class ReplayOptions(AgentOptions):
    thread: Thread


@dataclass(frozen=True, kw_only=True)
class DiffOptions(StoreOptions):
    left: Annotated[str, make_argument(metavar="A", help=THREAD, complete=thread_names)]
    right: Annotated[str, make_argument(metavar="B", help=THREAD, complete=thread_names)]
    json: Annotated[bool, make_option("--json", help="As a JSON object.")] = False
