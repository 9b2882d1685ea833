"""What an open turn waits for. Pure.

This is the one rule for results, lists, explanations and parents: a turn waits where `decide` says
Wait to whoever would drive it next, and then what it waits for is listed.
"""

import dataclasses
from collections.abc import Iterable, Mapping

from msgspec.structs import replace

from . import events as e
from .account import describe_account, thread_of
from .call import CallState, find_pending_decisions
from .decide import PollCalls, Wait, decide
from .describe import policy_from
from .errors import UsageError
from .limits import format_amount, name_unit
from .policy import Policy
from .state import State, apply, is_parked
from .tool import Tool

IMPORTED = "it was imported, and nobody has adopted it"


def after_claim(state: State, thread_id: str = "", reopens: bool = False) -> State:
    """The state that a new driver finds, or one that reopens the turn."""
    claim = e.ThreadClaimed("next", reopens=reopens)
    return apply(state, e.Record(thread_id, state.seq + 1, state.at, claim, 0.0))


def imported_decision(thread_id: str, state: State) -> e.PendingDecision:
    """What a person must decide before anything else of an imported thread: to adopt it or not."""
    return e.PendingDecision(thread_id, "", state.agent, "", "imported", IMPORTED)


def is_held(state: State) -> bool:
    """Whether a person must let the whole thread go on: it is parked, or was imported."""
    if state.turn is None or state.turn.ended:
        return False
    return not state.trusted or is_parked(replace(state, claims=state.claims + 1))


def is_at_work(state: State) -> bool:
    """Whether a model call or a tool of the open turn is under way, as far as the log says."""
    if state.turn is None or state.turn.ended:
        return False
    return state.phase == "calling" or any(c.status == "started" for c in state.calls.values())


def find_effects(state: State) -> list[CallState]:
    """The calls of the turn, or of the last one, that may have had their effect, though no result
    is known: by what the log says of their tools."""
    policy = recorded_policy(state)
    found: list[CallState] = []
    for call in state.turn.calls.values() if state.turn else ():
        tool = policy.find_tool(call)
        runs_again = call.idempotent or (tool is not None and tool.idempotent)
        began = call.status in ("started", "pending", "unknown")
        if began and not call.child and not runs_again:
            found.append(call)
    return found


def find_waits(
    state: State, thread_id: str, policy: Policy | None = None, now: float | None = None
) -> tuple[e.PendingDecision, ...]:
    """What people must decide before the turn can go on, or which work elsewhere must end.

    None where it can go on, as when the time of what it waits for is up, where a process works on
    it or has died at work, and where it has ended. Without the agent's own policy, what the log
    says of its tools is enough. `now` as in `decide`: with it, a turn can go on too if a tool is to
    be asked by then what became of its work. That may change nothing, so without it that waits.
    """
    turn = state.turn
    if turn is None or turn.ended:
        return ()
    if not state.trusted:
        return (imported_decision(thread_id, state),)
    if is_held(state):
        return (e.PendingDecision(thread_id, "", "", "", "parked", _why_parked(state)),)
    # Where nothing is at work, a new driver finds the state as it is.
    decided = decide(state, policy or recorded_policy(state), now)
    waits_still = isinstance(decided, Wait) or (now is None and isinstance(decided, PollCalls))
    if is_at_work(state) or not waits_still:
        return ()
    if turn.held:
        return (_raise_decision(thread_id, turn.held),)
    waits: list[e.PendingDecision] = []
    for call in turn.calls.values():
        waits += find_pending_decisions(call, thread_id)
    return name_each_limit_once(waits)


def find_open_decisions(states: Mapping[str, State]) -> tuple[e.PendingDecision, ...]:
    """What people may decide already, in these threads by id, while their turns still go on.

    A person has said more while a call waited, say: the model answers that, and the call waits on.
    """
    found: list[e.PendingDecision] = []
    for thread_id, state in states.items():
        turn = state.turn
        if turn is None or turn.ended or not state.trusted:
            continue
        for call in turn.calls.values():
            if call.status in ("waiting", "question", "pending"):
                found += find_pending_decisions(call, thread_id)
    return tuple(found)


