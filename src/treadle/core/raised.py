"""What other people's code raises: rules, checks, prices. Pure.

A SystemExit or a CancelledError of theirs is no end of this process and no cancelled turn: it is
treated as any other error. A KeyboardInterrupt passes, as it may be Ctrl-C: only runtime/border.py
can tell.
"""

from collections.abc import Callable
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


def call_guarded(whose: str, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Call the function. What isn't an Exception is raised as one, which names `whose` it is."""
    try:
        return function(*args, **kwargs)
    except (Exception, KeyboardInterrupt):
        raise
    except BaseException as error:
        raise in_words(error, whose) from error


def in_words(error: BaseException, whose: str) -> RuntimeError:
    """The error as an Exception, which ends nothing but the work that raised it."""
    return RuntimeError(f"{describe_raised(error)} (raised by {whose})")


def describe_raised(error: BaseException) -> str:
    """Its class and its message, if it has one."""
    return ": ".join(filter(None, (type(error).__name__, message_of(error))))


def first_error(error: BaseException) -> BaseException:
    """The first error of a group, which says more than the group does; any other as it is."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


def message_of(error: BaseException) -> str:
    """Its message; "" where its own __str__ is broken."""
    try:
        return str(error)
    except BaseException:
        return ""
