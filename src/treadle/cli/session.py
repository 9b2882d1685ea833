"""Runs a turn from the command line: shows it, asks for decisions, returns the exit code."""

from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

from ..core import events as e
from ..core.errors import (
    IllegalEvent,
    ModelDenied,
    ModelUnavailable,
    TreadleError,
    TurnOpen,
    UnknownThread,
    UsageError,
)
from ..core.limits import RAISED
from ..core.links import find_children, is_child_in
from ..core.result import Result
from ..core.state import fold
from ..core.turn_after import failed_by_outage, goes_on_when_resumed, may_reopen
from ..core.visible import make_visible, visible_block, visible_command, visible_line
from ..flows.flow import Flow
from ..observe.agent_changes import changes_since_last_call
from ..runtime.agent import Agent
from ..runtime.listeners import Listener
from ..runtime.log import open_log
from ..runtime.sync import run_sync
from ..stores.open_store import open_store
from ..stores.store import Attended
from ..this_user import current_user
from .agents import Runner, missing_agent
from .ask_person import ask_for_decisions
from .ending import (
    EXIT_CODES,
    FAILED,
    USAGE,
    decision_commands,
    exit_code,
    next_command,
    raise_command,
)
from .load_model import load_model
from .options import TurnOptions
from .signals import INTERRUPTED, TERMINATED, Terminated, handling_signals, let_go
from .talk_on import run_and_listen
from .terminal import Screen, is_interactive, showing_warnings
from .thread_tree import merge_by_time, read_tree
from .threads import first_root_thread, list_thread_ids
from .traces import trace_listeners
from .turn_printer import JsonPrinter, OnceEach, TurnPrinter, format_limit

Start = Callable[[Runner], Coroutine[Any, Any, Result]]


