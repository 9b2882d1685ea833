"""Compares the tool calls of a log with the expected ones. Pure.

1. Arguments are compared as JSON values: whitespace and the order of keys don't matter, 1 equals
   1.0 but not true.
2. A comparison returns "" if the calls are as expected, or else a text for people. It is as
   untrusted as the log.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any, Literal, get_args

import msgspec

from ..core.errors import UsageError
from ..observe.short_text import shorten
from .actual_calls import ActualCall
from .json_diff import MAX_VALUE, find_differences, format_value
from .matching import Pairs, match_in_any_order, match_in_order

CallOrder = Literal["strict", "in_order", "unordered", "subset", "superset"]
ArgumentMatch = Literal["exact", "subset", "ignored"]

MINUS = "\u2212"
_MEANINGS: dict[CallOrder, str] = {
    "strict": "the same calls in the same order",
    "in_order": "these calls in this order, others may come between",
    "unordered": "the same calls in any order",
    "subset": "no calls but these",
    "superset": "all of these calls, among others",
}


class ExpectedCall(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A call that the model should make."""

    name: str
    arguments: Mapping[str, Any] | None = None
    """None: any."""


def compare_calls(
    actual: Sequence[ActualCall],
    expected: Sequence[ExpectedCall],
    order: CallOrder = "strict",
    arguments: ArgumentMatch = "exact",
) -> str:
    """ "" if the calls are as expected; else the first difference and a line for each call.

    `strict`: the same calls in the same order. `in_order`: the expected calls in their order,
    others may come between. `unordered`: the same calls, each as often, in any order. `subset`:
    every actual call is one of the expected ones, each of which allows one call. `superset`: every
    expected call was made, each by a call of its own; others too.

    Arguments are `exact`; or a `subset`: the expected keys have their values, also in nested
    objects, and lists have the same length; or `ignored`. In the lines ✓ is a call as expected, ≠
    one with other arguments, + one that was not expected, a minus one that was not made, and · one
    that may be there or be missing.
    """
    if order not in _MEANINGS or arguments not in get_args(ArgumentMatch):
        known = f"order: {', '.join(_MEANINGS)}; arguments: {', '.join(get_args(ArgumentMatch))}"
        raise UsageError(f"order {order!r} with arguments {arguments!r}: there are {known}")
    fits = [
        [want.name == call.name and not _diff(want, call, arguments) for call in actual]
        for want in expected
    ]
    ordered = order in ("strict", "in_order")
    pairs = match_in_order(fits) if ordered else match_in_any_order(fits)
    all_made = len(pairs) == len(expected) or order == "subset"
    all_expected = len(pairs) == len(actual) or order in ("in_order", "superset")
    if all_made and all_expected:
        return ""
    lines = _Lines(actual, expected, pairs, order, arguments).make()
    first = next(index for index, line in enumerate(lines, 1) if line[0] in ("≠", "+", MINUS))
    head = (
        f"wanted {_MEANINGS[order]}, arguments {arguments}: {len(expected)} wanted,"
        f" {len(actual)} made; they part at line {first}"
    )
    return "\n".join([head, *(f"  {line}" for line in lines)])


