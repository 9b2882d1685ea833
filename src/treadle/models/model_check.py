"""Finds out what a model takes, by one tiny request each: for whoever sets up a provider.

Each request is sent as a turn would send it, with what is known of the model. No outage is tried
again, and no refusal of a schema, so that what is shown is what the server says.
"""

import asyncio
import re
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Literal

from ..core.errors import ModelDenied, ModelError, ModelUnavailable
from ..core.model import Model, Reply
from ..core.values import Thinking, Usage
from .known_secrets import redact_known
from .probes import Probe, ProbeName, make_probes
from .remote_model import RemoteModel

Outcome = Literal["taken", "ignored", "refused", "denied", "unavailable", "not asked"]
"""`ignored`: the server took the request, and the reply shows nothing of it."""
_UNSUPPORTED = re.compile(r"not support|n't support|unsupported", re.I)
PATIENCE_S = 120.0
"""The most seconds for one request."""


@dataclass(frozen=True)
class Finding:
    """What came of one request."""

    model: str
    probe: ProbeName
    outcome: Outcome
    words: str = ""
    """The server's own, or what the reply did instead."""
    usage: Usage | None = None
    pieces: int = 0
    """In how many pieces the reply came."""
    first_token_s: float | None = None
    latency_s: float | None = None
    cost_usd: float | None = 0.0
    """None where no price is known."""
    thinks: bool = False
    """Whether the reply shows thinking."""


def estimate_usd(model: Model) -> float | None:
    """The most that all requests can cost; None where no price is known."""
    total = 0.0
    for probe in make_probes(model):
        request = probe.request
        cost = model.cost_usd(Usage(request.tokens, request.max_output_tokens, estimated=True))
        if cost is None:
            return None
        total += cost
    return total


async def check_model(model: Model) -> AsyncIterator[Finding]:
    """Ask for each thing, one after the other; what came of it.

    After a model that can't be asked at all, the rest isn't. Raises UsageError, as for a missing
    key.
    """
    reason = ""
    for probe in make_probes(model):
        if reason:
            yield Finding(model.name, probe.name, "not asked", reason)
            continue
        finding = await _ask(model, probe)
        yield finding
        has_failed = finding.outcome in ("denied", "unavailable", "refused")
        if finding.outcome == "denied" or (probe.name == "text" and has_failed):
            reason = f"the request before, with the {probe.name}, was {finding.outcome}"


async def _ask(model: Model, probe: Probe) -> Finding:
    clock = asyncio.get_running_loop().time
    began = clock()
    times: list[float] = []

    def receive(piece: str | Thinking) -> None:
        times.append(clock() - began)

    try:
        async with asyncio.timeout(PATIENCE_S):
            reply = await _reply(model, probe, receive)
    except TimeoutError:
        words = f"no whole reply within {PATIENCE_S:.0f} s"
        return Finding(model.name, probe.name, "unavailable", words, cost_usd=None)
    except ModelError as error:
        usage = error.usage if error.usage and error.usage.total_tokens else None
        cost = _cost_usd(model, usage) if usage else 0.0
        words = redact_known(str(error))
        outcome = _outcome_of(error)
        return Finding(model.name, probe.name, outcome, words, usage, cost_usd=cost)
    return _judge(model, probe, reply, times, clock() - began)


async def _reply(model: Model, probe: Probe, receive: Callable[[str | Thinking], None]) -> Reply:
    request = probe.request
    if request.output_schema and isinstance(model, RemoteModel):
        # A turn would go on without a schema that is refused, and here that is the question.
        return await model.ask(model.body(request), request.tokens, receive)
    return await model.reply(request, receive)


def _judge(
    model: Model, probe: Probe, reply: Reply, times: list[float], latency_s: float
) -> Finding:
    words = probe.judge(reply)
    return Finding(
        model.name,
        probe.name,
        "ignored" if words else "taken",
        words,
        reply.usage,
        len(times),
        times[0] if times else None,
        latency_s,
        _cost_usd(model, reply.usage),
        bool(reply.thinking),
    )


def _outcome_of(error: ModelError) -> Outcome:
    if isinstance(error, ModelDenied):
        return "denied"
    # Some servers say with a status of 500 that they don't support something.
    if isinstance(error, ModelUnavailable) and not _UNSUPPORTED.search(str(error)):
        return "unavailable"
    return "refused"


def _cost_usd(model: Model, usage: Usage) -> float | None:
    return model.cost_usd(usage) if usage.reported_usd is None else usage.reported_usd
