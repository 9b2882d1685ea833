"""The commands by which a person decides: `approve`, `answer`, `adopt`, `cancel`.

`settle` and `limit` stand beside this module, and take the same steps. They all only write to the
log, at any time, even while another process drives the thread. Whoever drives it next acts on the
decision: `treadle resume`, or these commands with `--resume`.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from msgspec.structs import replace

from ..core import events as e
from ..core.errors import UsageError
from ..core.tool import Tool
from ..core.visible import visible_block, visible_line, visible_word
from ..flows.flow import Flow
from ..runtime.agent import Agent
from ..runtime.log import Log, open_log
from ..runtime.sync import run_sync
from ..runtime.team import find_run_settings
from ..this_user import current_user
from .agents import (
    Runner,
    choose_store,
    make_runner,
    missing_agent,
    refuse_other,
)
from .ask_person import format_arguments
from .choose_call import choose_call, describe_last_decision
from .ending import next_command
from .options import BY, TurnOptions, VerdictOptions, name_thread
from .parameters import make_argument, make_flag, make_option
from .permissions import announce_always, read_always
from .session import Session
from .terminal import Screen
from .thread_tree import root_log
from .threads import open_thread, write

_CALL = "The call's id; not needed if only one waits."


@dataclass(frozen=True, kw_only=True)
class DecisionOptions(TurnOptions):
    """The options of every decision; those of an agent are for `--resume`."""

    thread: str = name_thread()
    by: str | None = make_option("NAME", BY)
    go_on: bool = make_flag("Then resume the turn.", name="--resume", short="-r")


@dataclass(frozen=True, kw_only=True)
class ApproveOptions(DecisionOptions):
    call: str | None = make_argument("CALL", _CALL, None)
    edit: str | None = make_option("JSON", "Run it with these arguments instead.")
    always: bool = make_flag(
        "Allow further calls of this tool in this turn, too: with any arguments, unless"
        " --only says which."
    )
    only: list[str] | None = make_option(
        "NAME=GLOB", "With --always: only where this argument fits, as path='docs/*'; repeatable."
    )
    deny: bool = make_flag("Refuse it.")
    why: str = make_option("TEXT", "Kept in the log; with --deny also told to the model.", "")


@dataclass(frozen=True, kw_only=True)
class AnswerOptions(DecisionOptions):
    text: str = make_argument("TEXT", "The answer.")
    call: str | None = make_option("CALL", _CALL)


def approve(settings: ApproveOptions) -> int:
    """Allow a waiting call, or refuse it with --deny. Resume the thread to continue its turn.

    A parked thread, at which several processes have died, is let go on.
    """
    if settings.deny and (settings.always or settings.edit is not None):
        raise UsageError("--deny refuses the call; --always and --edit allow it: choose one")
    if settings.only and not settings.always:
        raise UsageError("--only says which further calls are allowed; say --always, too")
    agent, log = open_for_decision(settings)
    call = choose_call(log, settings.call, "waiting", "parked")
    by = settings.by or current_user()
    if settings.deny:
        refusal = e.ApprovalGiven(call.id, False, by, settings.why, digest=call.digest)
        write(agent.post(call.thread_id, refusal))
        return finish_decision("denied", call, log, agent, settings)
    known = isinstance(agent, Flow) or call.name in _find_tools(call, log, agent)
    if settings.edit is not None and not known:
        raise UsageError(
            f"nobody here knows what {call.name} takes; name the agent that has it: --agent"
        )
    if settings.edit is not None:
        call = replace(call, final_arguments=settings.edit)
    always = None
    if settings.always:
        tools = _find_tools(call, log, agent) if settings.only else {}
        always = read_always(settings.only or (), call, tools.get(call.name))
    approval = e.ApprovalGiven(call.id, True, by, settings.why, settings.edit, always, call.digest)
    write(agent.post(call.thread_id, approval))
    if always and not settings.quiet:
        Screen().note(announce_always(call, always, settings))
    return finish_decision("allowed", call, log, agent, settings)


def answer(settings: AnswerOptions) -> int:
    """Answer a question of the agent. Resume the thread to continue its turn."""
    if not settings.text.strip():
        raise UsageError("the answer is empty; say something")
    agent, log = open_for_decision(settings)
    call = choose_call(log, settings.call, "question")
    by = settings.by or current_user()
    write(agent.post(call.thread_id, e.UserSaid(settings.text, answers=call.id, by=by)))
    Screen().note(visible_block(call.reason), "bold")
    return finish_decision("answered", call, log, agent, settings)


def adopt(settings: VerdictOptions) -> int:
    """Take an imported thread, with its children, as your own. Look at it first: treadle show."""
    agent = Agent(store=choose_store(settings))
    log = root_log(open_thread(agent.store, settings.thread))
    by = settings.by or current_user()
    run_sync(agent.post(log.thread_id, e.TrustChanged(True, by, settings.why)))
    state = open_thread(agent.store, log.thread_id).state
    command = "-t" if state.phase == "idle" else "resume"
    name = visible_line(log.thread_id, 200)
    go_on = next_command(command, log.thread_id, settings, missing_agent(settings, state))
    Screen().note(f"thread {name} is yours; go on: {go_on}")
    return 0


def cancel(settings: VerdictOptions) -> int:
    """End a thread's turn, in whatever process it runs."""
    agent = Agent(store=choose_store(settings))
    log = open_thread(agent.store, settings.thread)
    if not log.state.is_open:
        raise UsageError(f"there is no turn to cancel: {describe_last_decision(log)}")
    reason = f"by {settings.by or current_user()}"
    if settings.why:
        reason += f": {settings.why}"
    write(agent.post(log.thread_id, e.TurnEnded("cancelled", reason)))
    Screen().note(f"cancelled; thread {visible_line(log.thread_id, 200)} holds what was done")
    return 0


