import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from treadle.core.strict_json import MAX_DIGITS, value_of


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1", 1),
        ('"a"', "a"),
        (
            ' {"a": [1, -0.5, 1e3, true, null, "\\ud83d\\ude00"]}\r\n',
            {"a": [1, -0.5, 1000.0, True, None, "😀"]},
        ),
        ("9" * 300, int("9" * 300)),
        ("[" * 100 + "]" * 100, None),
        ('{"a": {"k": 1}, "b": {"k": 1}}', {"a": {"k": 1}, "b": {"k": 1}}),
    ],
)
def test_json_is_read(text, value):
    assert value is None or value_of(text) == value
    value_of(text)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("NaN", "NaN is no JSON"),
        ('{"a": [1, {"b": NaN}]}', "NaN is no JSON"),
        ("[Infinity]", "Infinity is no JSON"),
        ("[-Infinity]", "-Infinity is no JSON"),
        ("1e999", "too large"),
        ("[-1e999]", "too large"),
        ("9" * 301, "more than 300 digits"),
        ('{"a": 1, "a": 2}', "the key 'a' comes twice"),
        ('{"x": [{"a": 1, "\\u0061": 2}]}', "the key 'a' comes twice"),
        ('"\\ud800"', "half of a surrogate pair"),
        ('"\ud800"', "half of a surrogate pair"),
        ('{"\\udc00": 1}', "half of a surrogate pair"),
        ("[" * 101 + "]" * 101, "more than 100 deep"),
        ("[" * 100_000, "more than 100 deep"),
        ('{"a": ' * 100_000, "more than 100 deep"),
        ("{} {}", "Extra data"),
        ("{}x", "Extra data"),
        ("\ufeff{}", "Expecting value"),
        ("", "Expecting value"),
        ("{'a': 1}", "Expecting property name"),
        ('{"a": 1,}', "property|trailing comma"),
        ("[01]", "Expecting|delimiter|property"),
        ("[+1]", "Expecting|delimiter|property"),
        ("[.5]", "Expecting|delimiter|property"),
        ("[1.]", "Expecting|delimiter|property"),
        ("[0x1]", "Expecting|delimiter|property"),
        ("[\u0661]", "Expecting|delimiter|property"),
        ('"a\nb"', "control character"),
        ("// no\n{}", "Expecting|delimiter|property"),
    ],
)
def test_what_is_no_json_or_could_be_read_in_two_ways_is_refused(text, said):
    with pytest.raises(ValueError, match=said):
        value_of(text)


def outcome(text: str) -> str:
    try:
        return repr(value_of(text))
    except ValueError as error:
        return f"refused: {error}".partition(":")[0]


@given(st.text('{}[]":,\\u0 1aé-.e\ud800', max_size=12))
@example('{"a": 1, "a": 2}')
@example('{"a": "\\ud800"}')
@example('{"a": "\ud800"}')
@example('{"a": -0, "b": "\\u0041"}')
@example('{"a": ' + "9" * 290 + "}")
@example("[" * 150 + "]" * 150)
def test_a_short_text_is_read_as_a_long_one(text: str) -> None:
    assert outcome(text) == outcome(text + " " * MAX_DIGITS)
