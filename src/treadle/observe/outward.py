"""Which calls have acted outward beside untrusted text and private data, in words. Pure."""

from collections.abc import Iterable

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
        self.last = ""
        """What `learn` has said of the last record."""

    def learn(self, record: e.Record) -> str:
        """Why this record's call may carry private data out, and who let it; "" for all others."""
        self.last = self._learn(record)
        return self.last

    def _learn(self, record: e.Record) -> str:
        state = self._states.get(record.thread_id, State())
        if record.seq != state.seq + 1:
            return ""
        words = ""
        if isinstance(record.event, e.ToolStarted):
            words = _describe(state, record.event.call_id)
        try:
            self._states[record.thread_id] = apply(state, record)
        except IllegalEvent:  # a damaged log is shown as it is
            self._states.pop(record.thread_id, None)
        return words


def list_outward_calls(records: Iterable[e.Record]) -> list[str]:
    """A sentence for each call of a whole log that has acted outward beside both."""
    calls = OutwardCalls()
    return [words for record in records if (words := calls.learn(record))]


def _describe(state: State, call_id: str) -> str:
    call = state.turn.calls.get(call_id) if state.turn else None
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
