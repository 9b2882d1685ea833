"""The commands by which a person decides: `approve`, `answer`, `decide`, `cancel`, `fork`.

They only write to the log, at any time, also of a thread that another process drives. What follows from it is done
by whoever drives the thread next: `treadle resume`, or these with `--resume`.
"""

from collections.abc import Coroutine, Mapping, Sequence
from typing import Any, Literal

from msgspec.structs import replace

from ..core import events as e
from ..core.call import find_pending_decisions
from ..core.errors import IllegalEvent, UsageError
from ..core.state import OPEN_PHASES
from ..core.tool import Tool
from ..flows.flow import Flow
from ..observe.short_text import call_text
from ..observe.visible import make_visible, visible_block, visible_line, visible_word
from ..runtime.agent import Agent
from ..runtime.fork import fork as forked
from ..runtime.log import Log, open_log
from ..runtime.sync import run_sync
from ..runtime.team import find_run_settings
from .agents import choose_store, missing_agent, missing_agent_message, tools_by_name
from .ask_person import current_user, format_arguments
from .folder_instructions import announce_instructions
from .runner import Runner, make_runner
from .session import Session, next_command
from .tables import format_time
from .terminal import Screen, print_line
from .thread_options import Answer, Approve, Cancel, Decide, Fork, Posting
from .thread_tree import read_tree, root_log
from .threads import open_thread

_WAITING = {
    "approve": "waits for approval",
    "answer": "asks a question",
    "decide": "has an unknown outcome",
}


def approve(settings: Approve) -> int:
    """Allow a call that waits for it, or refuse it with --deny. The turn goes on when it is resumed."""
    if settings.deny and (settings.always or settings.edit is not None):
        raise UsageError("--deny refuses the call; --always and --edit allow it: choose one")
    agent, log = _opened(settings)
    call = _chosen(log, settings.call, ("waiting",), "approve")
    by = settings.by or current_user()
    if settings.deny:
        _post(agent.post(call.thread_id, e.ApprovalGiven(call.id, False, by, settings.why)))
        return _posted("denied", call, log, agent, settings)
    if settings.edit is not None and call.name not in _tools(call, log, agent):
        raise UsageError(
            f"nobody here knows what {call.name} takes; name the agent that has it: --agent"
        )
    given = e.ApprovalGiven(call.id, True, by, settings.why, settings.edit, settings.always)
    _post(agent.post(call.thread_id, given))
    return _posted("allowed", call, log, agent, settings, settings.edit)


def answer(settings: Answer) -> int:
    """Answer a question that the agent asks. The turn goes on when it is resumed."""
    if not settings.text.strip():
        raise UsageError("the answer is empty; say something")
    agent, log = _opened(settings)
    call = _chosen(log, settings.call, ("question",), "answer")
    _post(
        agent.post(
            call.thread_id,
            e.UserSaid(settings.text, answers=call.id, by=settings.by or current_user()),
        )
    )
    Screen().note(visible_block(call.reason), "bold")
    return _posted("answered", call, log, agent, settings)


def settle(settings: Decide) -> int:
    """Say what became of a call that a crash interrupted: it ran, it did not, or nobody knows.

    If a process still drives the thread, it is stopped.
    """
    outcomes: dict[Literal["ran", "not_run", "tell"], bool] = {
        "ran": settings.ran or settings.result is not None,
        "not_run": settings.not_run,
        "tell": settings.tell,
    }
    said: list[Literal["ran", "not_run", "tell"]] = [
        outcome for outcome, chosen in outcomes.items() if chosen
    ]
    if len(said) != 1:
        raise UsageError("say one of --ran (and --result TEXT), --not-run and --tell")
    agent, log = _opened(settings)
    call = _chosen(log, settings.call, ("unknown",), "decide")
    content = (settings.result or "done") if said[0] == "ran" else ""
    by = settings.by or current_user()
    _post(agent.post(call.thread_id, e.OutcomeDecided(call.id, said[0], by, content, settings.why)))
    return _posted(
        {"ran": "it ran", "not_run": "it may run", "tell": "nobody knows"}[said[0]],
        call,
        log,
        agent,
        settings,
    )


