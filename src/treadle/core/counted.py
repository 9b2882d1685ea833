"""What limits in dollars count for a call that has ended. Pure."""

from . import events as e


def counted_usd(
    called: e.ModelCalled | None,
    event: e.ModelReplied | e.ModelFailed | e.ToolReturned | e.ToolFailed,
) -> float:
    """The cost that the event says; of a model call that has one nobody knows, its worst case.

    Else limits would let all calls pass in which the provider runs a tool without a known price.
    """
    if event.cost_usd is not None:
        return event.cost_usd
    ends_request = isinstance(event, e.ModelReplied | e.ModelFailed) and not _is_of_lost(event)
    return called.reserved_usd if called and ends_request and event.usage.total_tokens else 0.0


def _is_of_lost(event: e.ModelReplied | e.ModelFailed) -> bool:
    """Whether it only says what an earlier call has used, which its driver had lost."""
    return isinstance(event, e.ModelFailed) and bool(event.claim)
