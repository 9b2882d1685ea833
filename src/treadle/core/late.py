"""What a driver learns of its calls after it has lost the thread, and where that counts. Pure.

1. It is written as an event with the claim under which the call had begun. That names the attempt:
   a claim leaves at most one attempt of a call without an outcome, and one model call.
2. What a tool did counts as its result only while that very attempt is unknown. Where a person has
   said what became of it, or it runs again, the event is illegal.
3. Of a model call only the usage counts, in the place of its worst case: its reply isn't used.
"""

from typing import TYPE_CHECKING, TypeGuard

from msgspec.structs import replace

from . import events as e
from .errors import IllegalEvent

if TYPE_CHECKING:
    from .turn import Turn

LateOutcome = e.CallNoted | e.ToolReturned | e.ToolFailed | e.ModelFailed

TOO_LATE = "the call came to its end after another process had taken the thread: {outcome}"


def is_late(event: e.Event) -> TypeGuard[LateOutcome]:
    """Whether its driver had lost the thread before it learned this."""
    return isinstance(event, LateOutcome) and bool(event.claim)


def settles_lost(event: e.Event) -> TypeGuard[e.ModelFailed]:
    """Whether it only says what an earlier model call has used, which its driver had lost."""
    return isinstance(event, e.ModelFailed) and bool(event.claim)


def make_late(
    outcome: e.CallNoted | e.ToolReturned | e.ToolFailed | e.ModelReplied | e.ModelFailed,
    claim: str,
) -> LateOutcome:
    """The outcome of a call as the driver of this claim writes it once it has lost the thread."""
    if isinstance(outcome, e.CallNoted | e.ToolReturned | e.ToolFailed):
        return replace(outcome, claim=claim)
    came = "a reply, which isn't used"
    if isinstance(outcome, e.ModelFailed):
        came = outcome.message
    message = TOO_LATE.format(outcome=came)
    return e.ModelFailed(
        "late", message, usage=outcome.usage, cost_usd=outcome.cost_usd, claim=claim
    )


def refuse_late(event: LateOutcome, turn: "Turn | None", claim: str) -> None:
    """Raise IllegalEvent where the event no longer counts. `claim` is the thread's last one."""
    if isinstance(event, e.ModelFailed):
        if turn is None or event.claim not in turn.lost:
            raise IllegalEvent(
                f"no model call of claim {event.claim!r} in the last turn lacks a usage"
            )
        return
    call = turn.calls.get(event.call_id) if turn else None
    if call is None:
        raise IllegalEvent(f"call {event.call_id} isn't open any more")
    if call.status == "started" and event.claim == claim:
        return  # nobody has taken the thread yet, but its driver has given up
    if call.status != "unknown" or event.claim != call.claim:
        raise IllegalEvent(
            f"the attempt of call {call.id} that had started under claim {event.claim!r} is no"
            f" longer unknown: the call is {call.status}"
        )


def lose_model_call(turn: "Turn", claim: str) -> "Turn":
    """The turn without its model call in flight, which counts as used at its worst case.

    `claim` is that of its driver, which may still learn what it has used; "" if it can't say so.
    """
    called = turn.called
    if called is None:
        return turn
    lost = turn.lost
    if claim:
        lost = lost | {claim: called}
    return replace(
        turn,
        called=None,
        lost=lost,
        lost_tokens=turn.lost_tokens + worst_tokens(called),
        cost_usd=turn.cost_usd + called.reserved_usd,
    )


def settle_model_call(turn: "Turn", event: e.ModelFailed) -> "Turn":
    """The turn once it is known what a lost model call has used."""
    called = turn.lost[event.claim]
    kept = {claim: each for claim, each in turn.lost.items() if claim != event.claim}
    cost_usd = turn.cost_usd
    if event.cost_usd is not None:  # else the worst case is the best that is known
        cost_usd = cost_usd - called.reserved_usd + event.cost_usd
    return replace(
        turn,
        lost=kept,
        lost_tokens=turn.lost_tokens - worst_tokens(called),
        usage=turn.usage + event.usage,
        cost_usd=cost_usd,
    )


def worst_tokens(called: e.ModelCalled) -> int:
    """The most tokens that the call can use."""
    return called.prompt_tokens + called.max_output_tokens


def counted_usd(
    called: e.ModelCalled | None,
    event: e.ModelReplied | e.ModelFailed | e.ToolReturned | e.ToolFailed,
) -> float:
    """The cost that the event says; of a model call that has one nobody knows, its worst case.

    Else limits would let all calls pass in which the provider runs a tool without a known price.
    """
    if event.cost_usd is not None:
        return event.cost_usd
    ends_request = isinstance(event, e.ModelReplied | e.ModelFailed) and not settles_lost(event)
    return called.reserved_usd if called and ends_request and event.usage.total_tokens else 0.0
