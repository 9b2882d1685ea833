"""Runs the conversation of a case.

Sends its messages, approves and answers as it says. Continues a stopped one.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from ..core import events as e
from ..core.errors import TurnOpen, UsageError
from ..core.result import Result
from ..core.state import State
from ..core.useless_replies import MAX_USELESS_REPLIES
from ..core.values import PendingDecision
from ..observe.agent_changes import changes_since_last_call
from ..runtime.agent import AnyAgent
from ..runtime.log import open_log
from ..stores.open_store import open_store
from .dataset import Case

DECIDED_BY = "treadle eval"
"""Who approves and answers, in the log."""
MAX_DECISIONS = 10
"""How often a case decides on one call. A tool may ask again and again, since no answer fits it."""


async def run_conversation(
    agent: AnyAgent, thread: str, case: Case, deps: Any = None, labels: tuple[e.Label, ...] = ()
) -> Result:
    """Send the messages that have not been sent yet, until a turn is not answered; the last result.

    They are labelled so. Raises what Agent.run raises. The agent must have a store.
    """
    sent = user_messages(await read_records(agent, thread))
    result = None
    if sent:
        result = await _decide(agent, case, await agent.resume(thread, deps=deps), deps)
    for message in case.messages[len(sent) :]:
        if result is not None and result.status != "answered":
            break
        try:
            said = e.UserSaid(message, labels=labels)
            result = await agent.run(said, thread=thread, deps=deps)
        except TurnOpen:  # the same run is under way elsewhere, too, and has just said it
            result = await agent.resume(thread, deps=deps)
        result = await _decide(agent, case, result, deps)
    assert result is not None, "a case has at least one message"
    return result


def user_messages(records: Iterable[e.Record]) -> tuple[str, ...]:
    """The messages that opened the turns."""
    events = [record.event for record in records]
    return tuple(
        event.text for event in events if isinstance(event, e.UserSaid) and event.opens_turn
    )


async def read_records(agent: AnyAgent, thread: str) -> Sequence[e.Record]:
    """All records of the thread; none if it does not exist."""
    store = open_store(agent.store)
    return (await open_log(thread, store, agent.world)).records


def must_repeat(state: State) -> bool:
    """Whether a person stopped the conversation, or it failed for a reason outside the agent."""
    turn = state.turn
    if turn is None or turn.ended is None:
        return False
    failed_outside = turn.ended.status == "failed" and turn.useless_replies < MAX_USELESS_REPLIES
    return turn.ended.status == "cancelled" or failed_outside


def is_unanswered(state: State) -> bool:
    """Whether the conversation has ended without an answer, for whatever reason."""
    turn = state.turn
    return turn is not None and turn.ended is not None and turn.ended.status != "answered"


async def choose_thread(
    agent: AnyAgent, thread: str, case: Case, repeats: Callable[[State], bool] = must_repeat
) -> str:
    """The thread of this name, or the next one (`NAME/2`) if its conversation must be repeated.

    `repeats` says whether it must. Raises UsageError if the thread holds other messages, or those
    of an agent that has changed since.
    """
    store = open_store(agent.store)
    number = 1
    name = thread
    while (log := await open_log(name, store, agent.world)).records:
        sent = user_messages(log.records)
        changes = changes_since_last_call(log.state, agent.run_settings)
        if sent != case.messages[: len(sent)]:
            changes = [f"case {case.name} says something else"]
        if changes:
            raise UsageError(
                f"thread {name} is there already, and since then {'; '.join(changes)}:"
                " name another run"
            )
        if not repeats(log.state):
            return name
        number += 1
        name = f"{thread}/{number}"
    return name


async def _decide(agent: AnyAgent, case: Case, result: Result, deps: Any) -> Result:
    """Approve and answer as the case says, until the turn ends or the case leaves a call open."""
    times: Counter[tuple[str, str]] = Counter()
    while result.status == "waiting":
        made = False
        for call in result.waiting:
            decision = _decision(call, case)
            if decision and times[call.thread_id, call.id] < MAX_DECISIONS:
                await agent.post(call.thread_id, decision)  # the call may be a child's
                times[call.thread_id, call.id] += 1
                made = True
        if not made:
            break
        result = await agent.resume(result.thread_id, deps=deps)
    return result


def _decision(call: PendingDecision, case: Case) -> e.ApprovalGiven | e.UserSaid | None:
    if call.status == "waiting" and (allowed := case.allows(call.name)) is not None:
        # Without a reason: the agent must not learn that it is being evaluated.
        return e.ApprovalGiven(call.id, allowed, DECIDED_BY)
    if call.status == "question" and case.answer:
        return e.UserSaid(case.answer, answers=call.id, by=DECIDED_BY)
    return None
