"""What each model call read from the provider's cache, and what broke the prompt's beginning. Pure.

1. A provider keeps the beginning of a prompt: its tools, then its messages. A later prompt is read
   from there as far as its bytes are the same.
2. The log has no prompts. Each is built again from the records before it and the agent that the
   log describes, and compared with the earlier one of the same model that it shares most with.
3. Compared are the bytes of what was said (`Message.said`), in no dialect.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from ..core import events as e
from ..core.errors import UsageError
from ..core.late import is_late
from ..core.model import Request
from ..core.prompt import Prompt
from ..core.prompt_hash import is_hash_of_said, prompt_hash
from ..core.refused_parts import name_part
from ..runtime.request import build_request
from ..runtime.settings import RunSettings, settings_from
from .agent_changes import agent_changes

NOT_DESCRIBED = "the log doesn't say what the agent was made of, so its prompt isn't known"
FIRST = "the first request of this thread to {model}"
SUMMARY = "a summary is asked for with a prompt of its own"
_KEPT_APART = (
    "it asks for {asks}, and a cache may keep prompts apart by whether tools may be called, as"
    " Claude's does"
)
_PURPOSES = {"step": "a step", "plan": "a plan", "answer": "a last answer", "compact": "a summary"}
MISSED = 0.5
"""Where less than this part of what could be read was read, something is to be explained."""
SHORT_TOKENS = 4096
"""Shorter prompts aren't kept: OpenAI keeps those from 1,024 tokens on, Claude from 512 to 4,096,
by the model."""
NEAR = 8
"""How many records after a call its reply may be: others may have posted meanwhile."""
_CLOSING = b'"}])'
"""How the bytes of a message may end, before more is joined to it."""


@dataclass(frozen=True)
class CacheStep:
    """One model call: what its provider read and kept of it, and what could have been read."""

    step: int
    """Its number among the thread's model calls, from 1."""
    seq: int
    """Of its record."""
    model: str
    purpose: e.Purpose
    usage: e.Usage | None
    """As the provider counted; None where it hasn't."""
    prompt_bytes: int = 0
    same_bytes: int = 0
    """How many of them, from the first on, are those of the earlier request."""
    compared_seq: int = 0
    """The record of that request; 0: there was none."""
    compared_purpose: e.Purpose = "step"
    """What that request asked for."""
    since_s: float = 0.0
    """Seconds since that request."""
    broken_seq: int = 0
    """The first record that changed what that request began with; 0: none did."""
    why: str = ""
    """What that record changed, or why there is nothing to compare."""
    is_exact: bool = True
    """Whether the prompt could be built again as it was sent, by its hash."""

    @property
    def same_share(self) -> float:
        return self.same_bytes / self.prompt_bytes if self.prompt_bytes else 0.0

    @property
    def read_share(self) -> float | None:
        """The part of the input that was read from the cache; None where nobody counted."""
        if self.usage is None or not self.usage.input_tokens:
            return None
        return self.usage.cached_tokens / self.usage.input_tokens

    @property
    def why_unread(self) -> str:
        """Why much less was read than was there; "" if it was read, or if nobody counted."""
        read = self.read_share
        if read is None or read >= self.same_share * MISSED:
            return ""
        said = f"{self.same_share:.0%} could have been read and {read:.0%} was"
        if self.purpose != self.compared_purpose:
            return f"{said}: {_KEPT_APART.format(asks=_PURPOSES[self.purpose])}"
        said += f", {self.since_s:.0f} s after that request"
        if self.usage and self.usage.input_tokens < SHORT_TOKENS:
            return f"{said}: it was too short to be kept, or wasn't kept so long"
        return f"{said}: it wasn't kept so long, or settings that the cache goes by have changed"


@dataclass(frozen=True)
class _Sent:
    """A request of the log, in pieces: its tools, the answer's schema, its messages."""

    record: e.Record
    described: e.AgentDescribed
    pieces: tuple[bytes, ...]


def read_cache_steps(records: Sequence[e.Record]) -> list[CacheStep]:
    """The thread's model calls, oldest first, without those that were brought in as messages."""
    return list(_read_steps(records))


def _read_steps(records: Sequence[e.Record]) -> Iterator[CacheStep]:
    prompt = Prompt()
    described: e.AgentDescribed | None = None
    settings: RunSettings | None = None
    sent: list[_Sent] = []
    count = 0
    for index, record in enumerate(records):
        event = record.event
        if isinstance(event, e.AgentDescribed):
            described, settings = event, _settings_from(event)
        if isinstance(event, e.ModelCalled):
            count += 1
            usage = _find_usage(records[index + 1 : index + 1 + NEAR])
            step = CacheStep(count, record.seq, event.model, event.purpose, usage)
            if event.prompt_hash and (described is None or settings is None):
                yield replace(step, why=NOT_DESCRIBED)
            elif event.prompt_hash and described and settings:
                request = build_request(prompt, settings, event.purpose, event.upto_seq)
                now = _Sent(record, described, _pieces(request))
                yield replace(
                    _compare(step, now, sent, records), is_exact=_is_exact(event, request)
                )
                if event.purpose != "compact":
                    sent = [each for each in sent if not _replaces(now, each)] + [now]
        prompt.add(record)


def _settings_from(described: e.AgentDescribed) -> RunSettings | None:
    try:
        return settings_from(described)
    except UsageError:  # a log that was tampered with
        return None


