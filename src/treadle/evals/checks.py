"""The checks that a case can have, as data. What each says of a trial is in verdicts.py, how they are read here.

The set is closed; `Custom` is for what it lacks. In a file a check is a mapping of one key, its name below:
`{"contains": "427.05"}`, `{"number": {"value": 427.05, "within": 0.01}}`. What isn't a mapping is the first field.
"""

import difflib
import math
import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from ..core.errors import UsageError
from ..core.result import Status as TurnStatus
from .trajectory import ArgumentMatch, CallOrder

if TYPE_CHECKING:
    from .trial import Trial

Names = str | tuple[str, ...]
"""One or several; of tools they are globs."""


class _Check(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The options that the structs below share."""


class Equal(_Check, frozen=True):
    """The answer is this text; space at its ends doesn't count."""

    text: str


class Contains(_Check, frozen=True):
    """The answer holds all of these texts; case doesn't count unless `exact_case`."""

    texts: Names
    exact_case: bool = False


class Lacks(_Check, frozen=True):
    """The answer holds none of these texts."""

    texts: Names
    exact_case: bool = False


class Matches(_Check, frozen=True):
    """The pattern (Python's) is found in the answer."""

    pattern: str

    def __post_init__(self) -> None:
        try:
            re.compile(self.pattern)
        except re.error as error:
            raise ValueError(f"{self.pattern!r} is no pattern: {error}") from None


class Number(_Check, frozen=True):
    """One of the numbers in the answer (numbers.py) is this one, give or take `within`."""

    value: float
    within: float = 0.0

    def __post_init__(self) -> None:
        if not (math.isfinite(self.value) and 0 <= self.within < math.inf):
            raise ValueError("the value is finite, and so is `within`, which is at least 0")


class Json(_Check, frozen=True):
    """The answer is JSON, of this value or, with `match: subset`, an object that holds it."""

    value: Any
    match: Literal["exact", "subset"] = "exact"


class ExpectedCall(_Check, frozen=True):
    """A tool call that is wanted."""

    name: str
    arguments: dict[str, Any] | None = None
    """None: any."""


class Tools(_Check, frozen=True):
    """The tool calls are these, in that order or relation (trajectory.py)."""

    calls: tuple[str | ExpectedCall, ...]
    order: CallOrder = "in_order"
    arguments: ArgumentMatch = "exact"


class Never(_Check, frozen=True):
    """The model asked for none of these tools, also not in vain."""

    tools: Names


class Asked(_Check, frozen=True):
    """A person was asked about calls of these tools and of no others; `[]`: about none."""

    tools: Names


class MaxModelCalls(_Check, frozen=True):
    """The model was asked at most so often; a retry doesn't count, nor does a summary."""

    steps: int


class NoErrors(_Check, frozen=True):
    """No tool call failed for good."""

    wanted: Literal[True] = True


class MaxTokens(_Check, frozen=True):
    tokens: int


class MaxCost(_Check, frozen=True):
    """In US dollars; fails where no price is known."""

    usd: float


class MaxSeconds(_Check, frozen=True):
    """Of work."""

    seconds: float


class Status(_Check, frozen=True):
    """How the last turn ended. A case without this check must be `answered`."""

    status: TurnStatus


class Judge(_Check, frozen=True):
    """A model gives the answer 1 to 5 points by this rubric, and it gets at least so many."""

    rubric: str
    at_least: int = 4
    model: str = ""
    """"": the one that the run names, else the agent's own."""

    def __post_init__(self) -> None:
        if not 1 <= self.at_least <= 5:
            raise ValueError("at_least is 1 to 5 points")


class Custom(msgspec.Struct, frozen=True):
    """A function of the Trial: False, a text or an AssertionError fail it; True, "" and None pass it."""

    function: "Callable[[Trial], bool | str | None]"
    name: str = ""
    """"": the function's."""


Check = (
    Equal | Contains | Lacks | Matches | Number | Json | Tools | Never | Asked | MaxModelCalls | NoErrors
    | MaxTokens | MaxCost | MaxSeconds | Status | Judge | Custom
)  # fmt: skip
CHECK_TYPES: dict[str, type[Any]] = {
    "equal": Equal,
    "contains": Contains,
    "lacks": Lacks,
    "matches": Matches,
    "number": Number,
    "json": Json,
    "tools": Tools,
    "never": Never,
    "asked": Asked,
    "max_steps": MaxModelCalls,
    "no_errors": NoErrors,
    "max_tokens": MaxTokens,
    "max_cost": MaxCost,
    "max_seconds": MaxSeconds,
    "status": Status,
    "judge": Judge,
    "custom": Custom,
}
"""By their names in a file."""
LoadFunction = Callable[[str], "Callable[[Trial], bool | str | None]"]


def parse_check(written: object, load: LoadFunction) -> Check:
    """The check that a file's value says; `load` finds the function that `custom` names. Raises UsageError."""
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
    kind = CHECK_TYPES[name]
    fields = value if isinstance(value, Mapping) else {kind.__struct_fields__[0]: value}
    check: Check = convert_fields(kind, fields, name)
    return check


def convert_fields(kind: type[Any], value: object, name: str) -> Any:
    """The struct that a file's value says. Raises UsageError: which field, what it must be, what comes near."""
    try:
        return msgspec.convert(value, kind, strict=True)
    except msgspec.ValidationError as error:
        said = str(error)
    unknown = re.search(r"unknown field `(.*)`", said)
    fields = kind.__struct_fields__
    hint = suggest_names(unknown[1], fields) if unknown else ""
    said = said.replace(" - at `$.", " at `").replace(" - at `$", " at `")
    raise UsageError(f"{name}: {said}{hint}") from None


def suggest_names(name: str, known: "Mapping[str, Any] | tuple[str, ...]") -> str:
    """What to say of a name that isn't known: those that come near, else all."""
    close = difflib.get_close_matches(name[:60], known, 2, 0.6)
    return f"; did you mean {' or '.join(close)}?" if close else f"; there are: {', '.join(known)}"
