"""How checks are written, and what is said of those that can't be."""

import pytest

from treadle import UsageError
from treadle.evals import checks as c
from treadle.evals.checks import CHECK_TYPES, parse_check


def load(place):
    return lambda trial: place


@pytest.mark.parametrize(
    ("written", "check"),
    [
        ({"equal": "x"}, c.Equal("x")),
        ({"contains": "x"}, c.Contains("x")),
        ({"contains": ["x", "y"]}, c.Contains(("x", "y"))),
        ({"lacks": {"texts": "x", "exact_case": True}}, c.Lacks("x", True)),
        ({"matches": "a.c"}, c.Matches("a.c")),
        ({"number": 427}, c.Number(427.0)),
        ({"number": {"value": 427.05, "within": 0.01}}, c.Number(427.05, 0.01)),
        ({"json": {"value": {"a": 1}, "match": "subset"}}, c.Json({"a": 1}, "subset")),
        ({"tools": ["add"]}, c.Tools(("add",))),
        (
            {
                "tools": {
                    "order": "strict",
                    "calls": ["add", {"name": "add", "arguments": {"a": 1}}],
                }
            },
            c.Tools(("add", c.ExpectedCall("add", {"a": 1})), "strict"),
        ),
        ({"never": "write_*"}, c.Never("write_*")),
        ({"asked": []}, c.Asked(())),
        ({"max_steps": 3}, c.MaxSteps(3)),
        ({"no_errors": True}, c.NoErrors()),
        ({"max_tokens": 100}, c.MaxTokens(100)),
        ({"max_cost": 0.01}, c.MaxCost(0.01)),
        ({"max_seconds": 3}, c.MaxSeconds(3.0)),
        ({"status": "limit"}, c.Status("limit")),
        ({"judge": "It is kind."}, c.Judge("It is kind.")),
    ],
)
def test_a_check_is_a_mapping_of_its_name(written, check):
    assert parse_check(written, load) == check


def test_a_custom_check_is_loaded_by_its_place():
    check = parse_check({"custom": "mine.py:fine"}, load)
    assert (check.name, check.function(None)) == ("mine.py:fine", "mine.py:fine")


@pytest.mark.parametrize(
    ("written", "told"),
    [
        ("contains", "a check is a mapping of one name, such as `contains: text`, not 'contains'"),
        ({"contains": "x", "lacks": "y"}, "a check is a mapping of one name"),
        ({"contain": "x"}, "there is no check 'contain'; did you mean contains"),
        ({"zzz": 1}, f"there is no check 'zzz'; there are: {', '.join(CHECK_TYPES)}"),
        ({"number": "427"}, "number: value: it must be a number, and is a text"),
        (
            {"number": {"value": 1, "withn": 2}},
            "number: there is no field `withn`; did you mean within?",
        ),
        ({"number": {"within": 2}}, "number: it has no `value`, which it needs"),
        (
            {"tools": {"calls": [{"name": "a", "argments": {}}]}},
            "calls[0]: there is no field `argments`; did you mean arguments?",
        ),
        (
            {"tools": {"calls": ["a"], "order": "sorted"}},
            "order: 'sorted' is none of: strict, in_order, ",
        ),
        ({"status": "done"}, "status: status: 'done' is none of: answered, "),
        ({"matches": "("}, "'(' is no pattern"),
        ({"number": {"value": 1, "within": -1}}, "number: the value is finite"),
        ({"judge": {"rubric": "x", "at_least": 6}}, "judge: at_least is 1 to 5 points"),
        ({"custom": 7}, "custom: it names a function"),
        ({"no_errors": False}, "no_errors: wanted: False is none of: true"),
        ({"contains": 17}, "texts: it must be a text or a list, and is a whole number; to make it"),
    ],
)
def test_what_is_no_check_says_which_field_and_what_instead(written, told):
    with pytest.raises(UsageError) as error:
        parse_check(written, load)
    assert told in str(error.value)
