"""The part of a turn that one request has brought about: what its client hasn't been told yet.

A request that goes on within a turn gets what came since: since its message, or the results that it
brought. Sent again, it gets the same part.
"""

from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import replace
from typing import Any

from ..core import events as e
from ..core.result import Result
from ..engines import Engine
from ..runtime.agent import Agent
from ..runtime.background import Begun
from ..runtime.follow import Items
from ..runtime.given import Given


async def begin_saying(
    agent: Agent[Any, Any], said: e.UserSaid, thread: str | None, key: str, engine: Engine | None
) -> Begun:
    """Say it in that thread or a new one, also into its open turn: here, or by a worker."""
    if engine:
        submitted = await agent.submit(said, thread=thread, key=key, engine=engine)
        return Begun(submitted.thread_id, submitted.turn_seq)
    return await agent.runs.start(said, thread, key, Given(when_busy="steer"))


def seq_before_steering(records: Sequence[e.Record], key: str) -> int | None:
    """The seq before the message of this key; None where that message opened its turn."""
    for record in reversed(records):
        if isinstance(record.event, e.UserSaid) and record.event.key == key:
            return None if record.event.opens_turn else record.seq - 1
    return None


async def since(items: Items[Any], after: int | None) -> Items[Any]:
    """The items, with a Result of what came after this seq alone; None: of the whole turn."""
    async with aclosing(items):
        async for item in items:
            if isinstance(item, Result) and after is not None:
                yield result_since(item, after)
            else:
                yield item


def result_since(result: Result[Any], after: int) -> Result[Any]:
    """What came of the turn after this seq: its records, what they used, and the answer if it was
    given there."""
    records = tuple(each for each in result.records if each.seq > after)
    used = [getattr(each.event, "usage", e.Usage()) for each in records]
    replied = [each for each in find_replies(result.records) if each.seq > after]
    answer = result.answer
    if result.status != "limit" and not replied:
        answer = ""
    return replace(result, records=records, usage=sum(used, e.Usage()), answer=answer)


def find_replies(records: Sequence[e.Record]) -> list[e.Record]:
    """The model's replies with words for somebody: not its summaries of what a prompt leaves
    out."""
    found: list[e.Record] = []
    purpose = "step"
    for record in records:
        match record.event:
            case e.ModelCalled():
                purpose = record.event.purpose
            case e.ModelReplied(text=text) if text and purpose != "compact":
                found.append(record)
    return found
