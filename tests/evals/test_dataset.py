"""Cases and datasets: names, choices, and what can't be one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from treadle import UsageError
from treadle.evals.dataset import Case, Dataset


def names(*cases):
    return [case.name for case in Dataset("d", cases).cases]


def test_a_case_without_a_name_is_named_by_its_first_words_and_no_name_comes_twice():
    assert names(
        Case("What is 1+1?"), Case("What is 1+1?"), Case("x", name="mine"), Case("!!!")
    ) == [
        "what-is-1-1",
        "what-is-1-1-2",
        "mine",
        "case",
    ]


@pytest.mark.slow
@given(st.lists(st.text(min_size=1).filter(str.strip), min_size=1, max_size=6))
def test_every_input_gives_a_name_of_its_own_that_a_thread_can_have(inputs):
    found = names(*map(Case, inputs))
    assert len(set(found)) == len(found)
    assert not any("/" in name or " " in name for name in found)


@pytest.mark.parametrize(
    ("cases", "told"),
    [
        ([], "dataset d has 0 cases; it needs 1 to 10,000"),
        ([Case("")], "case 1: its input is one message or a list of messages, none empty"),
        ([Case([])], "case 1: its input is one message"),
        ([Case("a"), Case("b", name="two words")], "case 2 (two words): its name has no spaces"),
        ([Case("a", name="x"), Case("b", name="x")], "case 2 (x): case 1 has that name already"),
        (
            [Case("a"), Case("b", name="b", limits={"steps": -1})],
            "case 2 (b): limits: Limits(steps=-1): it must be a whole number, 0 or more",
        ),
        ([Case("a", limits={"tokens": 0.5})], "case 1: limits: Limits(tokens=0.5): it must be"),
        ([Case("a", limits={"model_tries": 0})], "case 1: limits: Limits(model_tries=0)"),
        ([Case("a", limits={"last_word": 1})], "case 1: limits: Limits(last_word=1)"),
        ([Case("a", approve="some")], "case 1: approve is all, none, or tools with true or false"),
        (
            [Case("a", limits={"step": 1})],
            "case 1: limits: there is no limit 'step'; did you mean steps",
        ),
    ],
)
def test_what_can_t_be_a_dataset_says_which_case(cases, told):
    with pytest.raises(UsageError) as error:
        Dataset("d", cases)
    assert told in str(error.value)


def test_cases_are_chosen_by_tags_and_names():
    whole = Dataset(
        "d",
        [
            Case("a", name="a1", tags=("x",)),
            Case("b", name="b1", tags=("y",)),
            Case("c", name="a2"),
        ],
    )
    assert [case.name for case in whole.only(["x", "y"], []).cases] == ["a1", "b1"]
    assert [case.name for case in whole.only([], ["a*"]).cases] == ["a1", "a2"]
    assert [case.name for case in whole.only(["x"], ["a*"]).cases] == ["a1"]
    with pytest.raises(
        UsageError, match="no case of d is like that; its tags: x, y; its cases: a1, b1, a2"
    ):
        whole.only(["z"], [])


@pytest.mark.parametrize(
    ("approve", "allowed"),
    [("all", True), ("none", False), (None, None), ({"send": True}, True), ({"pay": True}, None)],
)
def test_a_case_says_which_calls_are_approved(approve, allowed):
    assert Case("x", approve=approve).allows("send") is allowed
