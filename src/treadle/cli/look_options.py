"""The options of the commands that look at threads. Imports nothing slow."""

from dataclasses import dataclass

from .options import JSON, AgentOptions, StoreOptions, name_thread
from .parameters import make_flag, make_option


@dataclass(frozen=True, kw_only=True)
class ShowOptions(AgentOptions):
    thread: str = name_thread()
    full: bool = make_flag("Cut nothing.")
    json: bool = make_flag("Records as JSON Lines.")
    picture: bool = make_flag("Draw the graph of --agent in Mermaid, with the path taken.")
    raw: bool = make_flag("Events as they are stored.")
    openai: bool = make_flag("All of it as messages of chat completions, in JSON.")
    prompt: str | None = make_option("N", "The prompt of model call N, or of record @SEQ.")


@dataclass(frozen=True, kw_only=True)
class TailOptions(StoreOptions):
    thread: str = name_thread("[THREAD]", default="last")
    until_end: bool = make_flag("Leave when the turn ends, with its exit code.")
    json: bool = make_flag(JSON)


@dataclass(frozen=True, kw_only=True)
class ExplainOptions(AgentOptions):
    thread: str = name_thread()
    json: bool = make_flag("As a JSON object.")


@dataclass(frozen=True, kw_only=True)
class ReplayOptions(AgentOptions):
    thread: str = name_thread()


@dataclass(frozen=True, kw_only=True)
class DiffOptions(StoreOptions):
    left: str = name_thread("A")
    right: str = name_thread("B")
    json: bool = make_flag("As a JSON object.")
