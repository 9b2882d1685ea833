"""The commands by which a person decides: `approve`, `answer`, `settle`, `adopt`, `cancel`, `fork`.

They only write to the log, at any time, even while another process drives the thread. Whoever
drives it next acts on the decision: `treadle resume`, or these commands with `--resume`.
"""

from collections.abc import Coroutine, Iterable, Mapping
from typing import Any, Literal

from msgspec.structs import replace

from ..core import events as e
from ..core.errors import IllegalEvent, UsageError
from ..core.tool import Tool
from ..core.visible import make_visible, visible_block, visible_line, visible_word
from ..flows.flow import Flow
from ..observe.short_text import call_text
from ..runtime.agent import Agent
from ..runtime.fork import fork as fork_thread
from ..runtime.log import Log, open_log
from ..runtime.post import refuse_while_running
from ..runtime.sync import run_sync
from ..runtime.team import find_run_settings
from ..stores.open_store import open_store
from ..this_user import current_user
from .agents import (
    Runner,
    choose_store,
    make_runner,
    missing_agent,
    missing_agent_message,
    tools_by_name,
)
from .agents_md import announce_instructions
from .ask_person import format_arguments
from .choose_call import choose_call, describe_last_decision, read_handle_text
from .ending import next_command
from .handles import (
    find_waiting,
    name_thread_of_handle,
    read_result,
    settle_by_handle,
)
from .permissions import announce_always, read_always
from .session import Session
from .terminal import Screen, print_line
from .thread_options import (
    AdoptOptions,
    AnswerOptions,
    ApproveOptions,
    CancelOptions,
    DecisionOptions,
    ForkOptions,
    SettleOptions,
)
from .thread_tree import root_log
from .threads import open_thread

_OUTCOMES = {"ran": "it ran", "not_run": "it may run", "tell": "nobody knows"}


def approve(settings: ApproveOptions) -> int:
    """Allow a waiting call, or refuse it with --deny. Resume the thread to continue its turn.

    A parked thread, at which several processes have died, is let go on.
    """
    if settings.deny and (settings.always or settings.edit is not None):
        raise UsageError("--deny refuses the call; --always and --edit allow it: choose one")
    if settings.only and not settings.always:
        raise UsageError("--only says which further calls are allowed; say --always, too")
    agent, log = _open(settings)
    call = choose_call(log, settings.call, "waiting", "parked")
    by = settings.by or current_user()
    if settings.deny:
        refusal = e.ApprovalGiven(call.id, False, by, settings.why, digest=call.digest)
        _post(agent.post(call.thread_id, refusal))
        return _finish("denied", call, log, agent, settings)
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
    _post(agent.post(call.thread_id, approval))
    if always and not settings.quiet:
        Screen().note(announce_always(call, always, settings))
    return _finish("allowed", call, log, agent, settings)


def answer(settings: AnswerOptions) -> int:
    """Answer a question of the agent. Resume the thread to continue its turn."""
    if not settings.text.strip():
        raise UsageError("the answer is empty; say something")
    agent, log = _open(settings)
    call = choose_call(log, settings.call, "question")
    by = settings.by or current_user()
    _post(agent.post(call.thread_id, e.UserSaid(settings.text, answers=call.id, by=by)))
    Screen().note(visible_block(call.reason), "bold")
    return _finish("answered", call, log, agent, settings)


def settle(settings: SettleOptions) -> int:
    """Say what became of a call that was cut off, or whose work goes on elsewhere.

    A crash or its time-out cut it off. It ran, with its result, it has failed, it did not run, or
    nobody knows. A call of work elsewhere is found by its handle, too: the same result twice is
    one. A process that still drives the thread of such a call is stopped.
    """
    outcome = _choose_outcome(settings)
    settings = name_thread_of_handle(settings)
    agent, log = _open(settings)
    call = find_waiting(log, settings)
    if call is None or outcome == "failed" or (call.status == "pending" and outcome == "ran"):
        return _settle_result(settings, agent, log, call)
    if not settings.take:
        refuse_while_running(run_sync(open_log(call.thread_id, log.store, log.world)), call.id)
    content = ""
    if outcome == "ran":
        content = settings.result or "done"
    by = settings.by or current_user()
    decided = e.OutcomeDecided(call.id, outcome, by, content, settings.why, digest=call.digest)
    _post(agent.post(call.thread_id, decided))
    return _finish(_OUTCOMES[outcome], call, log, agent, settings)


