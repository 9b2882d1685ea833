"""Intervals and tests, against values from the books and from exhaustion."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from treadle.evals.statistics import (
    effective_trials,
    holm_correction,
    pass_rate_interval,
    permutation_p_value,
    probability_that_all_pass,
    wilson_interval,
)

counts = st.integers(1, 40).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))
numbers = st.lists(st.floats(0, 100), min_size=1, max_size=3)
pairs = st.lists(st.tuples(numbers, numbers), max_size=4)


@pytest.mark.parametrize(
    ("passes", "trials", "low", "high"),
    [
        (8, 10, 0.4902, 0.9433),
        (0, 10, 0.0, 0.2775),
        (10, 10, 0.7225, 1.0),
        (50, 100, 0.4038, 0.5962),
        (0, 0, 0, 1),
    ],
)
def test_wilson_s_interval_has_the_known_values(passes, trials, low, high):
    assert wilson_interval(passes, trials) == pytest.approx((low, high), abs=5e-5)


@given(counts)
def test_an_interval_holds_the_rate_and_stays_within_0_and_1(count):
    low, high = wilson_interval(*count)
    assert 0 <= low <= count[0] / count[1] <= high <= 1


@given(counts)
def test_an_interval_narrows_with_more_trials(count):
    few, many = wilson_interval(*count), wilson_interval(count[0] * 4, count[1] * 4)
    assert many.high - many.low < few.high - few.low


def test_runs_of_one_case_that_all_agree_count_as_one():
    agreeing = [(5, 5), (0, 5), (5, 5), (0, 5)]
    assert effective_trials(agreeing) == pytest.approx(4)
    assert pass_rate_interval(agreeing) == pytest.approx(wilson_interval(2, 4))


def test_runs_that_differ_within_every_case_alike_count_as_new_cases():
    assert pass_rate_interval([(2, 4)] * 5) == wilson_interval(10, 20)


@given(st.lists(counts, min_size=1, max_size=8))
def test_trials_are_worth_between_the_cases_and_themselves(cases):
    assert len(cases) <= effective_trials(cases) <= sum(n for _, n in cases)


@pytest.mark.parametrize(
    ("worse", "better", "p"), [(6, 0, 2 / 64), (5, 1, 14 / 64), (1, 0, 1.0), (3, 3, 1.0)]
)
def test_success_with_one_run_each_is_mcnemar_s_exact_test(worse, better, p):
    found = [([1.0], [0.0])] * worse + [([0.0], [1.0])] * better + [([1.0], [1.0])] * 3
    assert permutation_p_value(found) == pytest.approx(p)


def test_a_case_of_several_runs_is_fisher_s_permutation_test():
    assert permutation_p_value([([1, 2, 3], [4, 5, 6])]) == pytest.approx(2 / math.comb(6, 3))


def test_what_is_the_same_is_no_difference():
    assert permutation_p_value([]) == 1.0
    assert permutation_p_value([([3.0, 3.0], [3.0])] * 5) == 1.0


@pytest.mark.slow
def test_many_runs_are_drawn_and_give_the_same_p_each_time():
    doubled = [([100.0 + i, 101.0 + i], [200.0 + i, 202.0 + i]) for i in range(20)]
    alike = [([float(i % 7), float(i % 5)], [float(i % 5), float(i % 7)]) for i in range(20)]
    assert permutation_p_value(doubled) == permutation_p_value(doubled) < 0.001
    assert permutation_p_value(alike) > 0.9


@given(pairs)
def test_a_p_value_is_one_and_doesn_t_know_before_from_now(found):
    p = permutation_p_value(found)
    assert 0 < p <= 1
    swapped = permutation_p_value([(now, before) for before, now in found])
    assert p == pytest.approx(swapped, abs=0.05)


def test_several_tests_are_corrected_by_holm():
    assert holm_correction([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm_correction([]) == []


@given(st.lists(st.floats(0, 1), max_size=6))
def test_a_correction_only_raises_and_keeps_the_order(ps):
    corrected = holm_correction(ps)
    assert all(p <= q <= 1 for p, q in zip(ps, corrected, strict=True))
    assert [ps[i] for i in sorted(range(len(ps)), key=lambda i: (corrected[i], ps[i]))] == sorted(
        ps
    )


def test_all_of_k_trials_pass_as_often_as_in_draws_of_k():
    assert probability_that_all_pass([(3, 4)], 1) == 0.75
    assert probability_that_all_pass([(3, 4)], 2) == 0.5
    assert probability_that_all_pass([(3, 4), (4, 4)], 4) == 0.5
    assert probability_that_all_pass([(3, 4), (2, 2)], 3) is None
    assert probability_that_all_pass([], 1) is None
