import pytest
from hypothesis import given
from hypothesis import strategies as st

from fakes import agent, live
from treadle import Limits, Record, ScriptedModel, tool
from treadle.core import events as e
from treadle.core.errors import TreadleError
from treadle.core.events import LimitReached, Text, Usage
from treadle.core.limits import (
    MIN_OUTPUT_TOKENS,
    Spent,
    allowed_output_tokens,
    backoff_s,
    check_seconds,
    check_tool_call_limits,
    format_amount,
    raise_limits,
    tightest_limit,
    worst_cost,
)
from treadle.core.model import Reply, Request
from treadle.core.result import read_result
from treadle.core.state import fold
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


def worst(prompt_tokens: int, output_tokens: int) -> float:
    return price(Usage(prompt_tokens, output_tokens))


@pytest.mark.parametrize(
    ("limits", "used_s", "named"),
    [
        (Limits(seconds=5), 4.9, None),
        (Limits(seconds=5), 5.0, "seconds"),
        (NONE, 1e9, None),
    ],
)
def test_time_is_up_at_its_limit(limits, used_s, named):
    reached = check_seconds(limits, used_s)
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
        limits, spent(tokens=used, cost_usd=used_usd), prompt, wanted, worst
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
    assert allowed_output_tokens(NONE, spent(), 10**9, 500, worst) == 500
    assert (
        allowed_output_tokens(Limits(cost_usd=1e-9), spent(), 10, 500, lambda prompt, reply: None)
        == 500
    )


RATES = st.lists(st.integers(0, 40), min_size=8, max_size=8)
"""US dollars for a million tokens: input, written, written for an hour, read, audio; output,
reasoning, audio."""


@st.composite
def usages(draw: st.DrawFn, tokens: int = 5000) -> Usage:
    """Any usage of at most so many tokens in and out."""
    prompt, reply = draw(st.integers(0, tokens)), draw(st.integers(0, tokens))
    read = draw(st.integers(0, prompt))
    written = draw(st.integers(0, prompt - read))
    hour = draw(st.integers(0, written))
    heard = draw(st.integers(0, prompt - read - written))
    thought = draw(st.integers(0, reply))
    spoken = draw(st.integers(0, reply - thought))
    return Usage(prompt, reply, read, thought, False, written, hour, heard, spoken)


@given(usages(), RATES, st.integers(0, 100), st.integers(0, 100))
def test_no_usage_costs_more_than_its_reservation(used, rates, more_in, more_out):
    """Whatever its classes cost, and however much less than its limits the call uses."""

    def cost(usage: Usage) -> float:
        plain, wrote, hour, read, heard, output, thought, spoken = rates
        fresh = usage.input_tokens - usage.cached_tokens - usage.cache_write_tokens
        fresh -= usage.audio_input_tokens
        text = usage.output_tokens - usage.reasoning_tokens - usage.audio_output_tokens
        short = usage.cache_write_tokens - usage.cache_write_1h_tokens
        millionths = fresh * plain + short * wrote + usage.cache_write_1h_tokens * hour
        millionths += usage.cached_tokens * read + usage.audio_input_tokens * heard
        millionths += text * output + usage.reasoning_tokens * thought
        return float(millionths + usage.audio_output_tokens * spoken)

    reserved = worst_cost(
        cost, used.input_tokens + more_in, used.output_tokens + more_out, has_audio=True
    )
    assert reserved is not None
    assert cost(used) <= reserved


def test_sound_is_reserved_only_where_the_prompt_may_hold_it():
    def cost(usage: Usage) -> float:
        return float(usage.input_tokens + 9 * usage.audio_input_tokens)

    assert worst_cost(cost, 10, 10) == 10.0
    assert worst_cost(cost, 10, 10, has_audio=True) == 100.0


def test_a_price_that_is_not_known_is_not_reserved():
    assert worst_cost(lambda usage: None, 10, 10) is None
    assert worst_cost(lambda usage: None if usage.reasoning_tokens else 1.0, 10, 10) is None


def test_back_off_doubles_up_to_thirty_seconds_and_chance_only_shortens():
    assert [backoff_s(attempt, 0.0) for attempt in (1, 2, 3, 6, 7)] == [0.5, 1, 2, 16, 30]
    assert [backoff_s(attempt, 0.0) for attempt in (50, 1025, 1026, 10**6)] == [30] * 4
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


@pytest.mark.parametrize(
    ("limit", "amount"),
    [
        ({"tokens": 2_500_000}, "2,500,000 tokens"),
        ({"tool_calls": 0}, "0 tool calls"),
        ({"cost_usd": 0.25}, "0.25 US dollars"),
    ],
)
def test_a_limit_that_ended_a_turn_is_named_with_its_amount(limit, amount):
    [(name, most)] = limit.items()
    reached = e.LimitReached(name, most, most)
    facts = (e.ThreadStarted("a", "k"), e.UserSaid("go"), reached, e.TurnEnded("limit", name))
    log = [Record("t", seq, 0.0, event) for seq, event in enumerate(facts, 1)]
    assert f"at the limit: {amount}." in read_result(log, fold(log)).answer


def test_amounts_are_whole_or_short():
    amounts = (0, 1_250_000, 1_250_000.5, 0.125, 12.3456789)
    shown = ["0", "1,250,000", "1,250,000", "0.125", "12.3457"]
    assert [format_amount(amount) for amount in amounts] == shown


def test_a_log_that_lowers_a_limit_leaves_one_that_can_be():
    lowered = raise_limits(Limits(cost_usd=1.0), e.LimitRaised("ann", steps=-100, cost_usd=-2.5))
    assert (lowered.steps, lowered.cost_usd) == (0, 0)


def test_the_tightest_limit_holds_and_where_none_is_set_none_does():
    assert tightest_limit(3, None, 2) == 2
    assert tightest_limit(0.0, 1.5) == 0.0
    assert tightest_limit(None, None) is None