def cancel(settings: Cancel) -> int:
    """End a thread's turn, in whatever process it runs."""
    agent = Agent(store=choose_store(settings))
    assert agent.store
    log = open_thread(agent.store, settings.thread)
    if log.state.phase not in OPEN_PHASES:
        raise UsageError(f"there is no turn to cancel: {_instead(log)}")
    reason = f"by {settings.by or current_user()}" + (f": {settings.why}" if settings.why else "")
    _post(agent.post(log.thread_id, e.TurnEnded("cancelled", reason)))
    Screen().note(f"cancelled; thread {visible_line(log.thread_id, 200)} holds what was done")
    return 0


def fork(settings: Fork) -> int:
    """A new thread that shares the beginning of another: to try another message, model or agent from there."""
    agent = make_runner(settings, True)
    assert agent.store
    parent = open_thread(agent.store, settings.thread).thread_id
    made = run_sync(
        forked(agent.store, parent, at=settings.at, edit=settings.edit, world=agent.world)
    )
    tools, screen = {} if isinstance(agent, Flow) else tools_by_name(agent), Screen()
    effects = [call for call in made.ran if not (call.name in tools and tools[call.name].read_only)]
    if effects and not settings.quiet:
        screen.note(
            "what these calls did, in the shared part, stays done; they are not run again:",
            "yellow",
        )
        for call in effects:
            screen.note(f"  {make_visible(call_text(call))}", "yellow")
    made_log = open_thread(agent.store, made.thread_id)
    open_turn = made_log.state.phase != "idle"
    if settings.no_run or not open_turn:
        print_line(made.thread_id)
        other = missing_agent(settings, made_log.state)
        go_on = next_command("resume" if open_turn else "-t", made.thread_id, settings, other)
        if not settings.quiet:
            screen.note(f"go on: {go_on}", "dim")
        return 0
    if not settings.quiet:
        screen.note(f"thread {made.thread_id}, forked from {visible_line(parent, 200)}", "dim")
    announce_instructions(agent, settings, screen)
    return Session(agent, made.thread_id, screen, settings).resume()


def _opened(settings: Approve | Answer | Decide) -> tuple[Runner, Log]:
    """An agent is made only where it is needed: a decision can be posted where its model can't be used."""
    edits = isinstance(settings, Approve) and settings.edit is not None
    needed = settings.agent or settings.go_on or edits
    agent = make_runner(settings, True) if needed else Agent(store=choose_store(settings))
    assert agent.store
    log = open_thread(agent.store, settings.thread)
    if settings.go_on and (other := missing_agent(settings, root_log(log).state)):
        raise UsageError(f"{missing_agent_message(other)} to go on; nothing was written")
    return agent, log


def _chosen(
    log: Log, call_id: str | None, statuses: Sequence[str], command: str
) -> e.PendingDecision:
    """The call that is meant, of those that can be decided in this way. Raises UsageError, which says what there is."""
    found = [held for held in _open(log) if held.status in statuses]
    named = [call for call in found if call_id in (None, call.id)]
    if len(named) == 1:
        return named[0]
    name, what = visible_line(log.thread_id, 200), _WAITING[command]
    if call_id is not None and not named and (settled := _settled(log, call_id)):
        raise UsageError(f"call {call_id} of thread {name} {settled}; nothing was written")
    there = ", ".join(_named(held, log) for held in found)
    if call_id is not None:
        instead = f"those that do: {there}" if there else _instead(log)
        raise UsageError(f"no call {call_id!r} of thread {name} {what}; {instead}")
    if found:
        raise UsageError(f"{len(found)} calls of thread {name} are open, say which: {there}")
    raise UsageError(f"no call of thread {name} {what}; {_instead(log)}")


