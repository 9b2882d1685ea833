"""What each check says of an answer, a trajectory, a total."""

import pytest

from evals.made import trial
from treadle import Limits
from treadle.evals import checks as c
from treadle.evals.dataset import Case
from treadle.evals.grade import describe_check, digest_check, grade
from treadle.evals.trial import Trial
from treadle.models.scripted import ScriptedModel, calls, says


def answered(text):
    return Trial("sum", 1, "t", "answered", text)


@pytest.mark.parametrize(
    ("check", "right", "wrong", "why"),
    [
        (c.Equal("3"), " 3\n", "It is 3", 'the answer is "It is 3"'),
        (c.Contains(("Three", "3")), "three: 3", "three", '"3" isn\'t in the answer'),
        (c.Contains("Three", exact_case=True), "Three", "three", '"Three" isn\'t in the answer'),
        (c.Lacks("error"), "fine", "An Error", '"error" is in the answer'),
        (c.Matches(r"\b3\b"), "a 3", "33", "the pattern isn't in the answer"),
        (c.Number(427.05, 0.01), "427,06 EUR", "427.07", "its numbers are 427.07"),
        (c.Number(2847), "2,847", "none", "there is no number in the answer"),
        (c.Number(0.1), "0.1", "0.10000001", "its numbers are 0.10000001"),
        (
            c.Json({"a": [1]}),
            '```json\n{"a": [1]}\n```',
            '{"a": [1], "b": 2}',
            "b is 2, not wanted",
        ),
        (
            c.Json({"a": {"b": 1}}, "subset"),
            '{"a": {"b": 1, "c": 2}}',
            '{"a": {"b": true}}',
            "a.b is true, wanted 1",
        ),
        (c.Json(1), " ```json \n\n1```\n", "```\n" + "\n" * 20_000 + "`", "the answer isn't JSON"),
        (c.Json(True), "true", "1", "it is 1, wanted true"),
        (c.Json(1), "1", "{", "the answer isn't JSON"),
    ],
)
def test_a_check_of_the_answer_passes_what_is_right_and_says_what_is_wrong(
    check, right, wrong, why
):
    assert grade(check, answered(right)).passed
    said = grade(check, answered(wrong))
    assert not said.passed
    assert why in said.why


@pytest.fixture(scope="module")
def two_calls():
    script = [calls(("add", {"a": 1, "b": 2})), calls(("send", {"to": "bob"})), says("3")]
    return trial(
        ScriptedModel(script, price_usd=(0.001, 0.001)), Case("1+2?", name="sum", approve="none")
    )


@pytest.mark.parametrize(
    ("check", "why"),
    [
        (c.Tools(("add", "send"), "strict"), ""),
        (c.Tools((c.ExpectedCall("add", {"b": 2, "a": 1}),)), ""),
        (c.Tools(("send", "add")), "wanted"),
        (c.Tools(("send", "add"), "unordered"), ""),
        (c.Tools((c.ExpectedCall("add", {"a": 1}),), arguments="subset"), ""),
        (c.Tools((c.ExpectedCall("add", {"a": 1}),)), "wanted"),
        (c.Never(("write_*", "delete")), ""),
        (c.Never("se*"), 'wanted no call of se*; there were 1\n  + send(to="bob")'),
        (c.Asked("send"), ""),
        (c.Asked("s*"), ""),
        (c.Asked(("s*", "p*")), "for s*, p*; they were for send"),
        (c.Asked(()), "wanted approvals to be asked for nothing; they were for send"),
        (
            c.Asked(("send", "pay")),
            "wanted approvals to be asked for send, pay; they were for send",
        ),
        (c.NoErrors(), '+ send(to="bob")  failed:denied'),
        (c.MaxSteps(3), ""),
        (c.MaxSteps(2), "it took 3 steps"),
        (c.MaxTokens(1), "tokens"),
        (c.MaxTokens(10_000), ""),
        (c.MaxCost(100), ""),
        (c.MaxCost(0.0001), "it cost $"),
        (c.MaxSeconds(100), ""),
        (c.Status("answered"), ""),
        (c.Status("limit"), "it ended as answered"),
    ],
)
def test_a_check_of_the_trajectory_goes_by_the_log(two_calls, check, why):
    said = grade(check, two_calls)
    assert said.passed == (not why)
    assert why in said.why


