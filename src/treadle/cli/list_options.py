"""The options of `treadle threads` and `treadle delete`. Imports nothing slow."""

from dataclasses import dataclass

from .complete import thread_names
from .options import JSON, StoreOptions, name_thread
from .parameters import make_flag, make_option

_NOTES = "Delete the notes that were made from them, too."


@dataclass(frozen=True, kw_only=True)
class ThreadsOptions(StoreOptions):
    status: str | None = make_option(
        "STATUS",
        "answered, limit, failed, refused, cancelled, waiting, unfinished, imported or damaged.",
    )
    agent: str | None = make_option("NAME", "Only threads of the agent with this name.")
    text: str | None = make_option("WORDS", "Only threads with all of these words.")
    key: str | None = make_option("KEY", "Only threads with a message of this key.")
    rated: str | None = make_option("RATING", "Only where a person found a turn so: good or bad.")
    parent: str | None = make_option(
        "THREAD", "Only children of this thread.", complete=thread_names
    )
    older: str | None = make_option(
        "AGE", "Only where nobody wrote for so long, to children and forks neither: 90d, 12h."
    )
    all: bool = make_flag("Also children of other threads.")
    limit: int = make_option("N", "At most so many.", 20, short="-n", min=1)
    before: int | None = make_option("N", "The next page, as the last one names it.", min=1)
    json: bool = make_flag(JSON)
    delete: bool = make_flag("With --older: delete all of them, once you agree.")
    notes: bool = make_flag(_NOTES)
    yes: bool = make_flag("Delete without asking.", short="-y")


@dataclass(frozen=True, kw_only=True)
class DeleteOptions(StoreOptions):
    threads: list[str] = name_thread()
    notes: bool = make_flag(_NOTES)
    stop: bool = make_flag("First cancel a turn that a process drives.")
    yes: bool = make_flag("Delete without asking.", short="-y")
