"""The events about model calls. events.py has the rules for all events."""

from typing import Any, Literal

from . import values as v
from .event_struct import EventStruct
from .values import Call, Purpose, Usage


class ModelCalled(EventStruct, frozen=True):
    """Written before the request is sent: a crash in flight must leave a mark."""

    model: str
    prompt_hash: str
    """Of the messages and the tools' schemas; "" for a call of an imported history, whose prompt
    nobody recorded."""
    prompt_tokens: v.Count
    """An estimate; with `max_output_tokens` it is the worst case, until the reply comes."""
    max_output_tokens: v.Count
    purpose: Purpose = "step"
    attempt: v.Count = 1
    reserved_usd: float = 0.0
    upto_seq: v.Count = 0
    """For a summary: the last record that it stands for."""
    accounts: tuple[str, ...] = ()
    """What it is paid from besides its own turn's limits: the turns that it works for, budgets."""

    @property
    def is_step(self) -> bool:
        """Whether limits count it as a step: no other try, no summary, no last word."""
        return self.attempt == 1 and self.purpose not in ("compact", "answer")


class ModelReplied(EventStruct, frozen=True, tag="ModelReplied.2"):
    """A whole reply: its text, or ordered blocks if there is more than text."""

    content: v.Replied
    usage: Usage
    latency_s: float
    finish_reason: str = "stop"
    """The provider's word, in terms of chat completions: a hint, never trusted alone."""
    refusal: str = ""
    cost_usd: float | None = None
    """At the price of that day; None if no price is known."""
    first_token_s: float | None = None
    opaque: dict[str, Any] = {}
    """Fields of the provider on the reply as a whole, which go back to the same model verbatim."""
    cache_saved_usd: float | None = None
    """What reading from the provider's cache saved, at that day's price; None: nothing was read, or
    no price is known."""
    cache_spent_usd: float | None = None
    """What writing to it cost more than tokens that aren't kept; None as above."""
    fault: str = ""
    """With the finish_reason `malformed_call`: what is wrong, as the provider says."""
    place: str = ""
    """Stands for the address that it came from, and shows nothing of it. Fields of the provider
    go back to the model of that name there, and to no other."""

    @property
    def text(self) -> str:
        return v.text_of(self.content)

    @property
    def calls(self) -> tuple[Call, ...]:
        return v.calls_of(self.content)

    @property
    def thinking(self) -> str:
        return v.thinking_of(self.content)


class ModelFailed(EventStruct, frozen=True):
    kind: Literal["unavailable", "overflow", "denied", "rejected", "timeout", "late"]
    """`late`: another driver had taken the thread. It only says what the lost call has used, and
    may come at any time."""
    message: str
    retry_after_s: float | None = None
    """Seconds until the same request is made again; None: it isn't."""
    usage: Usage = Usage()
    """What a broken stream had already used, estimated."""
    cost_usd: float | None = None
    refused: v.RefusedPart | None = None
    """What of the prompt the provider refused: later prompts have words in its place."""
    status: int | None = None
    """Of the HTTP response; None where there was none."""
    request_id: str = ""
    """The provider's own name of the request, for its support."""
    body: str = ""
    """What the provider said in full, without secrets, as far as `message` doesn't have it."""
    claim: str = ""
    """With the kind `late`: the claim under which the model was called."""
