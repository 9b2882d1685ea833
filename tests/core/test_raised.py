"""What other people's code raises is an error like any other, whatever its class."""

import asyncio

import pytest

from treadle.core.raised import call_guarded, describe_raised


class Odd(BaseException):
    pass


class Mute(Exception):
    def __str__(self):
        raise SystemExit


def raises(error):
    raise error


@pytest.mark.parametrize("error", [SystemExit("boo"), Odd("boo"), asyncio.CancelledError("boo")])
def test_what_is_no_exception_is_raised_as_one_that_says_whose_it_is(error):
    with pytest.raises(RuntimeError, match=f"{type(error).__name__}: boo .raised by the rule."):
        call_guarded("the rule", raises, error)


@pytest.mark.parametrize("error", [KeyError("x"), KeyboardInterrupt()])
def test_an_exception_and_ctrl_c_pass_as_they_are(error):
    with pytest.raises(type(error)) as raised:
        call_guarded("the rule", raises, error)
    assert raised.value is error


def test_an_error_is_described_even_where_its_message_is_broken():
    assert describe_raised(KeyError("x")) == "KeyError: 'x'"
    assert describe_raised(Mute()) == "Mute"
    assert call_guarded("the rule", max, 1, 2) == 2