def _replaces(now: _Sent, before: _Sent) -> bool:
    """Whether only the newer one needs to be compared with what comes."""
    return (now.described.agent, now.described.model) == (
        before.described.agent,
        before.described.model,
    )


def _is_exact(called: e.ModelCalled, request: Request) -> bool:
    if not is_hash_of_said(called.prompt_hash):
        return True  # an older hash, which can't be compared
    return called.prompt_hash == prompt_hash(request.messages, request.tools)


def _find_usage(later: Sequence[e.Record]) -> e.Usage | None:
    """What the provider counted for the call before these records."""
    for record in later:
        if is_late(record.event):
            continue
        if isinstance(record.event, e.ModelReplied | e.ModelFailed):
            usage = record.event.usage
            return None if usage.estimated or not usage.input_tokens else usage
        if isinstance(record.event, e.ModelCalled):
            return None
    return None


def _pieces(request: Request) -> tuple[bytes, ...]:
    tools = [tool.said for tool in request.tools]
    schema = [repr(request.output_schema).encode()] if request.output_schema else []
    return (*tools, *schema, *(message.said for message in request.messages))


def _compare(
    step: CacheStep, now: _Sent, sent: Sequence[_Sent], records: Sequence[e.Record]
) -> CacheStep:
    """The step, compared with the request before it that it shares most with."""
    step = replace(step, prompt_bytes=sum(map(len, now.pieces)))
    if step.purpose == "compact":
        return replace(step, why=SUMMARY)
    same_model = [each for each in sent if each.described.model == now.described.model]
    if not same_model:
        return replace(step, why=FIRST.format(model=step.model))
    before = max(
        same_model, key=lambda each: (_same_bytes(each.pieces, now.pieces), each.record.seq)
    )
    step = replace(
        step,
        same_bytes=_same_bytes(before.pieces, now.pieces),
        compared_seq=before.record.seq,
        compared_purpose=_purpose(before),
        since_s=max(0.0, now.record.at - before.record.at),
    )
    if _goes_on(before.pieces, now.pieces):
        return step
    broken_seq, why = _find_break(before, now, records)
    return replace(step, broken_seq=broken_seq, why=why)


def _purpose(sent: _Sent) -> e.Purpose:
    event = sent.record.event
    return event.purpose if isinstance(event, e.ModelCalled) else "step"


def _same_bytes(before: Sequence[bytes], now: Sequence[bytes]) -> int:
    same = 0
    for old, new in zip(before, now, strict=False):
        if old != new:
            pairs = zip(old, new, strict=False)
            return same + next((n for n, (a, b) in enumerate(pairs) if a != b), len(old))
        same += len(old)
    return same


def _goes_on(before: Sequence[bytes], now: Sequence[bytes]) -> bool:
    """Whether a prompt begins with the whole of another, whose last message may have grown."""
    if not before:
        return True
    if len(now) < len(before) or tuple(now[: len(before) - 1]) != tuple(before[:-1]):
        return False
    last = before[-1]
    return now[len(before) - 1] == last or now[len(before) - 1].startswith(last.rstrip(_CLOSING))


def _find_break(before: _Sent, now: _Sent, records: Sequence[e.Record]) -> tuple[int, str]:
    """The first record after which the earlier request's beginning can't be had, and why."""
    called, earlier = now.record.event, before.record.event
    assert isinstance(called, e.ModelCalled)
    assert isinstance(earlier, e.ModelCalled)
    prompt = Prompt()
    described = before.described
    settings = settings_from(described)
    for record in records[: now.record.seq - 1]:
        prompt.add(record)
        event = record.event
        if record.seq < before.record.seq:
            continue
        was = described
        if isinstance(event, e.AgentDescribed) and event.agent == now.described.agent:
            described, settings = event, _settings_from(event) or settings
        pieces = _pieces(build_request(prompt, settings, called.purpose, called.upto_seq))
        if not _goes_on(before.pieces, pieces):
            if record.seq > before.record.seq:
                return record.seq, _describe(event, was)
            was_for, is_for = _PURPOSES[earlier.purpose], _PURPOSES[called.purpose]
            return now.record.seq, f"it asks for {is_for}, the request before for {was_for}"
    return now.record.seq, "the prompt was built in another way"


def _describe(event: e.Event, was: e.AgentDescribed) -> str:
    """What a record has changed in what was said before it."""
    match event:
        case e.AgentDescribed():
            return "; ".join(_describe_agent(was, event))
        case e.ContextCompacted(upto_seq=0):
            return (
                f"results up to record {event.results_upto_seq} were cut to"
                f" {event.result_chars} characters"
            )
        case e.ContextCompacted(summary=""):
            return f"what was said up to record {event.upto_seq} was left out"
        case e.ContextCompacted():
            return f"a summary took the place of what was said up to record {event.upto_seq}"
        case e.ModelFailed(refused=str(refused)):
            return f"the provider refused a {name_part(refused)}, and words stand in its place"
        case e.NotesRecalled():
            return "notes were put in front"
    return f"{type(event).__name__} changed what was said before it"


def _describe_agent(was: e.AgentDescribed, now: e.AgentDescribed) -> list[str]:
    found = agent_changes(was, now)
    if was.output_schema != now.output_schema:
        found.append("the schema of the answer has changed")
    if was.tools.keys() == now.tools.keys() and list(was.tools) != list(now.tools):
        found.append("the tools have another order")
    return found
