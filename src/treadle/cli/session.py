"""One turn, from the command line: driven, shown, decided on in place, and what its end means for a shell."""

import os
import shlex
import signal
import sys
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from typing import Any

from ..core import events as e
from ..core.errors import IllegalEvent, TreadleError, TurnOpen, UnknownThread, UsageError
from ..core.result import Result
from ..core.state import OPEN_PHASES, fold
from ..observe.explain import changes_since_last_call
from ..observe.visible import make_visible, visible_line
from ..runtime.agent import Agent
from ..runtime.listeners import Listener
from ..runtime.log import open_log
from ..runtime.sync import run_sync
from ..stores.sqlite import SQLiteStore
from .agents import missing_agent
from .ask_person import ask_for_decisions, current_user
from .loading import load_model
from .options import AgentSettings, InStore, Settings
from .runner import Runner
from .show import JsonLines, Once, Show, format_limit
from .terminal import Screen, is_interactive, showing_warnings
from .thread_tree import child_ids, merge_by_time, read_tree
from .threads import first_root_thread, list_thread_ids
from .traces import trace_listeners

ANSWERED, FAILED, USAGE, LIMIT, WAITING, INTERRUPTED = 0, 1, 2, 3, 4, 130
"""Exit codes."""
Start = Callable[[Runner], Coroutine[Any, Any, Result]]
DECISION_COMMANDS = {"waiting": "approve", "question": "answer", "unknown": "decide"}
"""Which command decides on a call of that status."""
EXIT_CODES = {"answered": ANSWERED, "limit": LIMIT, "waiting": WAITING, "cancelled": INTERRUPTED}


@dataclass(frozen=True)
class Session:
    """An agent, a thread and the screen on which its turns are shown."""

    agent: Runner
    thread_id: str
    screen: Screen
    settings: Settings

    def ask(self, text: str) -> int:
        """Say this in the thread. The exit code of the turn; whatever there is to say of it has been said."""
        return self._turn(lambda agent: agent.run(text, thread=self.thread_id))

    def resume(self) -> int:
        """Go on with the thread's unfinished turn; the exit code of the turn."""
        try:
            past = self._told(run_sync(read_records(self.agent, self.thread_id)))
            state = fold(record for record in past if record.thread_id == self.thread_id)
            changed = (
                changes_since_last_call(state, self.agent.run_settings)
                if state.phase in OPEN_PHASES
                else []
            )
        except TreadleError as error:
            return self._refused(make_visible(str(error)), exit_code(error))
        if state.phase == "idle":
            self.screen.note(
                f"thread {self._name} has no unfinished turn; this was its last", "yellow"
            )
        for change in changed:
            self.screen.note(f"since then {visible_line(change, 200)}", "yellow")
        return self._turn(lambda agent: agent.resume(self.thread_id), past)

    def _turn(self, start: Start, past: Sequence[e.Record] = ()) -> int:
        show = Show(self.screen, self.thread_id, self.settings.quiet or self.settings.json)
        once = Once(JsonLines(self.screen) if self.settings.json else show)
        for record in past:
            show.learn(record)
        once.skip(past)
        try:
            with quit_on_second_interrupt(), showing_warnings(self.screen):
                try:
                    watching: list[Listener] = [
                        *self.agent.listeners,
                        once,
                        *trace_listeners(self.agent),
                    ]
                    agent = replace(self._loaded(), listeners=watching)
                    result = self._settled(agent, start(agent), once)
                except KeyboardInterrupt:
                    return self._stopped()
        except TurnOpen:
            return self._refused(
                f"thread {self._name} has an unfinished turn; go on with it: {self._resume}", USAGE
            )
        except TreadleError as error:
            return self._refused(make_visible(str(error)), exit_code(error))
        once.catch_up(self._told(result.records))
        if not self.settings.json:
            show.finish(result)
        return self._ended(result)

    def _loaded(self) -> Runner:
        return load_model(self.agent, self.screen) if isinstance(self.agent, Agent) else self.agent

    def _settled(self, agent: Runner, work: Coroutine[Any, Any, Result], once: Once) -> Result:
        """Drive the turn; where it waits for a person who is there, ask and go on."""
        result = run_sync(work)
        while result.status == "waiting" and is_interactive():
            once.catch_up(self._told(result.records))
            if not ask_for_decisions(agent, result, self.screen):
                break
            once.catch_up(self._told(run_sync(read_records(agent, self.thread_id))))
            result = run_sync(agent.resume(self.thread_id))
        return result

    def _told(self, own: Sequence[e.Record]) -> list[e.Record]:
        """These records of the thread, and those of the threads that worked for them."""
        store, world = self.agent.store or SQLiteStore(), self.agent.world
        below = [run_sync(open_log(child, store, world)) for child in child_ids(own)]
        return merge_by_time([own, *(log.records for each in below for log in read_tree(each))])

    def _ended(self, result: Result) -> int:
        match result.status:
            case "limit":
                self.screen.note(format_limit(result), "yellow")
            case "refused" | "cancelled":
                self.screen.note(
                    f"{result.status}: {make_visible(result.reason or result.answer)}", "red"
                )
            case "waiting":
                self.screen.note(f"waits for you: {make_visible(result.reason)}", "yellow")
                self.screen.note(f"decide on a terminal: {self._resume}", "yellow")
                commands = sorted({DECISION_COMMANDS[call.status] for call in result.waiting})
                elsewhere = "; ".join(
                    next_command(command, self.thread_id, self.settings) for command in commands
                )
                self.screen.note(f"or from elsewhere: {elsewhere}", "yellow")
            case "unfinished":
                self.screen.note(f"thread {self._name} has nothing more to do here", "yellow")
        return EXIT_CODES.get(result.status, FAILED)

    def _stopped(self) -> int:
        """After Ctrl-C. A turn that was being driven has ended already; one that waited for a decision ends here."""
        self.screen.interrupted()
        with suppress(IllegalEvent, UnknownThread):  # there is no turn to end
            run_sync(
                self.agent.post(self.thread_id, e.TurnEnded("cancelled", f"by {current_user()}"))
            )
        self.screen.note(f"stopped; thread {self._name} holds what was done", "yellow")
        return INTERRUPTED

    def _refused(self, message: str, code: int) -> int:
        self.screen.note(f"error: {message}", "red")
        return code

    @property
    def _name(self) -> str:
        return visible_line(self.thread_id, 200)

    @property
    def _resume(self) -> str:
        try:
            state = fold(run_sync(read_records(self.agent, self.thread_id)))
        except TreadleError:  # it is said elsewhere what is wrong with it
            return next_command("resume", self.thread_id, self.settings)
        return next_command(
            "resume", self.thread_id, self.settings, missing_agent(self.settings, state)
        )


