"""Which calls have acted outward beside untrusted text and private data, in words. Pure."""

from collections.abc import Mapping

from ..core import events as e
from ..core.errors import IllegalEvent
from ..core.state import State, apply
from ..core.taint import find_taint


class OutwardCalls:
    """Follows threads by their records, and says of each call that starts what labels say of it.

    A thread whose first records it isn't fed has no labels here: then it says nothing.
    """

    def __init__(self) -> None:
        self._states: dict[str, State] = {}
        self._known: dict[str, Mapping[int, str]] = {}
        self.last = ""
        """What `learn` has said of the last record."""

    def know(self, thread_id: str, state: State, words: Mapping[int, str]) -> None:
        """Go on from this state of a thread; `words` are those of the records up to it, by seq."""
        self._states[thread_id] = state
        self._known[thread_id] = words

    def learn(self, record: e.Record) -> str:
        """Why this record's call may carry private data out, and who let it; "" for all others."""
        self.last = self._learn(record)
        return self.last

    def _learn(self, record: e.Record) -> str:
        state = self._states.get(record.thread_id, State())
        if record.seq <= state.seq:
            return self._known.get(record.thread_id, {}).get(record.seq, "")
        if record.seq != state.seq + 1:
            return ""
        words = describe_outward(state, record.event)
        try:
            self._states[record.thread_id] = apply(state, record)
        except IllegalEvent:  # a damaged log is shown as it is
            self._states.pop(record.thread_id, None)
        return words


def describe_outward(state: State, event: e.Event) -> str:
    """Why the call that this event starts, in this state, may carry private data out, and who let
    it; "" for all other events."""
    if not isinstance(event, e.ToolStarted):
        return ""
    call = state.turn.calls.get(event.call_id) if state.turn else None
    described = state.described.get(state.agent)
    told = described.tools.get(call.name) if call and described else None
    if not call or not told or call.attempt:
        return ""
    taint = find_taint(state, call.name, told.labels)
    if not taint:
        return ""
    return f"{taint}: {_who_let_it(state, call.status == 'allowed')}"


def _who_let_it(state: State, was_asked: bool) -> str:
    if was_asked:
        return "a person has allowed it"
    described = state.described[state.agent]
    taint = described.policy.taint if described.policy else "off"
    if taint == "ask":
        return "a rule lists it, or a person has allowed it beforehand"
    return f"nobody was asked, as the agent says taint={taint!r}"