def name_each_limit_once(waits: Iterable[e.PendingDecision]) -> tuple[e.PendingDecision, ...]:
    """Of those that wait for one limit of a thread, the first: one decision helps all of them."""
    seen: set[tuple[str, str]] = set()
    found: list[e.PendingDecision] = []
    for each in waits:
        limit = (each.thread_id, each.name)
        if each.status == "limit" and limit in seen:
            continue
        if each.status == "limit":
            seen.add(limit)
        found.append(each)
    return tuple(found)


def _raise_decision(thread_id: str, held: e.LimitReached) -> e.PendingDecision:
    """What a person must decide before a thread goes on that a limit of others keeps waiting."""
    used = f"{format_amount(held.used)} of {format_amount(held.allowed)} {name_unit(held.limit)}"
    words = f"the next model call doesn't fit: {used} of {describe_account(held.account)}"
    words += " are used or reserved"
    top = thread_of(held.account) or thread_id
    return e.PendingDecision(top, "", held.limit, "", "limit", words, until=held.until)


def waits_or_polls(state: State, thread_id: str, now: float) -> bool:
    """Whether nothing can go on by now, but for a tool that is asked what became of its work.

    That may change nothing: then whoever asks leaves no mark.
    """
    waits = find_waits(state, thread_id)
    polls = waits and isinstance(decide(state, recorded_policy(state), now), PollCalls)
    return bool(polls or find_waits(state, thread_id, now=now))


def find_tree_waits(
    thread_id: str,
    states: Mapping[str, State],
    policy: Policy | None = None,
    now: float | None = None,
) -> tuple[e.PendingDecision, ...]:
    """As `find_waits`, with the children looked at: none where one of them can go on.

    `states` are by thread id; for a child that isn't among them, its parent's word holds.
    """
    return name_each_limit_once(_take_waits(thread_id, dict(states), now, policy))


def _take_waits(
    thread_id: str, left: dict[str, State], now: float | None, policy: Policy | None = None
) -> tuple[e.PendingDecision, ...]:
    """What this thread and its children wait for. Each thread is taken out of `left` once.

    A child is one level deeper. So logs that name themselves or other threads' children come to an
    end, too.
    """
    state = left.pop(thread_id)
    waits = find_waits(state, thread_id, policy, now)
    if not waits or is_held(state) or state.turn is None or state.turn.held:
        return waits
    found: list[e.PendingDecision] = []
    for call in state.turn.calls.values():
        child = call.child.thread_id if call.status == "child" and call.child else ""
        if child in left and left[child].depth == state.depth + 1:
            below = _take_waits(child, left, now)
            if not below:
                return ()
            found += below
        else:
            found += find_pending_decisions(call, thread_id)
    return tuple(found)


def recorded_policy(state: State) -> Policy:
    """What the log says of the agent in charge, as far as `decide` goes by it.

    The rules aren't in the log, and may let out what labels alone would stop. Before any call of a
    round waits, all were judged by them: so labels ask about nothing here.
    """
    described = state.described.get(state.agent)
    if described is None:
        return Policy(step_tools=_recorded_steps(state))
    try:
        return dataclasses.replace(policy_from(described), taint="off")
    except UsageError:  # a log that was tampered with
        return Policy()


def _recorded_steps(state: State) -> dict[str, Tool]:
    """What the log says of a flow's steps: those that whoever drives it next runs again."""
    steps: dict[str, Tool] = {}
    for call in state.calls.values():
        if call.status == "unknown" and call.idempotent:
            steps[call.id] = Tool(call.name, "", {"type": "object"}, idempotent=True)
        elif call.status == "unknown" and call.verifies:
            steps[call.id] = Tool(call.name, "", {"type": "object"}, _run, verify=_run)
    return steps


def _run() -> None:
    """Stands for the functions of a step, which only the flow's code has."""


def _why_parked(state: State) -> str:
    assert state.turn
    work = "a model call" if state.turn.called else "work on the turn"
    open_calls = [call for call in state.turn.calls.values() if call.status != "asked"]
    if open_calls:
        work = ", ".join(f"the call {call.id} of {call.name}" for call in open_calls)
    tried = f"{state.claims} processes in a row have taken the thread and left no progress"
    return f"{tried}; open: {work}"
