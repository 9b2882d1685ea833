"""Asks a model once, and turns whatever comes of it into a fact. Writes nothing: the loop does."""

import asyncio
from collections.abc import Callable

from ..core import events as e
from ..core.call import assign_ids
from ..core.errors import ModelError, ModelUnavailable
from ..core.limits import backoff_s
from ..core.model import Called, Model


async def ask(
    model: Model,
    called: Called,
    seq: int,
    left_s: float | None,
    chance: float,
    emit: Callable[[str | e.Thinking], None],
) -> e.ModelReplied | e.ModelFailed:
    """What came of the request whose ModelCalled has this `seq`. What isn't a ModelError is a bug and comes out.

    `left_s` is what the turn has left; `chance` in [0, 1) jitters a back-off; pieces of text go to `emit`, but not
    those of a summary, which is said to nobody.
    """
    deadline = asyncio.timeout(left_s)
    clock = asyncio.get_running_loop().time
    began, first_s = clock(), None

    def piece(text: str | e.Thinking) -> None:
        nonlocal first_s
        first_s = clock() - began if first_s is None else first_s
        if called.event.purpose != "compact":
            emit(text)

    try:
        async with deadline:
            reply = await model.reply(called.request, piece)
    except TimeoutError:
        if not deadline.expired():
            raise  # not ours: a model that raises it has a bug
        spent = e.Usage(called.event.prompt_tokens, estimated=True)
        said = f"no whole reply within the {left_s:.3g} s that the turn had left"
        return e.ModelFailed("timeout", said, None, spent, model.cost_usd(spent))
    except ModelError as error:
        spent = error.usage or e.Usage()
        asked_s = error.retry_after_s if isinstance(error, ModelUnavailable) else None
        wait_s = (
            backoff_s(called.event.attempt, chance, asked_s)
            if error.kind == "unavailable"
            else None
        )
        return e.ModelFailed(error.kind, str(error), wait_s, spent, model.cost_usd(spent))
    return e.ModelReplied(
        assign_ids(reply.content, seq),
        reply.usage,
        clock() - began,
        reply.finish_reason,
        reply.refusal,
        model.cost_usd(reply.usage),
        first_s,
        reply.opaque,
    )
