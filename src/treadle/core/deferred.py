"""Calls that stay open while the model goes on: when that is, and what it is told. Pure.

1. A call is deferred where the model is asked before the call is over: a person says more while it
   waits (`defer_round`), or its tool runs in the background (`defer`).
2. In the place of the result, ToolDeferred tells the model so. The result comes as a later message,
   which names the call (prompt.py); then the model is asked again.
3. A call equal to a deferred one isn't made a second time (`refuse_twin`).
4. What the model says meanwhile is an answer for its person, and is checked as one.
5. A turn doesn't end while a call is open. What waits is listed as ever.
"""

from collections.abc import Sequence

from . import events as e
from .call import WAITING, CallState, CallStatus, call_digest
from .due import is_poll_due
from .next_action import Append, Next, PollCalls, RunCheck, RunTools, Wait
from .policy import Policy
from .prompt_words import STILL_OPEN
from .turn import Turn
from .useless_replies import MAX_USELESS_REPLIES

_WHY_OPEN = {
    "waiting": "a person must allow it first",
    "question": "a person has yet to answer",
    "unknown": "it was interrupted, and a person must say what became of it",
    "pending": "its work goes on elsewhere",
    "child": "the agent that works on it waits for a person",
    "started": "it runs in the background",
    "asked": "it comes after a call that isn't over",
    "allowed": "it comes after a call that isn't over",
    "retrying": "it has failed, and is tried again",
}
"""By status, why a call isn't over yet."""


def defer(call: CallState, status: CallStatus) -> e.ToolDeferred:
    """What the model is told of a call that isn't over, but has this status, or will have it."""
    why = _WHY_OPEN.get(status, "it isn't over yet")
    return e.ToolDeferred(call.id, STILL_OPEN.format(id=call.id, why=why))


def defer_round(turn: Turn) -> tuple[e.ToolDeferred, ...]:
    """What the model is told of the round's open calls, so that it can be asked; often nothing.

    Only where a person has said something that it hasn't seen, and nothing of the round is at work.
    """
    calls = [call for call in turn.calls.values() if not call.deferred]
    if not turn.unseen or any(call.status == "started" for call in calls):
        return ()
    return tuple(defer(call, call.status) for call in calls)


def defer_or_wait(turn: Turn, now: float) -> Next:
    """What is done where no call can begin."""
    if deferred := defer_round(turn):
        return Append(deferred)
    polls = tuple(call for call in turn.calls.values() if is_poll_due(call, now))
    if polls:
        return PollCalls(polls)
    return Wait()


def answer_meanwhile(turn: Turn, policy: Policy) -> Next:
    """What comes of what the model says while calls are open: a check judges it as any answer.

    One that it refuses is tried again, but never fails the turn, of which there is more to come.
    What isn't of the agent's output type is kept back, as it can't be checked; no check is named.
    """
    checked = turn.checked
    if policy.check_output and checked is None:
        return RunCheck("answer")
    tries_again = turn.useless_replies + 1 < MAX_USELESS_REPLIES
    if checked and checked.verdict == "deny" and checked.by and tries_again:
        return Append((e.AnswerRejected(checked.reason or "it was refused"),))
    return Wait()


def put_off_retries(batch: list[CallState]) -> list[CallState]:
    """The calls to run now: one that is to be tried again, and that the model doesn't wait for,
    keeps none from it that can begin at once."""
    return [call for call in batch if not _is_retried(call)] or batch


def comes_last(found: Next) -> bool:
    """Whether the model, or its answer, comes before what is to be done for its calls.

    That is to wait, to ask what became of work elsewhere, or to try calls again after a while that
    the model goes on without.
    """
    if isinstance(found, RunTools):
        return not found.checks and all(map(_is_retried, found.calls))
    return isinstance(found, Wait | PollCalls)


def _is_retried(call: CallState) -> bool:
    return call.deferred and call.status == "retrying" and call.retry_after_s > 0


def waits_for_people(turn: Turn | None) -> bool:
    """Whether nothing of the turn goes on before somebody decides or answers."""
    if turn is None or turn.held:
        return turn is not None and turn.ended is None
    if turn.called or turn.unseen or not turn.calls:
        return False
    for call in turn.calls.values():
        if call.status not in WAITING:
            return False
    is_told = turn.replied is not None and not turn.replied.calls and not turn.came_late
    return is_told or turn.round_is_open


def refuse_twin(call: CallState, turn: Turn | None) -> e.ToolFailed | None:
    """The refusal of a new call that is equal to a deferred one; None of any other."""
    if turn is None or call.deferred:
        return None
    digest = ""
    for other in turn.calls.values():
        if not other.deferred:
            break  # deferred calls come first
        if other.name != call.name:
            continue
        digest = digest or call_digest(call.name, call.call.arguments)
        given = {other.call.arguments, other.final_arguments}
        if digest in {call_digest(other.name, arguments) for arguments in given}:
            return e.ToolFailed(
                call.id,
                "repeated",
                f"not run: this very call is open already, as {other.id}; its result will come as a"
                " later message. Don't make it again",
            )
    return None


def refuse_hand_over(
    call: CallState, turn: Turn | None, before: Sequence[e.Event]
) -> e.ToolFailed | None:
    """Why a hand-over is refused; None where it may be done: as the first one of its round, and not
    while a deferred call is open. `before` are the events about the round's earlier calls, which
    aren't in the log yet.
    """
    others = [each.name for each in turn.calls.values() if each.deferred] if turn else []
    if others and not call.deferred:
        return e.ToolFailed(
            call.id,
            "denied",
            "not done: another agent can take over once the calls that are still open are over:"
            f" {', '.join(others)}",
        )
    is_second = turn is not None and bool(turn.hands_to)
    if is_second or any(isinstance(event, e.HandedOff) for event in before):
        return e.ToolFailed(
            call.id, "denied", "only one agent can take over; another was named before"
        )
    return None