def next_command(command: str, thread_id: str, settings: InStore, other: str = "") -> str:
    """The command line that does this to the thread, with the same agent and database. Safe to show.

    `other` is the agent that must be named, where these settings don't (`other_agent`).
    """
    words = ["treadle", command, thread_id]
    words += (
        ["--agent", settings.agent]
        if isinstance(settings, AgentSettings) and settings.agent
        else []
    )
    words += ["--agent", "MODULE:NAME"] if other else []
    if isinstance(settings, AgentSettings):
        words += [word for each in settings.option or () for word in ("-o", each)]
    words += ["--db", settings.db] if settings.db else []
    return make_visible(shlex.join(words)) + (
        f" (with the agent {visible_line(other, 100)})" if other else ""
    )


@contextmanager
def quit_on_second_interrupt() -> Iterator[None]:
    """Ctrl-C once raises KeyboardInterrupt; again, while the turn is being ended, it ends the process at once."""
    pressed = False

    def press(number: int, frame: object) -> None:
        nonlocal pressed
        if pressed:
            os._exit(INTERRUPTED)
        pressed = True
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGINT, press)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


async def read_records(agent: Runner, thread_id: str) -> list[e.Record]:
    """All of the thread's records; none where there is no such thread."""
    return (await open_log(thread_id, agent.store or SQLiteStore(), agent.world)).records


def find_last_thread(agent: Runner) -> str:
    """The person's thread that was written to last. Raises UsageError where there is none."""
    store = agent.store or SQLiteStore()
    names = list_thread_ids(store)
    if not names:
        raise UsageError("there is no thread to continue yet; ask something first")
    return first_root_thread(store, names)


def report_error(error: TreadleError) -> int:
    """Say what is wrong, on standard error; the exit code."""
    print(f"error: {make_visible(str(error))}", file=sys.stderr)
    return exit_code(error)


def exit_code(error: TreadleError) -> int:
    """The exit code that an error means."""
    return USAGE if isinstance(error, UsageError) else FAILED
