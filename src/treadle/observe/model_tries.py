"""How often a thread's model has been asked for one request, and how often it may be. Pure."""

from ..core import events as e
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
