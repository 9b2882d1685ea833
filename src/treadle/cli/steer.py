"""`treadle steer`: says something in a thread, whatever it is at."""

from dataclasses import dataclass

from ..core.errors import UsageError
from ..core.events import UserSaid
from ..core.visible import visible_line
from ..flows.flow import Flow
from ..this_user import current_user
from .agents import make_runner, refuse_other
from .agents_md import announce_instructions
from .ending import next_command
from .options import TurnOptions, name_thread
from .parameters import make_argument, make_option
from .session import Session
from .terminal import Screen
from .threads import open_thread, write


@dataclass(frozen=True, kw_only=True)
class SteerOptions(TurnOptions):
    thread: str = name_thread()
    text: str = make_argument("TEXT", "What is said.")
    by: str | None = make_option("NAME", "Who says it; default: your login name.")
    key: str | None = make_option("KEY", "Names the message: with the same key again, it is once.")


def steer(settings: SteerOptions) -> int:
    """Say something in a thread while it works or waits: the next model call sees it.

    After the turn's end it opens the next one. Where nobody drives the thread, this command does.
    """
    if not settings.text.strip():
        raise UsageError("the message is empty; say something")
    agent = make_runner(settings, True)
    if isinstance(agent, Flow):
        raise UsageError("a flow's code sees no messages: name an agent with --agent")
    log = open_thread(agent.store, settings.thread)
    refuse_other(settings, log.state)
    said = UserSaid(settings.text, by=settings.by or current_user())
    steered = write(agent.steer(log.thread_id, said, key=settings.key))
    screen = Screen()
    name = visible_line(log.thread_id, 200)
    if not steered.to_resume:
        if not settings.quiet:
            tail = next_command("tail", log.thread_id, settings)
            screen.note(f"said; whoever drives thread {name} goes on with it: {tail}")
        return 0
    if steered.opened and not settings.quiet:
        screen.note(f"the turn of thread {name} was over: this opens the next one", "yellow")
    announce_instructions(agent, settings, screen)
    return Session(agent, steered.to_resume, screen, settings).resume()
