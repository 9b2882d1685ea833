import json

from hypothesis import given
from hypothesis import strategies as st

from treadle.models.surrogates import SurrogateJoiner


def joined(*texts: str) -> str:
    joiner = SurrogateJoiner()
    return "".join(json.loads(joiner.join(json.dumps(text).encode())) for text in texts)


@given(st.text(), st.integers(0))
def test_a_text_cut_between_any_two_code_units_comes_whole(text, cut):
    units = text.encode("utf-16-le", "surrogatepass")
    at = cut % (len(units) // 2 + 1) * 2
    pieces = (units[:at], units[at:])
    assert joined(*(each.decode("utf-16-le", "surrogatepass") for each in pieces)) == text


def test_a_half_that_stays_alone_breaks_nothing():
    assert joined("a\ud83d", "b") == "ab"
    assert joined("a\ude0b") == "a\ufffd"
    assert joined("\ud83d\ud83d\ude0b") == "\U0001f60b"


def test_what_only_looks_like_an_escape_is_left_alone():
    arguments = json.dumps({"a": "\ud83d"})  # JSON in JSON
    assert joined(arguments) == arguments
    assert joined("\\ud83d", "\\ude0b \\\\ud83d") == "\\ud83d\\ude0b \\\\ud83d"
