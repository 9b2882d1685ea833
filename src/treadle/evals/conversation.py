"""A case's messages said to an agent, in a thread, with its approvals and answers given. Goes on where it stopped."""

from collections.abc import Sequence
from typing import Any

from ..core import events as e
from ..core.decide import MAX_USELESS_REPLIES
from ..core.errors import UsageError
from ..core.result import Result
from ..core.state import State
from ..core.values import PendingDecision
from ..observe.explain import changes_since_last_call
from ..runtime.agent import Agent
from ..runtime.log import open_log
from .dataset import Case

DECIDED_BY = "treadle eval"
"""Who approves and answers, as the log has it."""


async def run_conversation(agent: Agent, thread: str, case: Case, deps: Any = None) -> Result:
    """Say all that is left to say, to the end of the last turn or of the first that isn't answered.

    Raises as Agent.run does. The agent must have a store.
    """
    before = await user_messages(agent, thread)
    left = list(case.messages[len(before) :])
    done = (
        await _settled(agent, case, await agent.resume(thread, deps=deps), deps) if before else None
    )
    while left and (done is None or done.status == "answered"):
        done = await _settled(
            agent, case, await agent.run(left.pop(0), thread=thread, deps=deps), deps
        )
    assert done is not None, "a case has at least one message"
    return done


async def user_messages(agent: Agent, thread: str) -> list[str]:
    """The messages that opened the thread's turns so far; none where there is no such thread."""
    return [
        r.event.text
        for r in await read_records(agent, thread)
        if isinstance(r.event, e.UserSaid) and not r.event.answers
    ]


async def read_records(agent: Agent, thread: str) -> Sequence[e.Record]:
    """All of the thread's records; none where there is no such thread."""
    assert agent.store is not None
    return (await open_log(thread, agent.store, agent.world)).records


async def choose_thread(agent: Agent, thread: str, case: Case) -> str:
    """The thread of this name, or the next (`NAME/2`) where its conversation must be held again.

    Raises UsageError where it is another conversation: other messages, or with an agent that was another.
    """
    assert agent.store is not None
    number, name = 1, thread
    while (log := await open_log(name, agent.store, agent.world)).records:
        before = tuple(
            r.event.text
            for r in log.records
            if isinstance(r.event, e.UserSaid) and not r.event.answers
        )
        differs = changes_since_last_call(log.state, agent.run_settings)
        if before != case.messages[: len(before)]:
            differs = [f"case {case.name} says something else"]
        if differs:
            raise UsageError(
                f"thread {name} is there already, and since then {'; '.join(differs)}: name another run"
            )
        if not _again(log.state):
            return name
        number += 1
        name = f"{thread}/{number}"
    return name


def _again(state: State) -> bool:
    """Whether a conversation that ended so is held again: somebody stopped it, or it wasn't the agent that failed."""
    turn = state.turn
    if turn is None or turn.ended is None:
        return False
    return turn.ended.status == "cancelled" or (
        turn.ended.status == "failed" and turn.useless_replies < MAX_USELESS_REPLIES
    )


async def _settled(agent: Agent, case: Case, done: Result, deps: Any) -> Result:
    """Decide whatever the case decides, until the turn waits for nobody, or for what the case doesn't say."""
    while done.status == "waiting":
        facts = [(held.thread_id, fact) for held in done.waiting if (fact := _fact(held, case))]
        if not facts:
            break
        for thread, fact in facts:  # the thread of an agent that works for this one, perhaps
            await agent.post(thread, fact)
        done = await agent.resume(done.thread_id, deps=deps)
    return done


def _fact(call: PendingDecision, case: Case) -> e.ApprovalGiven | e.UserSaid | None:
    if call.status == "waiting" and (allowed := case.allows(call.name)) is not None:
        return e.ApprovalGiven(
            call.id, allowed, DECIDED_BY
        )  # no reason: the agent isn't to know that it is tried
    if call.status == "question" and case.answer:
        return e.UserSaid(case.answer, answers=call.id, by=DECIDED_BY)
    return None
