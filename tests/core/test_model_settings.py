"""What may be asked of a model, and which of several wins."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from treadle import ModelSettings, UsageError
from treadle.core.model_settings import SETTING_NAMES, refuse_uncarried, settings_of

SETTINGS = st.builds(
    ModelSettings,
    temperature=st.none() | st.floats(0, 2),
    top_p=st.none() | st.floats(0, 1),
    effort=st.none() | st.sampled_from(["low", "high"]),
    seed=st.none() | st.integers(-9, 9),
    stop=st.none() | st.tuples(st.sampled_from("ab")),
    parallel_tool_calls=st.none() | st.booleans(),
    max_output_tokens=st.none() | st.integers(1, 99),
    extra=st.dictionaries(st.sampled_from("xyz"), st.none() | st.integers(0, 9)),
)


@given(SETTINGS, SETTINGS, SETTINGS)
def test_the_upper_wins_name_by_name_in_any_grouping(run, agent, model):
    merged = run.over(agent.over(model))
    assert merged == run.over(agent).over(model)
    for name in SETTING_NAMES - {"extra"}:
        values = [getattr(each, name) for each in (run, agent, model)]
        assert getattr(merged, name) == next((v for v in values if v is not None), None)
    assert merged.extra == {**model.extra, **agent.extra, **run.extra}
    assert ModelSettings().over(run) == run.over(ModelSettings()) == run


def test_zero_and_false_are_values():
    lower = ModelSettings(temperature=1, seed=7, parallel_tool_calls=True)
    upper = ModelSettings(temperature=0, seed=0, parallel_tool_calls=False)
    assert upper.over(lower) == upper


def test_one_text_may_stand_for_the_stops():
    assert ModelSettings(stop="END").stop == ("END",)
    assert settings_of({"stop_sequences": ["a", "b"]}).stop == ("a", "b")


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"temperature": -1}, "setting 'temperature' can't be -1: expected `float` >= 0.0"),
        ({"temperature": float("inf")}, "'temperature' can't be inf: expected a finite number"),
        ({"effort": ""}, "setting 'effort' can't be '': expected `str` of length >= 1"),
        ({"seed": 1.5}, "setting 'seed' can't be 1.5: expected `int`, got `float`"),
        ({"parallel_tool_calls": 1}, "'parallel_tool_calls' can't be 1: expected `bool`"),
        ({"max_output_tokens": 0}, "setting 'max_output_tokens' can't be 0: expected `int` >= 1"),
        ({"extra": {"temperature": 1}}, "extra has 'temperature', which is a setting: ModelS"),
        ({"extra": {"reasoning_effort": "low"}}, "which is a setting: ModelSettings(effort=...)"),
        ({"extra": {"messages": []}}, "'messages' is no setting of a model; say it in the"),
        ({"extra": {"x": object()}}, "extra field 'x' can't be written as JSON"),
        ({"extra": [1]}, "setting 'extra' can't be [1]: expected `object`, got `array`"),
    ],
)
def test_what_can_t_be_is_refused_in_words(values, said):
    with pytest.raises(UsageError) as refused:
        ModelSettings(**values)
    assert said in str(refused.value)


def test_names_of_providers_mean_the_same_and_null_leaves_out():
    found = settings_of(
        {"max_tokens": 9, "reasoning_effort": "low", "top_k": 3, "temperature": None, "a": None}
    )
    assert found == ModelSettings(
        max_output_tokens=9, effort="low", extra={"top_k": 3, "temperature": None, "a": None}
    )
    assert settings_of({"effort": None}).extra == {"reasoning_effort": None}


def test_a_setting_that_a_model_can_t_be_told_is_named():
    refuse_uncarried(ModelSettings(), (), "m")
    with pytest.raises(UsageError, match="m has no setting 'seed'; it has none"):
        refuse_uncarried(ModelSettings(seed=1), (), "m")
    with pytest.raises(UsageError, match="m has no setting 'top_k'; it has effort"):
        refuse_uncarried(ModelSettings(extra={"top_k": 1}), ("effort",), "m")