@dataclass(frozen=True)
class Session:
    """An agent, a thread, and the screen that shows its turns."""

    agent: Runner
    thread_id: str
    screen: Screen
    settings: TurnOptions
    talks_on: bool = False
    """What the person types while a turn works is said into it."""

    def ask(self, text: str, key: str | None = None) -> int:
        """Run a turn with this message, show it, and return its exit code."""
        said = e.UserSaid(text, by=current_user())
        return self._run(lambda agent: agent.run(said, thread=self.thread_id, key=key))

    def resume(self, take: bool = False, retry_failed: bool = False) -> int:
        """Resume the thread's unfinished turn, show it, and return its exit code."""
        if retry_failed and not isinstance(self.agent, Flow):
            message = "--retry-failed is for flows and graphs: name one with --agent MODULE:NAME"
            return self._fail(message, USAGE)
        try:
            past = self._with_children(run_sync(read_records(self.agent, self.thread_id)))
            state = fold(record for record in past if record.thread_id == self.thread_id)
            changes: list[str] = []
            goes_on = goes_on_when_resumed(state.turn)
            if goes_on or state.is_open:
                changes = list(changes_since_last_call(state, self.agent.run_settings))
        except TreadleError as error:
            return self._fail(make_visible(str(error)), exit_code(error))
        if goes_on:
            why = "failed because no model could be reached"
            if not failed_by_outage(state.turn):
                why = "ended at a limit, which was raised since"
            self.screen.note(f"the last turn {why}", "yellow")
        elif state.phase == "idle" and retry_failed and may_reopen(state.turn):
            self.screen.note("what has failed runs again", "yellow")
        elif state.phase == "idle":
            self.screen.note(
                f"thread {self._name} has no unfinished turn; this was its last", "yellow"
            )
        store = open_store(self.agent.store)
        if not take and isinstance(store, Attended) and store.find_beat(state.claim) is not None:
            self.screen.note(
                f"another process drives thread {self._name}: waiting for it (--take takes it)",
                "yellow",
            )
        for change in changes:
            self.screen.note(f"since then {visible_line(change, 200)}", "yellow")

        def go_on(agent: Runner) -> Coroutine[Any, Any, Result]:
            if isinstance(agent, Flow):
                return agent.resume(self.thread_id, take=take, retry_failed=retry_failed)
            return agent.resume(self.thread_id, take=take)

        return self._run(go_on, past)

    def _run(self, start: Start, past: Sequence[e.Record] = ()) -> int:
        quiet = self.settings.quiet or self.settings.json
        checked = getattr(self.agent, "check_output", None) is not None
        printer = TurnPrinter(self.screen, self.thread_id, quiet, checked)
        once = OnceEach(printer)
        if self.settings.json:
            once = OnceEach(JsonPrinter(self.screen))
        for record in past:
            printer.learn(record)
        once.skip(past)
        try:
            with handling_signals(), showing_warnings(self.screen):
                try:
                    agent = self._make_listening_agent(once)
                    result = self._drive(agent, start(agent), once)
                except KeyboardInterrupt:
                    return self._cancel()
                except Terminated:
                    self._let_go()
                    raise SystemExit(TERMINATED) from None
        except TurnOpen as error:
            message = f"thread {self._name} has an unfinished turn"
            go_on = f"go on with it: {self._resume_command}"
            return self._fail(f"{message}; {go_on} ({make_visible(error.standing)})", USAGE)
        except (ModelUnavailable, ModelDenied) as error:
            code = self._fail(make_visible(str(error)), FAILED)
            if error.result:
                other = replace(self, settings=replace(self.settings, model=None))
                command = f"{other._resume_command} -m MODEL"
                self.screen.note(f"nothing is lost; later, or with another model: {command}")
            return code
        except TreadleError as error:
            return self._fail(make_visible(str(error)), exit_code(error))
        once.catch_up(self._with_children(result.records))
        if not self.settings.json:
            printer.finish(result)
        return self._report_end(result)

    def _make_listening_agent(self, once: OnceEach) -> Runner:
        agent = self.agent
        listeners: list[Listener] = [*agent.listeners, once, *trace_listeners(agent)]
        if isinstance(agent, Agent):
            agent = load_model(agent, self.screen)
        return replace(agent, listeners=listeners)

    def _drive(self, agent: Runner, work: Coroutine[Any, Any, Result], once: OnceEach) -> Result:
        """Drive the turn; if it waits and a person is there, ask for decisions and continue."""
        result = self._listen(agent, work)
        while result.status == "waiting" and is_interactive():
            once.catch_up(self._with_children(result.records))
            if not ask_for_decisions(agent, result, self.screen):
                break
            once.catch_up(self._with_children(run_sync(read_records(agent, self.thread_id))))
            result = self._listen(agent, agent.resume(self.thread_id))
        return result

    def _listen(self, agent: Runner, work: Coroutine[Any, Any, Result]) -> Result:
        """Drive the turn, and say into it what the person types meanwhile."""
        if not self.talks_on or not isinstance(agent, Agent):
            return run_sync(work)
        return run_and_listen(agent, work, self.thread_id, self.screen)

    def _with_children(self, own: Sequence[e.Record]) -> list[e.Record]:
        """These records of the thread, merged with those of its children."""
        store = open_store(self.agent.store)
        threads = [own]
        for started in find_children(own):
            log = run_sync(open_log(started.thread_id, store, self.agent.world))
            if is_child_in(own, started, log.records):
                threads += [each.records for each in read_tree(log)]
        return merge_by_time(threads)

    def _report_end(self, result: Result) -> int:
        match result.status:
            case "limit":
                self.screen.note(format_limit(result), "yellow")
                if result.reason in RAISED:
                    more = raise_command(result.reason, self.thread_id, self.settings)
                    self.screen.note(f"let it use more: {more}", "dim")
            case "refused" | "cancelled":
                why = visible_block(result.reason or result.answer)
                self.screen.note(f"{result.status}: {why}", "red")
            case "waiting":
                self._report_wait(result)
            case "unfinished":
                self.screen.note(f"thread {self._name} has nothing more to do here", "yellow")
        return EXIT_CODES.get(result.status, FAILED)

    def _report_wait(self, result: Result) -> None:
        reason = visible_block(result.reason)
        commands = "; ".join(decision_commands(result.waiting, self.thread_id, self.settings))
        if all(call.status == "pending" for call in result.waiting):
            self.screen.note(f"waits for work elsewhere: {reason}", "yellow")
            self.screen.note(f"once it has ended: {commands}", "yellow")
            return
        self.screen.note(f"waits for you: {reason}", "yellow")
        self.screen.note(f"decide on a terminal: {self._resume_command}", "yellow")
        self.screen.note(f"or from elsewhere: {commands}", "yellow")

    def _cancel(self) -> int:
        """After Ctrl-C, end a turn that waited for a decision; a driven one has ended already."""
        self.screen.interrupted()
        cancelled = e.TurnEnded("cancelled", f"by {current_user()}")
        with suppress(IllegalEvent, UnknownThread):  # there is no turn to end
            run_sync(self.agent.post(self.thread_id, cancelled))
        self.screen.note(f"stopped; thread {self._name} holds what was done", "yellow")
        return INTERRUPTED

    def _let_go(self) -> None:
        """After SIGTERM, leave the turn open once what is under way has had its time."""
        if let_go():
            self.screen.note(f"stopped; nothing is lost: {self._resume_command}", "yellow")
        else:
            name = visible_command(["treadle", "show", self.thread_id])
            self.screen.note(f"stopped; what was done is in the thread: {name}", "yellow")

    def _fail(self, message: str, code: int) -> int:
        self.screen.note(f"error: {message}", "red")
        return code

    @property
    def _name(self) -> str:
        return visible_line(self.thread_id, 200)

    @property
    def _resume_command(self) -> str:
        try:
            state = fold(run_sync(read_records(self.agent, self.thread_id)))
        except TreadleError:  # the caller reports what is wrong with the thread
            return next_command("resume", self.thread_id, self.settings)
        other = missing_agent(self.settings, state)
        return next_command("resume", self.thread_id, self.settings, other)


async def read_records(agent: Runner, thread_id: str) -> list[e.Record]:
    """All records of the thread; none if it does not exist."""
    return (await open_log(thread_id, open_store(agent.store), agent.world)).records


def find_last_thread(agent: Runner) -> str:
    """The thread that was written last and is no child. Raises UsageError if there is none."""
    store = open_store(agent.store)
    names = list_thread_ids(store)
    if not names:
        raise UsageError("there is no thread to continue yet; ask something first")
    return first_root_thread(store, names)