def _open(log: Log) -> list[e.PendingDecision]:
    """What can be decided on, in this thread and in those that work for it; a running call too."""
    turn, found = log.state.turn, list[e.PendingDecision]()
    for call in turn.calls if turn and not turn.ended else ():
        if (
            call.child and call.status != "done"
        ):  # as its own log has it: what this one says may be decided already
            found += _open(run_sync(open_log(call.child.thread_id, log.store, log.world)))
        else:
            now = replace(call, status="unknown") if call.status == "started" else call
            found += find_pending_decisions(now, log.thread_id)
    return found


def _tools(call: e.PendingDecision, log: Log, agent: Runner) -> Mapping[str, Tool]:
    """Of whoever drives the thread of that call."""

    async def found() -> Mapping[str, Tool]:
        return (
            await find_run_settings(
                await open_log(call.thread_id, log.store, log.world), agent.run_settings
            )
        ).policy.tools

    return run_sync(found())


def _named(held: e.PendingDecision, log: Log) -> str:
    below = (
        f" in thread {visible_line(held.thread_id, 200)}" if held.thread_id != log.thread_id else ""
    )
    return f"{held.id} {call_text(e.Call(held.id, held.name, held.final_arguments))}{below}"


def _instead(log: Log) -> str:
    """Why there is nothing to decide: what was decided last in this turn, or how it ended."""
    turn = log.state.turn
    if turn is None or turn.ended:
        return (
            f"its last turn has ended: {turn.ended.status}"
            if turn and turn.ended
            else "it has no turn yet"
        )
    for record in reversed(log.records[turn.opened_seq :]):
        match record.event:
            case (
                e.ApprovalGiven(call_id=found)
                | e.OutcomeDecided(call_id=found)
                | e.UserSaid(answers=found)
            ):
                return f"the last that did, {found}, {_settled(log, found)}"
    return f"treadle explain {visible_line(log.thread_id, 200)} says where it stands"


def _settled(log: Log, call_id: str) -> str:
    """What the log, or one below it, says of a call that has been decided on; "" where nothing."""
    for record in reversed(
        [record for each in reversed(read_tree(log)) for record in each.records]
    ):
        at = format_time(record.at)
        match record.event:
            case (
                e.ToolReturned(call_id=found) | e.ToolFailed(call_id=found, retry_after_s=None)
            ) if found == call_id:
                return f"has a result already, since {at}"
            case e.OutcomeDecided(call_id=found, by=by) if found == call_id:
                return f"was decided on already, by {visible_line(by, 80)} at {at}"
            case e.ApprovalGiven(call_id=found, allowed=allowed, by=by) if found == call_id:
                return f"was {'allowed' if allowed else 'denied'} already, by {visible_line(by, 80)} at {at}"
            case e.UserSaid(answers=found) if found == call_id:
                return f"was answered already, at {at}"
    return ""


def _post(work: Coroutine[Any, Any, None]) -> None:
    """Write it. Raises UsageError where somebody was quicker."""
    try:
        run_sync(work)
    except IllegalEvent as error:
        raise UsageError(f"{error}; nothing was written") from None


def _posted(
    what: str,
    call: e.PendingDecision,
    log: Log,
    agent: Runner,
    settings: Posting,
    arguments: str | None = None,
) -> int:
    """Say what was decided, with all of the call's arguments; then go on, or say how."""
    screen = Screen()
    if not settings.quiet:
        screen.note(f"{what}: {call.id} {visible_word(call.name)}", "bold")
        screen.note(format_arguments(call.final_arguments if arguments is None else arguments))
    top = root_log(log)  # what is held below goes on when the thread goes on that it works for
    if settings.go_on:
        return Session(agent, top.thread_id, screen, settings).resume()
    if not settings.quiet:
        go_on = next_command("resume", top.thread_id, settings, missing_agent(settings, top.state))
        screen.note(f"go on: {go_on}", "dim")
    return 0
