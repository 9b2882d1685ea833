"""At any limit the turn ends with words for the person, and what it used stays within its limits."""

from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from fakes import agent, found, live
from treadle import Limits, Result, ScriptedModel, tool
from treadle.core import events as e
from treadle.core.model import Reply, Request
from treadle.models.scripted import calls, says


class Greedy(ScriptedModel):
    """Looks again and again, each time with as many tokens as it may write, or as `writes` says.

    It answers only where it can call nothing.
    """

    def __init__(self, writes: list[float], calls_at_once: int, **sizes: Any) -> None:
        super().__init__([], **sizes)
        self._writes = writes
        self._at_once = calls_at_once
        self._asked = 0

    async def reply(self, request: Request, emit: Any) -> Reply:
        self._asked += 1
        if request.tool_choice == "none" or not request.tools:
            return Reply("so far: 42", e.Usage(request.tokens, 5))
        share = self._writes[self._asked % len(self._writes)]
        at_once = max(1, min(self._at_once, request.max_output_tokens // 40))
        tokens = max(20 * at_once, int(request.max_output_tokens * share))
        padding = "x" * (3 * (tokens // at_once - 20))
        asked = calls(*(("look", {"q": f"{self._asked}.{n}{padding}"}) for n in range(at_once)))
        used = e.Usage(request.tokens, min(tokens, request.max_output_tokens))
        return Reply(asked.content, used, "tool_calls")


def ask(model: ScriptedModel, limits: Limits, chars: int = 20, said: str = "how many?") -> Result:
    @tool(read_only=True)
    def look(q: str) -> str:
        """Look."""
        return "r" * chars

    return live(agent(model, look, limits=limits).run(said))


@example([1.0], 1, 4000, "tokens", 1000)
@example([1.0, 0.1], 2, 4000, "cost_usd", 2000)
@given(
    st.lists(st.sampled_from([0.0, 0.2, 1.0]), min_size=1, max_size=3),
    st.sampled_from([1, 2]),
    st.sampled_from([5, 200, 4000]),
    st.sampled_from(["tokens", "cost_usd", "steps", "tool_calls"]),
    st.integers(900, 9000),
)
@settings(max_examples=40)
def test_room_for_a_last_word_is_kept_from_the_start(writes, at_once, chars, kind, most):
    limits = {
        "tokens": Limits(tokens=most),
        "cost_usd": Limits(cost_usd=most * 2.0),
        "steps": Limits(steps=most % 5, tokens=most),
        "tool_calls": Limits(tool_calls=most % 7, tokens=most),
    }[kind]
    model = Greedy(writes, at_once, price_usd=(1.0, 4.0), max_output_tokens=2000)
    result = ask(model, limits, chars)
    assert (result.status, result.answer) == ("limit", "so far: 42")
    assert limits.tokens is None or result.usage.total_tokens <= limits.tokens
    assert limits.cost_usd is None or (result.summary().cost_usd or 0.0) <= limits.cost_usd


LOOK = calls(("look", {"q": "a"}))


@pytest.mark.parametrize(
    ("limits", "reason"),
    [
        (Limits(steps=2), "steps"),
        (Limits(tool_calls=1), "tool_calls"),
        (Limits(repeats=1), "repeats"),
        (Limits(steps=0), "steps"),
        (Limits(tool_calls=0), "tool_calls"),
    ],
)
def test_a_last_word_is_the_default(limits, reason):
    model = ScriptedModel(
        [
            lambda request: (
                LOOK if request.tools and request.tool_choice == "auto" else says("so far: 42")
            )
        ]
        * 9
    )
    result = ask(model, limits)
    assert (result.status, result.reason, result.answer) == ("limit", reason, "so far: 42")
    assert [event.purpose for event in found(result, e.ModelCalled)][-1] == "answer"


def test_what_is_kept_leaves_room_for_a_step_under_a_small_limit():
    model = ScriptedModel([LOOK, says("so far: 42")], max_output_tokens=300)
    said = "how many lamps are there in all the halls?" * 8
    result = ask(model, Limits(tokens=560), said=said)
    assert (result.status, result.answer) == ("limit", "so far: 42")
    assert [event.purpose for event in found(result, e.ModelCalled)] == ["step", "answer"]
    assert result.usage.total_tokens <= 560


@pytest.mark.parametrize("limits", [Limits(tokens=60), Limits(tokens=1)])
def test_where_even_that_has_no_room_the_answer_says_why_it_is_empty(limits):
    result = ask(Greedy([0.0], 1), limits, said="how many lamps are there in all the halls? " * 20)
    assert (result.status, result.steps) == ("limit", 0)
    expected = f"[Stopped before an answer, at the limit: {limits.tokens} tokens."
    assert result.answer == f"{expected} No tool had given a result.]"


def test_at_a_limit_of_seconds_what_was_done_is_said():
    import asyncio

    @tool(read_only=True)
    async def wait() -> str:
        await asyncio.sleep(3)
        return "waited"

    model = ScriptedModel([calls("wait")] * 3)
    result = live(agent(model, wait, limits=Limits(seconds=5, repeats=None)).run("go"))
    assert (result.status, result.reason) == ("limit", "seconds")
    assert (
        result.answer
        == "[Stopped before an answer, at the limit: 5 seconds. Results by then: wait (1).]"
    )
