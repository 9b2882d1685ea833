import pytest
from hypothesis import given
from hypothesis import strategies as st

from fakes import agent, live
from treadle import Limits, ScriptedModel, tool
from treadle.core.errors import TreadleError
from treadle.core.events import LimitReached, Text, Usage
from treadle.core.limits import (
    MIN_OUTPUT_TOKENS,
    Spent,
    allowed_output_tokens,
    backoff_s,
    check_model_call_limits,
    check_tool_call_limits,
    tightest_limit,
)
from treadle.core.model import Reply, Request
from treadle.models.scripted import calls

NONE = Limits(None, None, None, None, seconds=None)
TOKENS = st.integers(0, 5000)


def spent(
    steps: int = 0,
    tool_calls: int = 0,
    tokens: int = 0,
    cost_usd: float = 0.0,
    seconds: float = 0.0,
) -> Spent:
    return Spent(steps, tool_calls, tokens, cost_usd, seconds)


def price(usage: Usage) -> float:
    return usage.input_tokens * 2e-6 + usage.output_tokens * 8e-6


@pytest.mark.parametrize(
    ("limits", "used", "named"),
    [
        (Limits(steps=3), spent(steps=3), "steps"),
        (Limits(steps=3), spent(steps=2), None),
        (Limits(seconds=5), spent(seconds=5.0), "seconds"),
        (NONE, spent(10**6, 10**6, 10**9, 1e9, 1e9), None),
    ],
)
def test_a_step_is_refused_at_its_limit(limits, used, named):
    reached = check_model_call_limits(limits, used)
    assert (reached and reached.limit) == named


def test_tools_are_refused_all_together():
    assert check_tool_call_limits(Limits(tool_calls=5), 5, 2, 0.0) is None
    assert check_tool_call_limits(Limits(tool_calls=5), 6, 3, 0.0) == LimitReached(
        "tool_calls", 6, 5
    )
    assert check_tool_call_limits(NONE, 10**6, 3, 0.0) is None


@given(TOKENS, TOKENS, TOKENS, st.integers(1, 4000), st.floats(0, 0.05), st.floats(0, 0.05))
def test_what_is_granted_never_costs_more_than_is_left(
    limit, used, prompt, wanted, limit_usd, used_usd
):
    limits = Limits(tokens=limit, cost_usd=limit_usd)
    room = allowed_output_tokens(
        limits, spent(tokens=used, cost_usd=used_usd), prompt, wanted, price
    )
    if isinstance(room, LimitReached):
        least = min(MIN_OUTPUT_TOKENS, wanted)
        fits = (
            used + prompt + least <= limit
            and used_usd + price(Usage(prompt, MIN_OUTPUT_TOKENS + 1)) <= limit_usd
        )
        assert not fits or wanted < MIN_OUTPUT_TOKENS
        return
    assert 0 < room <= wanted
    assert used + prompt + room <= limit
    assert used_usd + price(Usage(prompt, room)) <= limit_usd + 1e-12


def test_no_limit_and_no_price_leave_what_is_wanted():
    assert allowed_output_tokens(NONE, spent(), 10**9, 500, price) == 500
    assert allowed_output_tokens(Limits(cost_usd=1e-9), spent(), 10, 500, lambda usage: None) == 500


def test_back_off_doubles_up_to_thirty_seconds_and_chance_only_shortens():
    assert [backoff_s(attempt, 0.0) for attempt in (1, 2, 3, 6, 7, 50)] == [0.5, 1, 2, 16, 30, 30]
    assert backoff_s(3, 0.999) == pytest.approx(1, rel=0.01)


@given(st.integers(1, 60), st.floats(0, 0.999), st.floats(0, 1e4))
def test_what_was_asked_for_is_obeyed_and_little_is_added(attempt, chance, asked):
    assert asked <= backoff_s(attempt, chance, asked) <= asked + 1


@tool
def look(at: str) -> str:
    """Look."""
    return "seen " + "x" * 200


@given(
    st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1), st.booleans()), min_size=1, max_size=12),
    st.integers(50, 6000),
    st.floats(0.0005, 0.02),
)
def test_whatever_a_model_writes_the_turn_stays_within_tokens_and_cost(script, tokens, cost_usd):
    """As long as it keeps to its max_output_tokens, and we estimate no less than it counts."""
    asked: list[Request] = []

    def reply(read: float, wrote: float, ends: bool, number: int):
        def answer(request: Request) -> Reply:
            asked.append(request)
            usage = Usage(
                max(1, int(request.tokens * read)), max(1, int(request.max_output_tokens * wrote))
            )
            made = calls(("look", {"at": str(number)}))
            return Reply((Text("done" if ends else ""), *(() if ends else made.calls)), usage)

        return answer

    model = ScriptedModel(
        [reply(*each, n) for n, each in enumerate(script)] * 30, price_usd=(2e-6, 8e-6)
    )
    agents = agent(model, look, limits=Limits(tokens=tokens, cost_usd=cost_usd, repeats=None))
    result = live(agents.run("go"))
    assert result.usage.total_tokens <= tokens
    assert (result.summary().cost_usd or 0.0) <= cost_usd + 1e-12
    assert result.status == "answered" or result.reason in ("tokens", "cost_usd", "steps")
    assert all(request.max_output_tokens >= MIN_OUTPUT_TOKENS for request in asked)


def test_a_turn_too_dear_for_its_first_call_ends_before_it():
    for limits in (Limits(tokens=10), Limits(cost_usd=1e-7)):
        model = ScriptedModel([TreadleError("never asked")], price_usd=(2e-6, 8e-6))
        result = live(agent(model, limits=limits).run("go " * 100))
        assert (result.status, model.seen) == ("limit", [])
        assert result.answer.startswith("[Stopped before an answer, at the limit: ")


def test_the_tightest_limit_holds_and_where_none_is_set_none_does():
    assert tightest_limit(3, None, 2) == 2
    assert tightest_limit(0.0, 1.5) == 0.0
    assert tightest_limit(None, None) is None
