"""One model call, and the event that it ends in. Writes nothing: the loop does."""

import asyncio
from collections.abc import Callable
from decimal import Decimal
from functools import partial

from msgspec.structs import replace

from ..core import events as e
from ..core.call import assign_ids
from ..core.errors import ModelError, ModelUnavailable
from ..core.limits import Cost, backoff_s, cost_in_tier
from ..core.model import Model, PreparedCall, Reply, place_of
from ..core.refused_parts import describe_refusal, find_refused_part, find_too_large
from ..core.thoughts import ThoughtStream, part_thoughts
from ..core.tokens import CHARS_PER_TOKEN
from ..core.tools_on_demand import unwrap_calls
from ..models.known_secrets import redact_known
from .blocking import warn_if_it_blocks
from .border import contain
from .bounded import TooLong, run_within
from .price import price_of


async def call_model(
    model: Model,
    prepared: PreparedCall,
    seq: int,
    left_s: float | None,
    chance: float,
    emit: Callable[[str | e.Thinking], None],
) -> e.ModelReplied | e.ModelFailed:
    """Ask the model once. Any exception that isn't a ModelError is a bug and is raised.

    `seq` is that of the ModelCalled; `left_s` is what the turn has left; `chance`, in [0, 1),
    varies the back-off. `emit` gets the text in pieces.
    """
    called = prepared.event
    cost = cost_in_tier(partial(price_of, model), prepared.request.settings.service_tier)
    clock = asyncio.get_running_loop().time
    began = clock()
    first_token_s: float | None = None
    written = 0
    over = False

    stream = ThoughtStream()

    def receive(piece: str | e.Thinking) -> None:
        nonlocal first_token_s, written
        if over:  # a model that doesn't stop when its time is up
            return
        if first_token_s is None:
            first_token_s = clock() - began
        written += len(piece.text if isinstance(piece, e.Thinking) else piece)
        for part in stream.feed(piece):
            emit(part)

    try:
        whose = f"the model {model.name}"
        work = warn_if_it_blocks(model.reply(prepared.request, receive), whose)
        reply = await run_within(left_s, contain(work, whose), whose)
        for part in stream.finish():
            emit(part)
    except TooLong:
        return _timeout(cost, called, left_s, written)
    except ModelError as error:
        return _failure(cost, error, prepared, chance)
    finally:
        over = True
    reply = replace(reply, content=unwrap_calls(reply.content, prepared.request.tools))
    return _replied(cost, reply, seq, clock() - began, first_token_s, place_of(model))


def _replied(
    cost: Cost,
    reply: Reply,
    seq: int,
    latency_s: float,
    first_token_s: float | None,
    place: str,
) -> e.ModelReplied:
    unwritten = replace(reply.usage, cache_write_tokens=0, cache_write_1h_tokens=0)
    return e.ModelReplied(
        assign_ids(part_thoughts(reply.content, reply.finish_reason == "length"), seq),
        reply.usage,
        latency_s,
        reply.finish_reason,
        reply.refusal,
        _cost_usd(cost, reply.usage),
        first_token_s,
        reply.opaque,
        _difference_usd(cost, replace(reply.usage, cached_tokens=0), reply.usage),
        _difference_usd(cost, reply.usage, unwritten),
        redact_known(reply.fault) if reply.fault else "",
        place,
    )


def _timeout(
    cost: Cost, called: e.ModelCalled, left_s: float | None, written: int
) -> e.ModelFailed:
    """The end of a call whose time is up: of its reply, so many characters had come."""
    output_tokens = min(written // CHARS_PER_TOKEN, called.max_output_tokens)
    usage = e.Usage(called.prompt_tokens, output_tokens, estimated=True)
    message = f"no whole reply within the {left_s:.3g} s that the turn had left"
    return e.ModelFailed("timeout", message, None, usage, cost(usage))


def _failure(cost: Cost, error: ModelError, prepared: PreparedCall, chance: float) -> e.ModelFailed:
    usage = error.usage or e.Usage()
    wait_s = None
    if isinstance(error, ModelUnavailable):
        wait_s = backoff_s(prepared.tries, chance, error.retry_after_s)
    message, kind = redact_known(str(error)), error.kind
    refused = None
    if kind == "overflow" and error.status == 413:
        refused = find_too_large(message, prepared.request.messages)
        kind = "rejected" if refused else kind
    # Some servers say with a status of 500 that they take no pictures.
    elif kind == "rejected" or "not support" in message:
        refused = find_refused_part(message, prepared.request.messages)
    if refused:
        message = f"{message}; {describe_refusal(refused)}"
    return e.ModelFailed(
        kind,
        message,
        wait_s,
        usage,
        _cost_usd(cost, usage),
        refused,
        error.status,
        error.request_id,
        redact_known(error.body) if error.body else "",
    )


def _cost_usd(cost: Cost, usage: e.Usage) -> float | None:
    if usage.reported_usd is not None:
        return usage.reported_usd
    return cost(usage)


def _difference_usd(cost: Cost, dear: e.Usage, cheap: e.Usage) -> float | None:
    """By how much one usage is dearer than the other, by the model's prices; None if unknown, or if
    they are the same."""
    if dear == cheap:
        return None
    dear_usd, cheap_usd = cost(dear), cost(cheap)
    if dear_usd is None or cheap_usd is None:
        return None
    return float(Decimal(repr(dear_usd)) - Decimal(repr(cheap_usd)))
