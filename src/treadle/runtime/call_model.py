"""One model call, and the event that it ends in. Writes nothing: the loop does."""

import asyncio
from collections.abc import Callable

from ..core import events as e
from ..core.call import assign_ids
from ..core.errors import ModelError, ModelUnavailable
from ..core.limits import backoff_s
from ..core.model import Model, PreparedCall
from ..models.known_secrets import redact_known
from .border import contain


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
    varies the back-off. `emit` gets the text in pieces, except a summary's: nobody is to see that.
    """
    called = prepared.event
    deadline = asyncio.timeout(left_s)
    clock = asyncio.get_running_loop().time
    began = clock()
    first_token_s: float | None = None

    def receive(piece: str | e.Thinking) -> None:
        nonlocal first_token_s
        if first_token_s is None:
            first_token_s = clock() - began
        if called.purpose != "compact":
            emit(piece)

    try:
        async with deadline:
            reply = await contain(model.reply(prepared.request, receive), f"the model {model.name}")
    except TimeoutError:
        if not deadline.expired():
            raise  # not ours: a model that raises it has a bug
        usage = e.Usage(called.prompt_tokens, estimated=True)
        message = f"no whole reply within the {left_s:.3g} s that the turn had left"
        return e.ModelFailed("timeout", message, None, usage, model.cost_usd(usage))
    except ModelError as error:
        return _failure(model, error, called.attempt, chance)
    return e.ModelReplied(
        assign_ids(reply.content, seq),
        reply.usage,
        clock() - began,
        reply.finish_reason,
        reply.refusal,
        model.cost_usd(reply.usage),
        first_token_s,
        reply.opaque,
    )


def _failure(model: Model, error: ModelError, attempt: int, chance: float) -> e.ModelFailed:
    usage = error.usage or e.Usage()
    wait_s = None
    if isinstance(error, ModelUnavailable):
        wait_s = backoff_s(attempt, chance, error.retry_after_s)
    return e.ModelFailed(error.kind, redact_known(str(error)), wait_s, usage, model.cost_usd(usage))
