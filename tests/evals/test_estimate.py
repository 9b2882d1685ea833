"""What a run would take, before it is paid for."""

import pytest

from evals.made import add, report
from fakes import agent, live
from treadle import MemoryStore
from treadle.evals import checks as c
from treadle.evals.dataset import Case, Dataset
from treadle.evals.estimate import CALL_TOKENS, OUTPUT_TOKENS, estimate
from treadle.evals.run_dataset import Run, evaluate
from treadle.evals.text_report import render_estimate
from treadle.models.scripted import ScriptedModel, says


def of(*cases, tools=(), repeats=1, baseline=None, price_usd=(0.001, 0.002)):
    model = ScriptedModel([], price_usd=price_usd)
    found = estimate(
        Dataset("d", cases), agent(model, *tools, instructions="Be brief."), repeats, baseline
    )
    assert model.seen == []
    return found


def test_one_step_without_tools_is_the_prompt_as_it_would_be_sent():
    found = of(Case("Hello there, how are you?"))
    one = agent(ScriptedModel([says("x")]), instructions="Be brief.", store=MemoryStore())
    case = Dataset("d", [Case("Hello there, how are you?")])
    [trial] = live(evaluate(Run(case, one))).trials
    assert (found.steps, found.usage.output_tokens) == (1, OUTPUT_TOKENS)
    assert found.usage.input_tokens == pytest.approx(trial.input_tokens, abs=1)
    assert found.cost_usd == pytest.approx(0.001 * found.usage.input_tokens + 0.002 * OUTPUT_TOKENS)


def test_each_call_that_is_wanted_is_a_step_and_its_result_is_read_again():
    plain, called = (
        of(Case("x"), tools=[add]),
        of(Case("x", [c.Tools(("add", "add"))]), tools=[add]),
    )
    assert (plain.steps, called.steps) == (2, 3)
    prompt = (plain.usage.input_tokens - OUTPUT_TOKENS - CALL_TOKENS) / 2
    assert called.usage.input_tokens == pytest.approx(
        3 * prompt + 3 * (OUTPUT_TOKENS + CALL_TOKENS)
    )


def test_many_short_prompts_cost_what_short_prompts_cost():
    class Levels(ScriptedModel):
        """Dearer for a prompt of more than 1,000 tokens."""

        def cost_usd(self, usage):
            return usage.input_tokens * (1.0 if usage.input_tokens <= 1000 else 2.0)

    cases = [Case(f"about {n}?", name=f"c{n}") for n in range(20)]
    before = report({case.name: (True,) for case in cases}, tokens=(100, 300), steps=2)
    for baseline in (None, before):
        found = estimate(Dataset("d", cases), agent(Levels([]), add), 50, baseline)
        assert found.usage.input_tokens > 100_000
        assert found.cost_usd == pytest.approx(found.usage.input_tokens, rel=0.02)
    long = estimate(Dataset("d", [Case("word " * 3000)]), agent(Levels([])), 2)
    assert long.cost_usd == 2 * long.usage.input_tokens


def test_a_conversation_carries_what_was_said():
    one, two = of(Case("x")), of(Case(["x", "y"]))
    assert two.usage.input_tokens > 2 * one.usage.input_tokens


def test_a_baseline_s_real_numbers_take_the_place_of_guesses():
    cases = (Case("about a?", name="a"), Case("about b?", name="b"), Case("about c?", name="c"))
    found = of(*cases, baseline=report({"a": (True,), "b": (True,)}, tokens=(100, 300)), repeats=2)
    assert (found.measured, found.trials, found.steps) == (2, 6, 12)
    assert found.usage.input_tokens == 2 * (100 + 300 + 200)
    assert "for 2 of 3 cases; the others are taken to be like them" in render_estimate(
        found, 3, "m"
    )


def test_no_price_and_the_judges_requests_are_told():
    said = render_estimate(of(Case("x", [c.Judge("Kind.")]), price_usd=None, repeats=3), 1, "m")
    assert said.startswith(
        "an estimate for 3 trials of 1 case with m; none was run\nabout 3 model calls, "
    )
    assert "no price is known" in said
    assert "and 3 requests to judges" in said
