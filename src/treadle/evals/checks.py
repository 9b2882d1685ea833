"""The checks that a case can have, as data. grade.py applies them to a trial.

The set is closed; `Custom` is for everything else. In a file a check is a mapping of one key, its
name below: `{"contains": "427.05"}`, `{"number": {"value": 427.05, "within": 0.01}}`. A value that
is not a mapping is the first field.
"""

import math
import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Literal, get_args

import msgspec

from ..core.check_settings import check_number, check_whole_number
from ..core.errors import UsageError
from ..core.result import Status as TurnStatus
from .convert_fields import convert_fields, suggest_names
from .trajectory import ArgumentMatch, CallOrder, ExpectedCall

if TYPE_CHECKING:
    from .trial import Trial

Names = str | tuple[str, ...]
"""One or several; names of tools may be globs."""


class _Check(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The options that the structs below share."""


class Equal(_Check, frozen=True):
    """The answer is this text; whitespace at its ends is ignored."""

    text: str


class Contains(_Check, frozen=True):
    """The answer contains all of these texts; case is ignored unless `exact_case`."""

    texts: Names
    exact_case: bool = False


class Lacks(_Check, frozen=True):
    """The answer contains none of these texts; case is ignored unless `exact_case`."""

    texts: Names
    exact_case: bool = False


class Matches(_Check, frozen=True):
    """The answer contains a match of this pattern, a regular expression of Python."""

    pattern: str

    def __post_init__(self) -> None:
        try:
            re.compile(self.pattern)
        except re.error as error:
            raise ValueError(f"{self.pattern!r} is no pattern: {error}") from None


class Number(_Check, frozen=True):
    """One of the numbers in the answer (find_numbers.py) is within `within` of this value."""

    value: float
    within: float = 0.0

    def __post_init__(self) -> None:
        if not (math.isfinite(self.value) and 0 <= self.within < math.inf):
            raise ValueError("the value is finite, and so is `within`, which is at least 0")


class Json(_Check, frozen=True):
    """The answer is JSON: this value or, with `match: subset`, an object that contains it."""

    value: Any
    match: Literal["exact", "subset"] = "exact"


class Tools(_Check, frozen=True):
    """The tool calls are these; trajectory.py explains the orders."""

    calls: tuple[str | ExpectedCall, ...]
    order: CallOrder = "in_order"
    arguments: ArgumentMatch = "exact"


class Never(_Check, frozen=True):
    """The model requested none of these tools, including refused calls."""

    tools: Names


class Asked(_Check, frozen=True):
    """A person was asked to approve calls of exactly these tools; `[]`: of none."""

    tools: Names


class MaxSteps(_Check, frozen=True):
    """There were at most this many steps: model calls but for retries, summaries, last words."""

    steps: int

    def __post_init__(self) -> None:
        check_whole_number("MaxSteps(steps", self.steps)


class NoErrors(_Check, frozen=True):
    """No tool call failed, except those that a retry put right."""

    wanted: Literal[True] = True


class MaxTokens(_Check, frozen=True):
    tokens: int

    def __post_init__(self) -> None:
        check_whole_number("MaxTokens(tokens", self.tokens)


class MaxCost(_Check, frozen=True):
    """The cost was at most this, in US dollars; fails if a price is unknown."""

    usd: float

    def __post_init__(self) -> None:
        check_number("MaxCost(usd", self.usd)


class MaxSeconds(_Check, frozen=True):
    """The agent worked for at most this long; waiting for people is not counted."""

    seconds: float

    def __post_init__(self) -> None:
        check_number("MaxSeconds(seconds", self.seconds)


class Status(_Check, frozen=True):
    """The status of the last turn. A case without this check must be `answered`."""

    status: TurnStatus


class Judge(_Check, frozen=True):
    """A model gives the answer at least this many of 5 points by a rubric."""

    rubric: str
    at_least: int = 4
    model: str = ""
    """"": the run's judge, or the agent's own model."""

    def __post_init__(self) -> None:
        if not 1 <= self.at_least <= 5:
            raise ValueError("at_least is 1 to 5 points")


class Custom(msgspec.Struct, frozen=True):
    """A function of the Trial.

    False, a text or an AssertionError fail it; True, "" and None pass it.
    """

    function: "Callable[[Trial], bool | str | None]"
    name: str = ""
    """"": the function's name."""


Check = (
    Equal | Contains | Lacks | Matches | Number | Json | Tools | Never | Asked | NoErrors
    | MaxSteps | MaxTokens | MaxCost | MaxSeconds | Status | Judge | Custom
)  # fmt: skip
CHECK_TYPES: dict[str, type[Any]] = {
    re.sub(r"(?<=[a-z])(?=[A-Z])", "_", kind.__name__).lower(): kind for kind in get_args(Check)
}
"""By their names in a file: `max_steps` is MaxSteps."""
LoadFunction = Callable[[str], "Callable[[Trial], bool | str | None]"]


def parse_check(written: object, load: LoadFunction) -> Check:
    """The check that is written in a file.

    `load` imports the function that `custom` names. Raises UsageError.
    """
    if not isinstance(written, Mapping) or len(written) != 1:
        raise UsageError(
            f"a check is a mapping of one name, such as `contains: text`, not {str(written)[:80]!r}"
        )
    [(name, value)] = written.items()
    if name not in CHECK_TYPES:
        raise UsageError(f"there is no check {name!r}{suggest_names(str(name), CHECK_TYPES)}")
    if name == "custom":
        if not isinstance(value, str):
            raise UsageError("custom: it names a function, as module:name or file.py:name")
        return Custom(load(value), value)
    check_type = CHECK_TYPES[name]
    if not isinstance(value, Mapping):
        value = {check_type.__struct_fields__[0]: value}
    check: Check = convert_fields(check_type, value, name)
    return check
