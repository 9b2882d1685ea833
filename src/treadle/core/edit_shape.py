"""Judges a person's edit of the arguments of a flow's step, or of an agent's call in a flow. Pure.

Their types are known to the flow's code only, which need not be there when a person decides. So an
edit may change values, and neither their names nor their kinds in JSON.
"""

from typing import Any

from .errors import UsageError
from .strict_json import value_of


def refuse_other_shape(call_id: str, asked: str, edited: str) -> None:
    """Raise UsageError for edited arguments, as JSON, that can't stand for those asked for."""
    before = value_of(asked)
    try:
        after = value_of(edited)
    except ValueError as error:
        raise UsageError(f"those arguments of call {call_id} are no JSON: {error}") from None
    if not isinstance(after, dict) or after.keys() != before.keys():
        raise UsageError(
            f"an edit of call {call_id} is a JSON object with {', '.join(before) or 'nothing'},"
            f" as it was asked for, not {edited}"
        )
    for name, value in after.items():
        if _kind_of(value) != _kind_of(before[name]) and None not in (value, before[name]):
            raise UsageError(
                f"{name} of call {call_id} was {_kind_of(before[name])}, and the edit makes it"
                f" {_kind_of(value)}"
            )


def _kind_of(value: Any) -> str:
    match value:
        case bool():
            return "true or false"
        case int() | float():
            return "a number"
        case str():
            return "a text"
        case list():
            return "a list"
        case dict():
            return "an object"
        case _:
            return "null"