def open_for_decision(settings: DecisionOptions) -> tuple[Runner, Log]:
    """The agent and the log.

    The agent of the options is made only if needed: a decision can be posted without its model.
    """
    edits = isinstance(settings, ApproveOptions) and settings.edit is not None
    agent: Runner
    if settings.agent or settings.go_on or edits:
        agent = make_runner(settings, True)
    else:
        agent = Agent(store=choose_store(settings))
    log = open_thread(agent.store, settings.thread)
    if settings.go_on:
        refuse_other(settings, root_log(log).state, " to go on; nothing was written")
    return agent, log


def _find_tools(call: e.PendingDecision, log: Log, agent: Runner) -> Mapping[str, Tool]:

    async def find() -> Mapping[str, Tool]:
        child = await open_log(call.thread_id, log.store, log.world)
        return (await find_run_settings(child, agent.run_settings)).policy.tools

    return run_sync(find())


def finish_decision(
    done: str, call: e.PendingDecision, log: Log, agent: Runner, settings: DecisionOptions
) -> int:
    """Say what was decided, with all arguments of the call; then resume, or say how to."""
    screen = Screen()
    if not settings.quiet:
        if call.id:
            screen.note(f"{done}: {call.id} {visible_word(call.name)}", "bold")
            screen.note(format_arguments(call.final_arguments, screen.width))
        else:
            screen.note(f"{done}: thread {visible_line(call.thread_id, 200)} may go on", "bold")
    return resume_or_say_how(log, agent, settings, screen)


def resume_or_say_how(log: Log, agent: Runner, settings: DecisionOptions, screen: Screen) -> int:
    """After a decision: resume the thread where that is asked for, else name the command."""
    root = root_log(log)  # a child continues when its root is resumed
    if settings.go_on:
        return Session(agent, root.thread_id, screen, settings).resume()
    if not settings.quiet:
        other = missing_agent(settings, root.state)
        screen.note(f"go on: {next_command('resume', root.thread_id, settings, other)}", "dim")
    return 0
