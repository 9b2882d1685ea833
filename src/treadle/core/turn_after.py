"""What a new driver finds of a turn that another one has left: after a crash, a fork, an import.

Pure.
"""

from msgspec.structs import replace

from .call import call_after_crash, call_after_fork, call_after_import
from .turn import Turn, change_calls


def turn_after_crash(turn: Turn) -> Turn:
    """What a new driver finds: the reply in flight is lost; what started tools did is unknown."""
    turn = change_calls(turn, call_after_crash)
    if turn.called is None:
        return turn
    lost_tokens = turn.called.prompt_tokens + turn.called.max_output_tokens
    return replace(
        turn,
        called=None,
        lost_tokens=turn.lost_tokens + lost_tokens,
        cost_usd=turn.cost_usd + turn.called.reserved_usd,
    )


def turn_after_import(turn: Turn, thread_key: str) -> Turn:
    """What whoever adopts an imported thread finds: as after a crash, and nothing is approved."""
    turn = turn_after_crash(turn)
    turn = change_calls(turn, lambda call: call_after_import(call, thread_key))
    return replace(turn, imported=True)


def turn_after_fork(turn: Turn) -> Turn:
    """What a fork finds: as after a crash, and without the children, which stay the parent's."""
    return change_calls(turn_after_crash(turn), call_after_fork)
