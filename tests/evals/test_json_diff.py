import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from treadle.evals.json_diff import find_differences

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-5, 5)
    | st.floats(allow_nan=False)
    | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=2), inner, max_size=3)
    ),
    max_leaves=8,
)
OBJECTS = st.dictionaries(st.text(max_size=2), JSON, max_size=4)


def told(wanted: Any, found: Any, exact: bool = True) -> list[str]:
    return list(find_differences(wanted, found, exact))


def shuffled(value: Any) -> Any:
    """The same value with its keys the other way round and whole numbers as floats."""
    if isinstance(value, dict):
        return {key: shuffled(each) for key, each in reversed(value.items())}
    if isinstance(value, list):
        return [shuffled(each) for each in value]
    return float(value) if type(value) is int else value


@given(JSON)
def test_a_value_equals_itself_written_otherwise(value):
    assert told(value, shuffled(value)) == []
    assert told(value, json.loads(json.dumps(value))) == []


@given(OBJECTS, OBJECTS)
def test_further_keys_are_taken_only_where_a_part_will_do(wanted, more):
    whole = more | wanted
    assert told(wanted, whole, exact=False) == []
    assert bool(told(wanted, whole)) is (wanted.keys() != whole.keys())


@given(JSON, JSON)
def test_what_is_exactly_equal_is_so_as_a_part_and_both_ways(left, right):
    assert bool(told(left, right)) is bool(told(right, left))
    if not told(left, right):
        assert not told(left, right, exact=False)


@pytest.mark.parametrize(
    ("wanted", "found", "exact", "said"),
    [
        ({"a": 1}, {"a": True}, True, ["a is true, wanted 1"]),
        ({"a": True}, {"a": 1}, True, ["a is 1, wanted true"]),
        ({"a": (1, 2)}, {"a": [1, 2]}, True, []),
        (
            {"a": {"b": [0, {"c": 1}]}},
            {"a": {"b": [0, {"c": 2, "d": 3}]}},
            False,
            ["a.b[1].c is 2, wanted 1"],
        ),
        ({"a": [1]}, {"a": [1, 2]}, False, ["a has 2 items, wanted 1: [1, 2], wanted [1]"]),
        ({"a": 1}, {"b": 2}, True, ["a is missing, wanted 1", "b is 2, not wanted"]),
        ({"a": None}, {}, False, ["a is missing, wanted null"]),
        ({"a": 1}, "{a:", True, ['it is "{a:", wanted {"a": 1}']),
    ],
)
def test_it_says_where(wanted, found, exact, said):
    assert told(wanted, found, exact) == said


def test_long_values_are_shown_from_where_they_part():
    [said] = told({"q": "x" * 900 + "left"}, {"q": "x" * 900 + "right"})
    assert said == f'q is …{"x" * 15}right", wanted …{"x" * 15}left"'
