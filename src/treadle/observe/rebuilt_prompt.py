"""Rebuilds the prompt of a model call from the records before it. Pure.

The log has no prompts, only their hashes: so what is rebuilt can be compared with what was sent.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from ..core import events as e
from ..core.errors import UsageError
from ..core.model import Request
from ..core.prompt import Prompt
from ..core.prompt_hash import prompt_hash
from ..core.state import fold
from ..runtime.recorded_settings import NOT_DESCRIBED
from ..runtime.request import build_request
from ..runtime.settings import RunSettings, settings_from
from .explain import explain


@dataclass(frozen=True)
class RebuiltPrompt:
    """What a model call saw."""

    request: Request
    recorded: str
    """The hash of what was sent; "" for a call that was brought in as messages."""
    rebuilt: str
    """The hash of this request."""
    described: e.AgentDescribed
    """The agent whose instructions and tools are in it."""
    why: str
    """What the rules said to do just before the call, in words."""

    @property
    def exact(self) -> bool:
        """Whether the model saw just this."""
        return self.recorded == self.rebuilt


def find_model_call(records: Sequence[e.Record], which: str) -> e.Record:
    """The record of the model call with this number, or this seq (`@12`). Raises UsageError."""
    calls = [record for record in records if isinstance(record.event, e.ModelCalled)]
    number = which.removeprefix("@")
    if number.isascii() and number.isdigit():
        if which.startswith("@"):
            found = [record for record in calls if record.seq == int(number)]
        else:
            found = [record for nth, record in enumerate(calls, 1) if nth == int(number)]
        if found:
            return found[0]
    seqs = ", ".join(f"@{record.seq}" for record in calls) or "none"
    raise UsageError(
        f"--prompt {which}: there are {len(calls)} model calls, from 1 or by record: {seqs}"
    )


def rebuild_prompt(
    records: Sequence[e.Record], call: e.Record, settings: RunSettings | None = None
) -> RebuiltPrompt:
    """The prompt that was sent with this model call of the thread.

    By the instructions and tools that the log describes, or by other `settings`. Raises UsageError
    where the log describes none.
    """
    assert isinstance(call.event, e.ModelCalled)
    before = [record for record in records if record.seq < call.seq]
    if settings is None:
        was = fold(before).last_described
        if was is None or not any(record.event == was for record in before):
            raise UsageError(f"{NOT_DESCRIBED} with --agent MODULE:NAME")
        settings = settings_from(was)
    prompt = Prompt()
    for record in before:
        prompt.add(record)
    request = build_request(prompt, settings, call.event.purpose, call.event.upto_seq)
    return RebuiltPrompt(
        request,
        call.event.prompt_hash,
        prompt_hash(request.messages, request.tools),
        settings.describe(),
        explain(before, settings).next,
    )
