"""Checks the values of settings when they are made. Pure.

A wrong one would be found in the midst of a turn, or never: NaN is more than nothing and less than
nothing, so that a limit of NaN is no limit.
"""

import math
import sys
from collections.abc import Iterable
from typing import Any, TypeGuard

from .errors import UsageError
from .name_kind import name_kind

_LARGEST = sys.float_info.max


def check_number(what: str, value: Any, least: float = 0.0, or_none: str = "") -> None:
    """Raise UsageError unless the value is a finite number of at least `least`.

    `what` names the setting, as `Limits(seconds`; `or_none` says what None means, where it may be.
    """
    if value is None and or_none:
        return
    if _is_finite(value) and value >= least:
        return
    wanted = "a finite number"
    if least > -math.inf:
        wanted += f", {least:g} or more"
    _refuse(what, value, wanted, or_none)


def check_whole_number(what: str, value: Any, least: int = 0, or_none: str = "") -> None:
    """As `check_number`, and the number must be an int."""
    if value is None and or_none:
        return
    if isinstance(value, int) and _is_finite(value) and value >= least:
        return
    _refuse(what, value, f"a whole number, {least} or more", or_none)


def check_flags(what: str, **values: Any) -> None:
    """Raise UsageError unless each of these values is True or False: "no" counts as true."""
    for name, value in values.items():
        if not isinstance(value, bool):
            raise UsageError(f"{what}({name}={value!r}): it must be True or False")


def check_choice(what: str, value: Any, *choices: str) -> None:
    """Raise UsageError unless the value is one of these words."""
    if value not in choices:
        wanted = " or ".join(repr(choice) for choice in choices)
        raise UsageError(f"{what}={value!r}): it must be {wanted}")


def refuse_unknown(call: str, given: Iterable[str], options: type) -> None:
    """Raise TypeError, as Python does, for a keyword that the call doesn't take.

    `options` is the TypedDict of those that it takes.
    """
    for name in given:
        if name not in options.__annotations__:
            known = ", ".join(options.__annotations__)
            raise TypeError(
                f"{call} got an unexpected keyword argument {name!r}; it takes: {known}"
            )


def check_kind(setting: str, value: Any, kind: type, instead: str) -> None:
    """Raise UsageError unless the value is of this class; `instead` says what to give."""
    if not isinstance(value, kind):
        raise UsageError(f"{setting} is {name_kind(value)}; give {instead}")


def _is_finite(value: Any) -> TypeGuard[float]:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return is_number and -_LARGEST <= value <= _LARGEST  # false for NaN, too


def _refuse(what: str, value: Any, wanted: str, or_none: str) -> None:
    close = ")" if "(" in what else ""
    none = f", or None for {or_none}" if or_none else ""
    raise UsageError(f"{what}={value!r}{close}: it must be {wanted}{none}")
