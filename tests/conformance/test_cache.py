"""Nearly all of a long thread is read from the cache, and `treadle cache` explains what isn't."""

import asyncio
from typing import Any

import pytest

from conformance.conversation import Calls, Conversation, Dialect, Fails, Reply, Says, Thinks, reply
from conformance.suite import DIALECTS, make_agent, make_model, read_run
from treadle import ContextWindow, Limits, MemoryStore
from treadle.observe.cache import CacheStep, read_cache_steps

ROUNDS = 49
INSTRUCTIONS = "Be kind. " * 2000
"""More than 4,096 tokens: no provider keeps prompts that are too short."""


def adds(number: int) -> Reply:
    return reply(
        Thinks(f"I think about step {number} for a while."),
        Says("I add the next numbers."),
        Calls("add", {"a": number, "b": 1}),
        Calls("add", {"a": number, "b": 2}),
    )


def steps(
    dialect: Dialect, replies: list[Any], *turns: tuple[str, dict[str, Any]]
) -> list[CacheStep]:
    """What `treadle cache` says of a thread of these turns, each with settings of its agent."""

    async def main() -> list[CacheStep]:
        store = MemoryStore()
        async with DIALECTS[dialect].module.serve(replies) as server:
            for said, settings in turns:
                model = make_model(dialect, server)
                wanted = {"instructions": INSTRUCTIONS, "store": store, **settings}
                await make_agent([model], **wanted).run(said, thread="t")
            ran = await read_run(EMPTY, dialect, server, store)
            assert ran.faults == []
            return read_cache_steps(ran.records)

    return asyncio.run(main())


EMPTY = Conversation("", (), (), "")


@pytest.mark.slow
@pytest.mark.parametrize("dialect", DIALECTS)
def test_at_least_95_percent_of_50_steps_are_read(dialect: Dialect):
    limits = Limits(steps=60, tool_calls=200, tokens=None)
    replies = [*map(adds, range(ROUNDS)), reply(Says("done"))]
    made = steps(dialect, replies, ("Go.", {"limits": limits}))
    assert len(made) == ROUNDS + 1
    usages = [step.usage for step in made[1:] if step.usage]
    assert len(usages) == ROUNDS
    read, whole = sum(u.cached_tokens for u in usages), sum(u.input_tokens for u in usages)
    assert read >= 0.95 * whole
    assert not any(step.why_unread or step.broken_seq for step in made)


def missed(made: list[CacheStep]) -> list[CacheStep]:
    """The steps that read less than nine tenths of the longest prompt before them."""
    found = []
    longest = 0
    for step in made:
        assert step.usage
        if step.usage.cached_tokens < 0.9 * longest:
            found.append(step)
        longest = max(longest, step.usage.input_tokens)
    return found


@pytest.mark.slow
@pytest.mark.parametrize("dialect", DIALECTS)
def test_other_instructions_and_tools_are_misses_that_are_explained(dialect: Dialect):
    other = {"instructions": "Be brief. " * 2000}
    fewer = {**other, "tools": ()}
    replies = [reply(Says("a" * 400))] * 4
    made = steps(dialect, replies, ("one", {}), ("two", {}), ("three", other), ("four", fewer))
    assert [step.step for step in missed(made)] == [3, 4]
    assert "the instructions have changed" in made[2].why
    assert "add is gone" in made[3].why


@pytest.mark.parametrize("dialect", DIALECTS)
def test_what_is_left_out_is_a_miss_that_is_explained(dialect: Dialect):
    window = {"context_window": ContextWindow(summarize=False), "instructions": "Be kind. " * 600}
    long = "word " * 9000
    overflow = "prompt is too long: 210000 tokens > 200000 maximum context length"
    refused = Fails(400, overflow, "invalid_request_error")
    replies = [reply(Says(long)), reply(Says("b")), refused, reply(Says("c"))]
    made = steps(dialect, replies, *[(said, window) for said in ("one", "two", "three")])
    counted = [step for step in made if step.usage]
    [miss] = missed(counted)
    assert "was left out" in miss.why


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_last_word_is_read_or_its_miss_explained(dialect: Dialect):
    talk = [reply(Says("word " * 4000)), adds(1), reply(Says("So far."))]
    limits = {"limits": Limits(steps=1, tokens=None)}
    made = steps(dialect, talk, ("one", {}), ("two", limits))
    assert [step.purpose for step in made] == ["step", "step", "answer"]
    unexplained = [step for step in missed(made) if not (step.why_unread or step.broken_seq)]
    assert unexplained == []
    if dialect == "messages":
        assert "whether tools may be called" in made[-1].why_unread
    else:
        assert missed(made) == []
