"""What becomes of a turn whose model can't be reached: another model goes on, or a later resume.

1. The agent's models are asked in their order. The next one goes on where a provider denies the
   request or has no such model, has failed at every try, or asks for a wait that is long or longer
   than the turn has.
2. That model stays for the rest of the turn, or until another agent takes charge. The next turn
   begins with the first one again: whether that is back can only be found by asking it.
3. A turn that ends because no model was left has lost nothing. A ThreadClaimed that `reopens` it
   goes on where it stopped, by whatever models its agent then has.
"""

from . import events as e
from .finish_reasons import is_of_model
from .policy import Policy
from .state import State
from .turn import Turn

MAX_WAIT_S = 30.0
"""A provider that asks for a longer wait counts as overloaded: another model goes on at once."""


def find_other_model(state: State, turn: Turn, failed: e.ModelFailed, policy: Policy) -> str:
    """The name of the model that goes on after this failure; "" if the one that failed stays."""
    if not is_of_model(failed):
        return ""
    wait_s = failed.retry_after_s
    if wait_s is not None and wait_s <= MAX_WAIT_S and turn.tries < policy.limits.model_tries:
        left_s = policy.limits.seconds
        if left_s is None or state.spent.seconds + wait_s < left_s:
            return ""
    return policy.model_after(turn.model)


def why_failed(turn: Turn, failed: e.ModelFailed, policy: Policy) -> str:
    """The reason of a turn that ends with this failure."""
    if len(policy.models) > 1 and is_of_model(failed):
        return f"none of {', '.join(policy.models)} can go on; {turn.model}: {failed.message}"
    return failed.message
