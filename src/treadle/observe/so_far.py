"""What earlier records of threads have said, which the lines of later ones speak of. Pure."""

from collections import Counter

from ..core import events as e
from ..core.changed_arguments import changed_arguments
from .short_text import retry_text


class ModelTries:
    """Takes the ModelCalled and AgentDescribed of threads, in order."""

    def __init__(self) -> None:
        self._tries: dict[str, tuple[str, int]] = {}
        """By thread: the model that was asked last, and how often in a row."""
        self._most: dict[str, int] = {}

    def learn(self, record: e.Record) -> None:
        """Take a record into account."""
        match record.event:
            case e.ModelCalled(model=model, attempt=attempt):
                before, tries = self._tries.get(record.thread_id, (model, 0))
                if attempt == 1 or before != model:
                    tries = 0
                self._tries[record.thread_id] = (model, tries + 1)
            case e.AgentDescribed(policy=policy) if policy:
                most = policy.limits.get("model_tries")
                if isinstance(most, int):
                    self._most[record.thread_id] = most

    def describe_wait(self, thread_id: str, wait_s: float | None) -> str:
        """When the model is asked again after a failure; "" where it isn't, as far as is known."""
        _, tries = self._tries.get(thread_id, ("", 0))
        most = self._most.get(thread_id)
        if most is not None and tries >= most:
            return ""
        return retry_text(wait_s)


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
