"""`treadle resume`: goes on with a turn that isn't finished."""

from dataclasses import dataclass

from ..core.errors import UsageError
from .agents import make_runner, refuse_other
from .agents_md import announce_instructions
from .due import resume_all
from .options import TurnOptions, name_thread
from .parameters import make_flag
from .session import Session
from .terminal import Screen
from .thread_tree import root_log
from .threads import open_thread


@dataclass(frozen=True, kw_only=True)
class ResumeOptions(TurnOptions):
    thread: str = name_thread("[THREAD]", default="")
    all: bool = make_flag("All threads of the agent that treadle due lists.")
    take: bool = make_flag("Take it from a process that still drives it, if one does.")
    retry_failed: bool = make_flag(
        "Run again what has failed in a flow or a graph, and reuse what has a result."
    )


def resume(settings: ResumeOptions) -> int:
    """Resume a thread's unfinished turn: after a crash, or after a decision.

    Where another process drives it, this waits for that one, and gives the same result.
    """
    if bool(settings.thread) == settings.all:
        raise UsageError("name a thread (treadle resume THREAD), or say --all, not both")
    if settings.all and (settings.take or settings.retry_failed):
        raise UsageError("--take and --retry-failed are for one thread: treadle resume THREAD")
    if settings.all:
        return resume_all(settings)
    # Interactive: the interrupted turn may have used tools that need a person.
    agent = make_runner(settings, True)
    log = root_log(open_thread(agent.store, settings.thread))
    refuse_other(settings, log.state)
    screen = Screen()
    announce_instructions(agent, settings, screen)
    session = Session(agent, log.thread_id, screen, settings)
    return session.resume(settings.take, settings.retry_failed)