def _settle_result(
    settings: SettleOptions, agent: Runner, log: Log, call: e.PendingDecision | None
) -> int:
    """Post the result of work elsewhere, or that it has failed."""
    if settings.not_run or settings.tell:
        raise UsageError("the call has its result already; nothing was written")
    result = read_result(log, call, settings)
    by = settings.by or current_user()
    if call:
        settle_by_handle(agent, call.thread_id, call.id, result, by)
        return _finish("settled", call, log, agent, settings)
    handle = read_handle_text(settings.call or "")
    settle_by_handle(agent, log.thread_id, handle, result, by)
    Screen().note("it has this result already; nothing was written", "dim")
    return 0


def adopt(settings: AdoptOptions) -> int:
    """Take an imported thread, with its children, as your own. Look at it first: treadle show."""
    agent = Agent(store=choose_store(settings))
    store = open_store(agent.store)
    log = root_log(open_thread(store, settings.thread))
    by = settings.by or current_user()
    run_sync(agent.post(log.thread_id, e.TrustChanged(True, by, settings.why)))
    state = open_thread(store, log.thread_id).state
    command = "-t" if state.phase == "idle" else "resume"
    name = visible_line(log.thread_id, 200)
    go_on = next_command(command, log.thread_id, settings, missing_agent(settings, state))
    Screen().note(f"thread {name} is yours; go on: {go_on}")
    return 0


def cancel(settings: CancelOptions) -> int:
    """End a thread's turn, in whatever process it runs."""
    agent = Agent(store=choose_store(settings))
    store = open_store(agent.store)
    log = open_thread(store, settings.thread)
    if not log.state.is_open:
        raise UsageError(f"there is no turn to cancel: {describe_last_decision(log)}")
    reason = f"by {settings.by or current_user()}"
    if settings.why:
        reason += f": {settings.why}"
    _post(agent.post(log.thread_id, e.TurnEnded("cancelled", reason)))
    Screen().note(f"cancelled; thread {visible_line(log.thread_id, 200)} holds what was done")
    return 0


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


def _choose_outcome(settings: SettleOptions) -> Literal["ran", "not_run", "tell", "failed"]:
    outcomes: list[Literal["ran", "not_run", "tell", "failed"]] = []
    if settings.ran or settings.result is not None:
        outcomes.append("ran")
    if settings.not_run:
        outcomes.append("not_run")
    if settings.tell:
        outcomes.append("tell")
    if settings.failed is not None:
        outcomes.append("failed")
    if len(outcomes) != 1:
        raise UsageError(
            "say one of --ran (and --result TEXT), --failed TEXT, --not-run and --tell"
        )
    return outcomes[0]


def _open(settings: ApproveOptions | AnswerOptions | SettleOptions) -> tuple[Runner, Log]:
    """The agent and the log.

    The agent of the options is made only if needed: a decision can be posted without its model.
    """
    edits = isinstance(settings, ApproveOptions) and settings.edit is not None
    agent: Runner
    if settings.agent or settings.go_on or edits:
        agent = make_runner(settings, True)
    else:
        agent = Agent(store=choose_store(settings))
    store = open_store(agent.store)
    log = open_thread(store, settings.thread)
    if settings.go_on and (other := missing_agent(settings, root_log(log).state)):
        raise UsageError(f"{missing_agent_message(other)} to go on; nothing was written")
    return agent, log


def _find_tools(call: e.PendingDecision, log: Log, agent: Runner) -> Mapping[str, Tool]:
    """The tools of the agent that drives the call's thread."""

    async def find() -> Mapping[str, Tool]:
        child = await open_log(call.thread_id, log.store, log.world)
        return (await find_run_settings(child, agent.run_settings)).policy.tools

    return run_sync(find())


def _post(work: Coroutine[Any, Any, Any]) -> None:
    """Write a decision. Raises UsageError if someone else was faster."""
    try:
        run_sync(work)
    except IllegalEvent as error:
        raise UsageError(f"{error}; nothing was written") from None


def _finish(
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
