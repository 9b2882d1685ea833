"""What earlier records of threads have said, which the lines of later ones speak of. Pure."""

from collections import Counter

from ..core import events as e
from ..core.changed_arguments import changed_arguments
from .model_tries import ModelTries

_SILENT = frozenset((e.ToolStarted, e.ToolReturned, e.ToolFailed, e.TurnEnded))
"""Nearly half of the events of a long log: no later line speaks of them."""


class SoFar:
    """Learns the records of threads in order; threads may alternate.

    What is found by a call has the thread's id and the call's.
    """

    def __init__(self) -> None:
        self.calls: dict[tuple[str, str], e.Call] = {}
        """With the arguments that they run with, as far as is known."""
        self.allowing: set[tuple[str, str]] = set()
        """The calls with which a person has allowed others, too."""
        self.handles: dict[tuple[str, str], str] = {}
        self.children: set[tuple[str, str]] = set()
        """The calls that run as threads of their own."""
        self.model_calls: Counter[str] = Counter()
        """By thread."""
        self.tries = ModelTries()

    def learn(self, record: e.Record) -> None:
        """Take in the next record of its thread."""
        event = record.event
        if type(event) in _SILENT:
            return
        self.tries.learn(record)
        match event:
            case e.ModelCalled():
                self.model_calls[record.thread_id] += 1
            case e.ModelReplied():
                for call in event.calls:
                    self.calls[record.thread_id, call.id] = call
            case e.StepAsked(call=call):
                self.calls[record.thread_id, call.id] = call
            case e.ChildStarted(call_id=call_id):
                self.children.add((record.thread_id, call_id))
            case e.CallNoted(call_id=call_id, handle=str(handle)) if handle:
                self.handles[record.thread_id, call_id] = handle
            case e.ApprovalGiven(call_id=call_id, allowed=True, always=always) if always:
                self.allowing.add((record.thread_id, call_id))
        changed = changed_arguments(event)
        key = (record.thread_id, getattr(event, "call_id", ""))
        if changed is not None and key in self.calls:
            self.calls[key] = e.Call(key[1], self.calls[key].name, changed)