def test_a_limit_and_an_unknown_price_are_told():
    limited = trial(
        ScriptedModel([calls(("add", {"a": 1, "b": 2}))], price_usd=None),
        limits=Limits(steps=1, last_word=False),
    )
    assert grade(c.Status("answered"), limited).why == "it ended as limit: steps"
    assert grade(c.MaxCost(1), limited).why == "no price is known for the model"


def fine(trial):
    assert trial.answer == "3", "not three"


def odd(trial):
    return 1 / 0


def leaves(trial):
    raise SystemExit("enough")


def tells(trial):
    raise ValueError("postgres://ann:hunter2@db/x can't be reached")


@pytest.mark.parametrize(
    ("function", "answer", "why"),
    [
        (leaves, "3", "the check raised SystemExit: enough"),
        (fine, "3", ""),
        (fine, "4", "not three"),
        (lambda trial: False, "3", "it says no"),
        (lambda trial: "too short", "3", "too short"),
        (lambda trial: "", "3", ""),
        (odd, "3", "the check raised ZeroDivisionError"),
        (tells, "3", "the check raised ValueError: postgres://ann:[redacted]@db/x can't be"),
        (lambda trial: {}, "3", "the check gave a dict"),
    ],
)
def test_a_custom_check_says_it_its_own_way(function, answer, why):
    said = grade(c.Custom(function), answered(answer))
    assert said.passed == (not why)
    assert why in said.why


@pytest.mark.parametrize(
    ("check", "name"),
    [
        (c.Contains(("a", "b")), "contains a, b"),
        (c.Number(427.05, 0.01), "number 427.05 ± 0.01"),
        (c.Tools(("add", c.ExpectedCall("send"))), "tools in_order: add, send"),
        (c.Asked(()), "asked none"),
        (c.MaxSteps(3), "max_steps 3"),
        (c.NoErrors(), "no_errors"),
        (c.Custom(fine), "fine"),
        (c.Equal("x" * 99), f"equal {'x' * 59}…"),
        (c.Json({"a": 1}), 'json {"a": 1}'),
    ],
)
def test_a_check_has_a_name_in_few_words(check, name):
    assert describe_check(check) == name


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (c.Judge("kind", 3), c.Judge("kind", 5)),
        (c.Judge("k" * 99 + "a"), c.Judge("k" * 99 + "b")),
        (c.Contains("x"), c.Contains("x", True)),
        (c.Contains("x"), c.Lacks("x")),
        (c.Json({"a": 1}), c.Json({"a": 1}, "subset")),
        (
            c.Tools((c.ExpectedCall("stock", {"item": "lamp"}),)),
            c.Tools((c.ExpectedCall("stock", {"item": "desk"}),)),
        ),
        (c.Tools(("a",)), c.Tools(("a",), arguments="ignored")),
        (c.MaxSteps(3), c.MaxTokens(3)),
    ],
)
def test_a_check_s_digest_tells_it_from_every_other(one, other):
    assert digest_check(one) != digest_check(other)
    assert grade(c.Contains("3"), answered("3")).digest == digest_check(c.Contains("3"))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (c.Json({"a": 1, "b": [{2: None}]}), c.Json({"b": [{2: None}], "a": 1})),
        (c.Json({1, 2}), c.Json({3})),
        (c.Number(3.0), c.Number(3.0, 0.0)),
        (c.Custom(fine), c.Custom(fine)),
        (c.Equal("\ud800"), c.Equal("\ud800")),
    ],
)
def test_a_check_s_digest_is_the_same_for_the_same_check(one, other):
    assert digest_check(one) == digest_check(other)
