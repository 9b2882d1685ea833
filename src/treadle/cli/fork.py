"""`treadle fork`: a thread with the same beginning as another one."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from ..core import events as e
from ..core.tool import Tool
from ..core.visible import make_visible, visible_line
from ..flows.flow import Flow
from ..observe.short_text import call_text
from ..runtime.fork import fork as fork_thread
from ..runtime.sync import run_sync
from ..stores.open_store import open_store
from ..this_user import current_user
from .agents import Runner, make_runner, missing_agent, tools_by_name
from .agents_md import announce_instructions
from .ending import next_command
from .options import TurnOptions, name_thread
from .parameters import make_flag, make_option
from .session import Session
from .terminal import Screen, print_line
from .threads import open_thread


@dataclass(frozen=True, kw_only=True)
class ForkOptions(TurnOptions):
    thread: str = name_thread()
    at: int | None = make_option("SEQ", "The last record to share; else all.", min=1)
    edit: str | None = make_option(
        "TEXT", "Say this instead of the message that is record --at, else the last one."
    )
    no_run: bool = make_flag("Only make it; its name goes to standard output.")


def fork(settings: ForkOptions) -> int:
    """Make a thread with the same beginning: to try another message, model or agent from there."""
    agent = make_runner(settings, True)
    store = open_store(agent.store)
    parent = open_thread(store, settings.thread).thread_id
    edit = None
    if settings.edit is not None:
        edit = e.UserSaid(settings.edit, by=current_user())
    forked = run_sync(fork_thread(store, parent, at=settings.at, edit=edit, world=agent.world))
    screen = Screen()
    if not settings.quiet:
        _warn_of_effects(forked.ran, agent, screen)
    state = open_thread(store, forked.thread_id).state
    other = missing_agent(settings, state)
    if settings.no_run or state.phase == "idle" or other:
        print_line(forked.thread_id)
        command = "-t" if state.phase == "idle" else "resume"
        if not settings.quiet:
            go_on = next_command(command, forked.thread_id, settings, other)
            screen.note(f"go on: {go_on}", "dim")
        return 0
    if not settings.quiet:
        screen.note(f"thread {forked.thread_id}, forked from {visible_line(parent, 200)}", "dim")
    announce_instructions(agent, settings, screen)
    return Session(agent, forked.thread_id, screen, settings).resume()


def _warn_of_effects(ran: Iterable[e.Call], agent: Runner, screen: Screen) -> None:
    tools: Mapping[str, Tool] = {}
    if not isinstance(agent, Flow):
        tools = tools_by_name(agent)
    effects = [call for call in ran if not (call.name in tools and tools[call.name].read_only)]
    if not effects:
        return
    screen.note(
        "what these calls did, in the shared part, stays done; they are not run again:", "yellow"
    )
    for call in effects:
        screen.note(f"  {make_visible(call_text(call))}", "yellow")
