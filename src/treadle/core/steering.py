"""A message that a person says while a turn is open: where that may come. Pure."""

from . import events as e
from .errors import IllegalEvent
from .turn import Turn

OF_A_FLOW = (
    "a flow's code drives this thread, and no model would see a message; post what it waits for, or"
    " cancel it"
)


def refuse_said(said: e.UserSaid, turn: Turn | None, is_flow: bool = False) -> None:
    """Raise IllegalEvent where the message can't come. `turn` is the open one; None: there is none.

    A message opens a turn. While one is open, it steers that, or answers a question in it.
    """
    if said.opens_turn and turn:
        raise IllegalEvent("a message opens no turn while another is open; there it steers that")
    if not said.opens_turn and turn is None:
        raise IllegalEvent("no turn is open: a message opens one, and answers or steers none")
    if said.answers and said.steers:
        raise IllegalEvent("a message answers a question or steers the turn, not both")
    if said.steers and turn and (is_flow or turn.has_steps):
        raise IllegalEvent(OF_A_FLOW)
