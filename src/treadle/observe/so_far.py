"""What earlier records of threads have said, which the lines of later ones speak of. Pure."""

from collections import Counter

from ..core import events as e
from ..core.values import Said
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
            case e.ApprovalGiven():
                self._learn_approval(record, event)
            case e.Checked(call_id=call_id, content=content):
                self._change_call((record.thread_id, call_id), content)

    def _learn_approval(self, record: e.Record, given: e.ApprovalGiven) -> None:
        key = (record.thread_id, given.call_id)
        if not given.call_id:
            return
        if given.allowed and given.always:
            self.allowing.add(key)
        if given.arguments is not None:
            self._change_call(key, given.arguments)

    def _change_call(self, key: tuple[str, str], arguments: Said | None) -> None:
        """Let the call have these arguments from here on."""
        if key in self.calls and isinstance(arguments, str):
            self.calls[key] = e.Call(key[1], self.calls[key].name, arguments)
