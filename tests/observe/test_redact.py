"""No secret leaves, by value or by shape, and nothing else is touched."""

import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from treadle.observe.redact import MARK, find_secrets, redact, redact_value

PEM = (
    "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n\nMIIEow==\n"
    "-----END RSA PRIVATE KEY-----"
)
JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("key sk-proj-AbCdEf0123456789xyz.", f"key {MARK}."),
        ("sk-ant-api03-aaaaaaaaaaaaaaaaaaaa", MARK),
        ("ghp_0123456789abcdefghijABCDEFGHIJ012345 and more", f"{MARK} and more"),
        ("AWS AKIAIOSFODNN7EXAMPLE", f"AWS {MARK}"),
        ("Authorization: Bearer abc.def-ghi", f"Authorization: Bearer {MARK}"),
        ("authorization: basic dXNlcjpwYXNz", f"authorization: basic {MARK}"),
        (f'{{"token": "{JWT}"}}', f'{{"token": "{MARK}"}}'),
        (f"before {PEM} after", f"before {MARK} after"),
        (json.dumps(PEM), f'"{MARK}"'),
        ("-----BEGIN PRIVATE KEY-----\ncut off", MARK),
        ("postgres://ann:hunter2@db.example/x", f"postgres://ann:{MARK}@db.example/x"),
        ("redis://:hunter2@cache", f"redis://:{MARK}@cache"),
    ],
)
def test_secrets_are_known_by_their_shape(text, shown):
    assert redact(text) == shown


@pytest.mark.parametrize(
    "text",
    [
        "a task-list-of-everything-to-do and a risk-based-approach-of-old",
        "see https://example.com:8080/a@b and mailto:ann@example.com",
        "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----",
        "the bearer of this; basic sums",
        "12345678 tokens, 3f2504e0-4f89-11d3-9a0c-0305e82c3301",
    ],
)
def test_what_is_no_secret_stays(text):
    assert redact(text) == text


def test_secrets_that_overlap_leave_nothing_of_either():
    assert redact("<abcdefghijkl>", {"abcdefgh", "efghijkl"}) == f"<{MARK}>"
    assert redact("aaaaaaaaaaaa", {"aaaaaaaa"}) == MARK


def test_a_shape_that_only_shows_once_another_is_gone() -> None:
    assert redact(f"://u:x{PEM}@") == f"://u:{MARK}@"


def test_a_secret_that_is_a_part_of_the_mark_itself_comes_to_an_end() -> None:
    assert redact("it is redacted", {"redacted"}) == f"it is {MARK}"


def test_a_secret_that_is_too_short_to_be_one_is_left():
    assert redact("no way", {"no", ""}) == "no way"


def test_the_environment_s_secrets_are_those_named_so():
    environment = {
        "OPENAI_API_KEY": "a key with spaces",
        "GH_TOKEN": "tok",
        "PGPASSWORD": 'with "quotes"',
        "HOME": "/home/ann/somewhere",
        "app_secret": "lower case",
    }
    assert find_secrets(environment) == {
        "a key with spaces",
        'with "quotes"',
        r"with \"quotes\"",
        "lower case",
    }


def test_a_value_is_redacted_through_and_through():
    secrets = frozenset({"password1"})
    value = {"a": ["password1", 1, None, {"is password1": True}], "n": 0.5}
    assert redact_value(value, secrets) == {"a": [MARK, 1, None, {f"is {MARK}": True}], "n": 0.5}


words = st.text("abcdef-_./:@ \n", max_size=60)
secrets = st.frozensets(st.text("abcdef", min_size=8, max_size=12), min_size=1, max_size=4)


@given(st.lists(words, max_size=6), secrets, st.data())
def test_no_given_secret_is_left(pieces, known, data):
    chosen = sorted(known)
    text = "".join(piece + data.draw(st.sampled_from(chosen)) for piece in pieces)
    shown = redact(text, known)
    assert not any(secret in part for secret in known for part in shown.split(MARK))
    assert all(part in text for part in shown.split(MARK))


PIECES = [
    "sk-",
    "a" * 20,
    "Bearer ",
    "://u:",
    "@",
    JWT,
    PEM,
    PEM[:40],
    "AKIA",
    "ABCDEFGHIJKLMNOP",
    " ",
    "\n",
    "-",
    ".",
]


@given(st.lists(st.sampled_from(PIECES), max_size=12).map("".join))
def test_redacting_twice_changes_nothing_more(text):
    once = redact(text)
    assert redact(once) == once


UNITS = [
    "sk-",
    "eyJ",
    "eyJ-",
    "eyJ-" * 200 + ".",
    "eyJaaaaaaaa.",
    "://a:",
    PEM[:31],
    "bearer ",
    "bearer",
    " ",
    "xoxa-",
]


@pytest.mark.parametrize("unit", UNITS)
def test_no_text_takes_more_than_linear_time(unit):
    text = unit * (400_000 // len(unit))
    started = time.process_time()
    redact(text, {"a secret value"})
    assert time.process_time() - started < 3  # quadratic would be minutes