@dataclass(frozen=True)
class _Lines:
    """The lines of a comparison.

    One for each actual call and each expected call that was not made.
    """

    actual: Sequence[ActualCall]
    expected: Sequence[ExpectedCall]
    pairs: Pairs
    order: CallOrder
    arguments: ArgumentMatch

    def make(self) -> list[str]:
        partners = self._find_partners()
        missing = [index for index in range(len(self.expected)) if index not in partners.values()]
        lines: list[str] = []
        for index in range(len(self.actual)):
            if self._ordered and index in partners:
                while missing and missing[0] < partners[index]:
                    lines.append(self._missing_line(missing.pop(0)))
            lines.append(self._line(index, partners.get(index)))
        return lines + [self._missing_line(index) for index in missing]

    @property
    def _ordered(self) -> bool:
        return self.order in ("strict", "in_order")

    def _line(self, index: int, partner: int | None) -> str:
        call = self.actual[index]
        if partner is None:
            mark = "·" if self.order in ("in_order", "superset") else "+"
            return f"{mark} {_format_call(call.name, call.arguments)}{_format_status(call)}"
        if (partner, index) in self.pairs:
            return f"✓ {_format_call(call.name, call.arguments)}"
        differences = _diff(self.expected[partner], call, self.arguments)
        return f"≠ {call.name}: {'; '.join(differences)}"

    def _missing_line(self, index: int) -> str:
        mark = "·" if self.order == "subset" else MINUS
        want = self.expected[index]
        return f"{mark} {_format_call(want.name, want.arguments)}"

    def _find_partners(self) -> dict[int, int]:
        """For each actual call the expected one beside it.

        Its pair, or one of the same name without a pair.
        """
        partners = {j: i for i, j in self.pairs}
        left = [index for index in range(len(self.expected)) if index not in partners.values()]
        for j, call in enumerate(self.actual):
            if j in partners:
                continue
            low = -1
            high = len(self.expected)
            if self._ordered:
                low = max((i for at, i in partners.items() if at < j), default=low)
                high = min((i for at, i in partners.items() if at > j), default=high)
            for i in left:
                if low < i < high and self.expected[i].name == call.name:
                    partners[j] = i
                    left.remove(i)
                    break
        return partners


def _diff(want: ExpectedCall, call: ActualCall, arguments: ArgumentMatch) -> list[str]:
    if want.arguments is None or arguments == "ignored":
        return []
    return list(find_differences(want.arguments, call.arguments, arguments == "exact"))


def _format_call(name: str, arguments: Any) -> str:
    """A call as in Python, shortened to fit a line."""
    name = shorten(name, MAX_VALUE)
    if arguments is None:
        return f"{name}(…)"
    if not isinstance(arguments, Mapping):
        return f"{name}({format_value(arguments)})"
    pairs = [f"{shorten(str(k), MAX_VALUE)}={format_value(v)}" for k, v in arguments.items()]
    return f"{name}({', '.join(pairs)})"


def _format_status(call: ActualCall) -> str:
    if call.status == "returned":
        return ""
    return f"  {call.status}"


def check_never_called(actual: Iterable[ActualCall], *tools: str) -> str:
    """ "" unless the model requested one of these tools (names or globs), even in vain."""
    found = [call for call in actual if any(fnmatchcase(call.name, tool) for tool in tools)]
    return _list_calls(f"wanted no call of {', '.join(tools)}", found)


def check_no_errors(actual: Iterable[ActualCall]) -> str:
    """ "" unless a call failed for good.

    Refused, invalid, timed out, raised, or of unknown outcome.
    """
    failed = [call for call in actual if call.status.startswith("failed")]
    return _list_calls("wanted no failed call", failed)


def check_approvals_asked(actual: Iterable[ActualCall], *tools: str) -> str:
    """ "" if a person was asked to approve calls of exactly these tools (names or globs).

    Without tools: of none.
    """
    asked = [call for call in actual if call.asked_approval]
    names = dict.fromkeys(call.name for call in asked)
    fit = {(name, tool) for name in names for tool in tools if fnmatchcase(name, tool)}
    if {name for name, _ in fit} == names.keys() and {tool for _, tool in fit} == set(tools):
        return ""
    wanted = f"wanted approvals to be asked for {', '.join(tools) or 'nothing'}"
    if not asked:
        return f"{wanted}; there were none"
    return _list_calls(f"{wanted}; they were for {', '.join(names)}", asked)


def _list_calls(head: str, calls: Sequence[ActualCall]) -> str:
    if not calls:
        return ""
    lines = [f"{head}; there were {len(calls)}"]
    for call in calls:
        result = ""
        if call.status.startswith("failed") and call.result:
            result = f": {shorten(call.result, MAX_VALUE * 2)}"
        called = _format_call(call.name, call.arguments)
        lines.append(f"  + {called}{_format_status(call)}{result}")
    return "\n".join(lines)
