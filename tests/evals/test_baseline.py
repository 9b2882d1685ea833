"""What counts as worse: enough of it, and more than chance would give."""

from dataclasses import replace

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evals.made import report
from treadle.evals.baseline import compare_reports
from treadle.evals.grade import Verdict

TEN = {f"c{number}": (True,) for number in range(10)}


def change(found, name):
    return next(each for each in found.changes if each.name == name)


def test_a_doubled_cost_is_caught_and_its_cases_are_named():
    found = compare_reports(report(TEN), report(TEN, tokens=(200, 210)))
    assert [each.name for each in found.regressions] == ["tokens", "cost_usd"]
    cost = change(found, "cost_usd")
    assert (cost.before, round(cost.now, 5), cost.significant) == (
        pytest.approx(0.01),
        0.0205,
        True,
    )
    assert cost.share == pytest.approx(1.05)
    assert [each.case for each in cost.cases] == ["c1", "c3", "c5", "c7", "c9"]


def test_half_the_cost_is_a_change_but_no_regression():
    found = compare_reports(report(TEN, tokens=(200,)), report(TEN))
    assert (change(found, "tokens").significant, found.regressions) == (True, ())


def test_as_much_up_as_down_is_noise():
    found = compare_reports(report(TEN, tokens=(100, 200)), report(TEN, tokens=(200, 100)))
    assert not any(each.significant for each in found.changes)


def test_a_change_of_four_percent_is_sure_and_too_little():
    found = change(compare_reports(report(TEN), report(TEN, tokens=(104,))), "tokens")
    assert (found.p < 0.05, found.significant) == (True, False)


def test_few_cases_can_t_tell():
    few = {"a": (True,), "b": (True,)}
    assert compare_reports(report(few), report(few, tokens=(900,))).regressions == ()


def test_many_runs_of_one_case_can():
    one = {"a": (True,) * 8}
    assert (
        compare_reports(report(one), report({"a": (False,) * 8})).regressions[0].name == "success"
    )


def test_more_failures_are_caught_by_mcnemar_s_test():
    worse = {name: (number > 7,) for number, name in enumerate(TEN)}
    found = compare_reports(report(TEN), report(worse))
    assert [each.name for each in found.regressions] == ["success"]
    assert change(found, "success").p == pytest.approx(
        4 * 2 / 2**8
    )  # of four questions, the other three unmoved


def test_seconds_never_count():
    slow = msgspec.structs.replace(
        report(TEN),
        cases=tuple(
            msgspec.structs.replace(
                case, trials=tuple(msgspec.structs.replace(t, seconds=99.0) for t in case.trials)
            )
            for case in report(TEN).cases
        ),
    )
    found = change(compare_reports(report(TEN), slow), "seconds")
    assert (found.worse, found.significant) == (True, False)


def test_what_can_t_be_compared_is_left_out_and_named():
    before, now = (
        report({"a": (True,), "b": (True,)}),
        report({"b": (True,), "c": (True,)}, cost_usd=None),
    )
    found = compare_reports(before, now)
    assert found.compared == 1
    assert found.left_out == (
        "new: c",
        "gone, or not run now: a",
        "cost: no price is known for every run",
    )
    asked = msgspec.structs.replace(
        now, cases=(msgspec.structs.replace(now.cases[0], messages=("other?",)),)
    )
    assert compare_reports(before, asked).left_out[-1] == "another input than then: b"
    assert compare_reports(before, asked).changes == ()


def test_success_by_other_checks_is_no_better_and_no_worse():
    before, now = report({"a": (True,), "b": (True,)}), report({"a": (True,), "b": (False,)})
    strict = now.cases[1].trials[0]
    strict = msgspec.structs.replace(
        strict, verdicts=(*strict.verdicts, Verdict("equal 4", False, "it is 3"))
    )
    now = msgspec.structs.replace(
        now, cases=(now.cases[0], msgspec.structs.replace(now.cases[1], trials=(strict,)))
    )
    found = compare_reports(before, now)
    assert found.left_out == ("success, for other checks than then: b",)
    assert (change(found, "success").now, change(found, "success").before) == (1.0, 1.0)
    assert change(found, "tokens").before == 110


def digested(made, digest):
    """The report as if each of its checks had this digest."""

    def change_all(trial):
        verdicts = tuple(msgspec.structs.replace(v, digest=digest) for v in trial.verdicts)
        return msgspec.structs.replace(trial, verdicts=verdicts)

    cases = [
        msgspec.structs.replace(case, trials=tuple(map(change_all, case.trials)))
        for case in made.cases
    ]
    return msgspec.structs.replace(made, cases=tuple(cases))


def test_checks_that_are_described_alike_are_told_apart_but_not_in_old_reports():
    before, now = report(TEN), report(dict.fromkeys(TEN, (False,)))
    found = compare_reports(digested(before, "a"), digested(now, "b"))
    assert found.left_out[0].startswith("success, for other checks than then: c0, c1")
    assert [each.name for each in found.regressions] == []
    for old, new in (("", "b"), ("a", ""), ("a", "a")):
        found = compare_reports(digested(before, old), digested(now, new))
        assert [each.name for each in found.regressions] == ["success"]


def test_another_model_is_told():
    assert compare_reports(report(TEN), report(TEN, model="m2")).agent == (
        "the model was scripted, is now m2",
    )


@given(
    st.lists(st.booleans(), min_size=1, max_size=9), st.lists(st.booleans(), min_size=1, max_size=9)
)
def test_nothing_is_both_a_regression_and_its_opposite(before, now):
    cases = [f"c{number}" for number in range(max(len(before), len(now)))]
    sides = [
        report({c: (side[i % len(side)],) for i, c in enumerate(cases)}) for side in (before, now)
    ]
    there, back = compare_reports(*sides), compare_reports(*reversed(sides))
    assert not (there.regressions and back.regressions)
    assert compare_reports(sides[0], sides[0]).regressions == ()
    assert replace(there, changes=()).compared == len(cases)
