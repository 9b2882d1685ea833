"""`treadle due` lists what somebody has to resume; `treadle resume --all` resumes it."""

import asyncio
import sys
from dataclasses import dataclass, field, replace

from ..core.errors import TreadleError
from ..core.result import Result
from ..core.visible import visible_line
from ..runtime.agent import Agent
from ..runtime.due import Due, find_due
from ..runtime.listeners import Listener
from ..runtime.local_time import format_time
from ..runtime.sync import run_sync
from ..runtime.world import World
from ..stores.open_store import open_store
from .agents import Runner, choose_database, make_runner
from .ending import ANSWERED, EXIT_CODES, FAILED, LIMIT, WAITING
from .load_model import load_model
from .options import JSON, StoreOptions, TurnOptions
from .parameters import make_flag
from .signals import INTERRUPTED, TERMINATED, Terminated, handling_signals, let_go
from .tables import format_table
from .terminal import Screen, print_as_json, print_line
from .traces import trace_listeners
from .turn_printer import JsonPrinter

AT_ONCE = 4
"""How many threads are resumed side by side."""
MAX_ANSWER = 60


@dataclass(frozen=True, kw_only=True)
class DueOptions(StoreOptions):
    json: bool = make_flag(JSON)


def due(settings: DueOptions) -> int:
    """List the threads that are unfinished, wait for nobody and have no living driver."""
    store = choose_database(settings)
    found: list[Due] = []
    if store.exists():
        found = run_sync(find_due(store, World()))
    if settings.json:
        for each in found:
            print_as_json(each)
        return 0
    if found:
        rows = [(each.thread_id, format_time(each.updated_at), each.agent) for each in found]
        print_line(format_table(rows))
        Screen().note("resume them: treadle resume --all (--agent for agents of your own)", "dim")
    else:
        Screen().note("nothing is due", "dim")
    return 0


@dataclass
class _Resumed:
    """What has come of the threads so far."""

    json: bool
    codes: list[int] = field(default_factory=list)

    def report(self, name: str, result: Result | TreadleError) -> None:
        if isinstance(result, Result):
            self.codes.append(EXIT_CODES.get(result.status, FAILED))
            status, said = result.status, result.reason
            if result.status == "answered":
                said = result.answer
        else:
            self.codes.append(FAILED)
            status, said = "failed", str(result)
        if not self.json:
            shown = visible_line(said, MAX_ANSWER)
            print_line(f"{visible_line(name, 200)}  {status}  {shown}".rstrip())

    def code(self) -> int:
        """The exit code that says the worst of all."""
        for code in (FAILED, INTERRUPTED, LIMIT, WAITING):
            if code in self.codes:
                return code
        return ANSWERED


def resume_all(settings: TurnOptions) -> int:
    """Resume all threads of the agent that are due, and say of each how it ended."""
    screen = Screen()
    agent = make_runner(settings, False)
    names = run_sync(agent.due())
    _note_others(agent, names, screen)
    if not names:
        screen.note("nothing is due", "dim")
        return ANSWERED
    listeners: list[Listener] = [*agent.listeners, *trace_listeners(agent)]
    if settings.json:
        listeners.append(JsonPrinter(screen))
    if isinstance(agent, Agent):
        agent = load_model(agent, screen)
    resumed = _Resumed(settings.json)
    with handling_signals():
        try:
            run_sync(_resume_each(replace(agent, listeners=listeners), names, resumed))
        except Terminated:
            left = len(let_go())
            screen.note(
                f"stopped; {left} of the threads are left open, and are due again", "yellow"
            )
            raise SystemExit(TERMINATED) from None
    return resumed.code()


async def _resume_each(agent: Runner, names: list[str], resumed: _Resumed) -> None:
    free = asyncio.Semaphore(AT_ONCE)

    async def resume(name: str) -> None:
        async with free:
            try:
                resumed.report(name, await agent.resume(name))
            except TreadleError as error:
                resumed.report(name, error)

    async with asyncio.TaskGroup() as group:
        for name in names:
            group.create_task(resume(name))


def _note_others(agent: Runner, names: list[str], screen: Screen) -> None:
    """Say whose threads are due beside these."""
    store = open_store(agent.store)
    others = [each for each in run_sync(find_due(store, World())) if each.thread_id not in names]
    if others:
        of = ", ".join(sorted({visible_line(each.agent, 60) for each in others}))
        screen.note(f"due too, of other agents (--agent MODULE:NAME): {of}", "yellow")
        sys.stderr.flush()
