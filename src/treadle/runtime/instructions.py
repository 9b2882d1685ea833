"""Instructions that are a function of the context. The log has what they gave.

1. The function is called once in a turn, when its agent is first in charge there.
2. Whoever goes on with the turn takes what its model was told. Without the deps, a resume calls no
   function at all where the log has any instructions of this agent.
3. A replay never calls it.
4. What an imported log says of instructions tells no model anything: others have written it.
"""

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import replace
from functools import partial
from typing import Any

from ..core import events as e
from ..core.context import Context, refuse_code_without_deps
from ..core.errors import UsageError
from ..core.limits import tightest_limit
from ..core.type_variables import DepsOfContext
from .bounded import TooLong, run_within
from .call_function import call_function
from .log import Log
from .origin import count_imported
from .settings import RunSettings

MAX_INSTRUCTIONS_S = 60.0
"""How long a function of instructions may take."""

InstructionsFunction = Callable[[Context[DepsOfContext]], str | Awaitable[str]]
Instructions = str | InstructionsFunction[DepsOfContext]
"""A text, or a function of the Context that gives one; also an async function."""


def add_instructions(first: Instructions[Any], then: str) -> Instructions[Any]:
    """The instructions with this text after them."""
    if isinstance(first, str):
        return "\n\n".join(filter(None, (first, then)))

    async def both(context: Context[Any]) -> str:
        return f"{await _call(first, context, 'the instructions')}\n\n{then}"

    return both


async def with_instructions(log: Log, settings: RunSettings, known: dict[str, str]) -> RunSettings:
    """The settings with the instructions of this turn as their system prompt.

    `known` keeps what was found in this drive, by the agent's name. Raises what the function
    raises, and UsageError where it gives no text or takes too long.
    """
    if settings.instructions is None:
        return settings
    if settings.name not in known:
        system = find_recorded(log, settings)
        if system is None:
            context = Context(settings.run.deps, log.thread_id, "", "", 1)
            whose = f"the instructions of {settings.name}"
            timeout_s = tightest_limit(MAX_INSTRUCTIONS_S, settings.left_s(log.state))
            try:
                work = _call(settings.instructions, context, whose)
                text = await run_within(timeout_s, work, whose)
            except TooLong:
                raise UsageError(f"{whose} took longer than {timeout_s:.3g} s") from None
            system = "\n\n".join(filter(None, (text, settings.system)))
        known[settings.name] = system
    return replace(settings, system=known[settings.name], instructions=None)


def find_recorded(log: Log, settings: RunSettings) -> str | None:
    """The system prompt that the log has for this turn; None where the function must be called."""
    assert log.state.turn
    is_live = settings.run.hands.are_live
    records = log.records[count_imported(log.records) :] if is_live else log.records
    told = _told_in_turn(records, log.state.turn.opened_seq, settings.name)
    if told is not None:
        return told
    if not is_live:  # a replay, which hasn't come to the description yet
        recorded = log.state.described.get(settings.name)
        return recorded.instructions if recorded else ""
    if settings.run.instructions_from_log:
        return _told_last(records, settings.name)
    return None


def _told_last(records: Iterable[e.Record], agent: str) -> str | None:
    """What the agent's model was told by the last description; None where there is none."""
    told: str | None = None
    for record in records:
        if isinstance(record.event, e.AgentDescribed) and record.event.agent == agent:
            told = record.event.instructions
    return told


def _told_in_turn(records: Iterable[e.Record], opened_seq: int, agent: str) -> str | None:
    """What this agent's model was told in the turn that this record opened; None: nothing yet."""
    described: e.AgentDescribed | None = None
    told: str | None = None
    for record in records:
        match record.event:
            case e.AgentDescribed() as described:
                in_turn = record.seq > opened_seq
            case e.ModelCalled():
                in_turn = record.seq > opened_seq
            case _:
                continue
        if in_turn and described and described.agent == agent:
            told = described.instructions
    return told


async def _call(function: InstructionsFunction[Any], context: Context, whose: str) -> str:
    """What it gives. A plain function runs in a thread, as a plain tool does."""
    refuse_code_without_deps(f"the function of {whose}", context.deps, function)
    given = await call_function(partial(function, context), {}, whose, whose)
    if not isinstance(given, str):
        raise UsageError(
            f"a function of instructions gave {type(given).__name__}; it must give a str"
        )
    return given
