"""Ages such as 90d: how long ago something was. Pure."""

import re

from .errors import UsageError
from .name_kind import name_kind

_UNITS_S = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0, "w": 604_800.0, "y": 31_557_600.0}


def parse_age(text: str) -> float:
    """The seconds of an age such as 90d, 12h or 2w (s, m, h, d, w, y). Raises UsageError."""
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([smhdwy])\s*", text, re.ASCII)
    if match is None:
        raise UsageError(
            f"{text!r} is no age; give a number and its unit, such as 90d: seconds s, minutes m,"
            " hours h, days d, weeks w, years y"
        )
    return float(match[1]) * _UNITS_S[match[2]]


def check_retention(retention: str | None) -> str | None:
    """The setting `retention` of a store, as it was given. Raises UsageError."""
    if retention is not None and not isinstance(retention, str):
        raise UsageError(f'retention is {name_kind(retention)}; give an age such as "90d", or None')
    if retention is not None:
        parse_age(retention)
    return retention
