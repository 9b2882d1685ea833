"""The tool calls of a log, and whether they are the wanted ones. Pure; knows only events.

1. A call counts when the model has asked for it, whether or not it ran. A reply that was cut off asks for nothing.
2. Arguments are compared as JSON values: spacing and the order of keys don't count, 1 is 1.0, and true is not 1.
3. A comparison gives "" where all is well, else a text for people. It is as untrusted as the log.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from typing import Any, Literal, get_args

import msgspec

from ..core import events as e
from ..core.errors import UsageError
from ..core.turn import INCOMPLETE
from ..observe.timeline import shorten
from .json_diff import MAX_VALUE, find_differences, format_value
from .matching import Pairs, match_in_any_order, match_in_order

CallOrder = Literal["strict", "in_order", "unordered", "subset", "superset"]
ArgumentMatch = Literal["exact", "subset", "ignored"]

MINUS = "\u2212"
_MEANS: dict[CallOrder, str] = {
    "strict": "the same calls in the same order",
    "in_order": "these calls in this order, others may come between",
    "unordered": "the same calls in any order",
    "subset": "no calls but these",
    "superset": "all of these calls, among others",
}


@dataclass(frozen=True)
class ExpectedCall:
    """A call that should be made."""

    name: str
    arguments: Mapping[str, Any] | None = None
    """None: any."""


@dataclass(frozen=True)
class ActualCall:
    """A call that the model asked for, and what became of it."""

    call_id: str
    name: str
    arguments: Any
    """The parsed JSON, or the text where it is none; a person's edit where there is one."""
    status: str
    """`returned`, `failed:KIND` (the kinds of ToolFailed, and `unknown`), `waiting` for a person, or `unanswered`."""
    asked_approval: bool
    seq: int
    """Of the reply that asked for it."""
    result: str = ""
    """What the model was told came of it."""


def actual_calls(records: Iterable[e.Record]) -> tuple[ActualCall, ...]:
    """The calls in these records, of a turn or of whole threads, in the order in which they were asked for."""
    found: dict[tuple[str, str], ActualCall] = {}
    for record in records:
        event, thread = record.event, record.thread_id
        if isinstance(event, e.ModelReplied):
            for call in event.calls if event.finish_reason not in INCOMPLETE else ():
                arguments = parse_arguments(call.arguments)
                found[thread, call.id] = ActualCall(
                    call.id, call.name, arguments, "unanswered", False, record.seq
                )
            continue
        if isinstance(event, e.StepAsked):
            call = event.call
            found[thread, call.id] = ActualCall(
                call.id, call.name, parse_arguments(call.arguments), "unanswered", False, record.seq
            )
        key = (
            thread,
            event.answers if isinstance(event, e.UserSaid) else getattr(event, "call_id", ""),
        )
        if key in found:
            found[key] = _after(found[key], event)
        if isinstance(event, e.ApprovalGiven) and event.always and event.allowed and key in found:
            same = [k for k, c in found.items() if k[0] == thread and c.name == found[key].name]
            found |= {
                k: replace(found[k], status="unanswered")
                for k in same
                if found[k].status == "waiting"
            }
    return tuple(found.values())


def _after(call: ActualCall, event: e.Event) -> ActualCall:
    match event:
        case e.ApprovalAsked():
            return replace(call, status="waiting", asked_approval=True)
        case e.ApprovalGiven(arguments=edited):
            arguments = call.arguments if edited is None else parse_arguments(edited)
            return replace(call, status="unanswered", arguments=arguments)
        case e.QuestionAsked():
            return replace(call, status="waiting")
        case e.UserSaid(text=text):
            return replace(call, status="returned", result=text)
        case e.ToolReturned(content=content) | e.OutcomeDecided(outcome="ran", content=content):
            return replace(call, status="returned", result=content)
        case e.ToolFailed(kind=kind, message=message, retry_after_s=None):
            return replace(call, status=f"failed:{kind}", result=message)
        case e.OutcomeDecided(outcome="tell", reason=reason):
            return replace(call, status="failed:unknown", result=reason)
        case _:
            return call


def parse_arguments(text: str) -> Any:
    """A call's arguments: the JSON value, or the text where it is none. "" is {}."""
    try:
        return msgspec.json.decode(text or "{}")
    except (ValueError, RecursionError):
        return text


def compare_calls(
    made: Sequence[ActualCall],
    wanted: Sequence[ExpectedCall],
    order: CallOrder = "strict",
    arguments: ArgumentMatch = "exact",
) -> str:
    """ "" if the calls made are the wanted ones, else where they first part and a line for each call.

    `strict`: the same calls in the same order. `in_order`: the wanted ones in their order, others may come between.
    `unordered`: the same calls, each as often, in any order. `subset`: every call made is among the wanted; each of
    those stands for one call. `superset`: every wanted call was made, each by a call of its own; others may be too.

    Arguments are `exact`; or a `subset`: the wanted keys are there with their values, also in nested objects, and
    lists have as many items; or `ignored`. In the lines ✓ is a call that fits, ≠ one with other arguments, + one that
    wasn't wanted, a minus one that wasn't made, and · one that may be there, or be missing.
    """
    if order not in _MEANS or arguments not in get_args(ArgumentMatch):
        known = f"order: {', '.join(_MEANS)}; arguments: {', '.join(get_args(ArgumentMatch))}"
        raise UsageError(f"order {order!r} with arguments {arguments!r}: there are {known}")

    def unlike(want: ExpectedCall, call: ActualCall) -> list[str]:
        if want.arguments is None or arguments == "ignored":
            return []
        return list(find_differences(want.arguments, call.arguments, arguments == "exact"))

    fits = [[want.name == call.name and not unlike(want, call) for call in made] for want in wanted]
    ordered = order in ("strict", "in_order")
    pairs = (match_in_order if ordered else match_in_any_order)(fits)
    may_miss, may_add = order == "subset", order in ("in_order", "superset")
    if (may_miss or len(pairs) == len(wanted)) and (may_add or len(pairs) == len(made)):
        return ""
    of_made = _partners(wanted, made, pairs, ordered)
    lines: list[tuple[str, str]] = []
    left = [index for index in range(len(wanted)) if index not in of_made.values()]
    for index, call in enumerate(made):
        partner = of_made.get(index)
        while ordered and partner is not None and left and left[0] < partner:
            lines.append(_missing(wanted[left.pop(0)], may_miss))
        if partner is None:
            lines.append(
                ("·" if may_add else "+", f"{_called(call.name, call.arguments)}{_status(call)}")
            )
        elif (partner, index) in pairs:
            lines.append(("✓", _called(call.name, call.arguments)))
        else:
            lines.append(("≠", f"{call.name}: {'; '.join(unlike(wanted[partner], call))}"))
    lines += [_missing(wanted[index], may_miss) for index in left]
    first = next(index for index, (mark, _) in enumerate(lines, 1) if mark in ("≠", "+", MINUS))
    head = f"wanted {_MEANS[order]}, arguments {arguments}: {len(wanted)} wanted, {len(made)} made"
    return "\n".join(
        [f"{head}; they part at line {first}", *(f"  {mark} {text}" for mark, text in lines)]
    )


def _partners(
    wanted: Sequence[ExpectedCall], made: Sequence[ActualCall], pairs: Pairs, ordered: bool
) -> dict[int, int]:
    """For each call made the wanted one that it stands beside: its pair, else one of its name that has none."""
    partners = {j: i for i, j in pairs}
    left = [index for index in range(len(wanted)) if index not in partners.values()]
    for j, call in enumerate(made):
        if j in partners:
            continue
        low = max((i for at, i in partners.items() if at < j), default=-1) if ordered else -1
        high = (
            min((i for at, i in partners.items() if at > j), default=len(wanted))
            if ordered
            else len(wanted)
        )
        beside = next((i for i in left if low < i < high and wanted[i].name == call.name), None)
        if beside is not None:
            partners[j] = beside
            left.remove(beside)
    return partners


def _missing(want: ExpectedCall, may_miss: bool) -> tuple[str, str]:
    return "·" if may_miss else MINUS, _called(want.name, want.arguments)


def _called(name: str, arguments: Any) -> str:
    """A call as one writes it, cut to fit a line."""
    if arguments is None:
        return f"{shorten(name, MAX_VALUE)}(…)"
    if not isinstance(arguments, Mapping):
        return f"{shorten(name, MAX_VALUE)}({format_value(arguments)})"
    return f"{shorten(name, MAX_VALUE)}({', '.join(f'{shorten(str(k), MAX_VALUE)}={format_value(v)}' for k, v in arguments.items())})"


def _status(call: ActualCall) -> str:
    return "" if call.status == "returned" else f"  {call.status}"


def check_never_called(made: Iterable[ActualCall], *tools: str) -> str:
    """ "" unless the model asked for one of these tools, names or globs, whether or not it then ran."""
    found = [call for call in made if any(fnmatchcase(call.name, tool) for tool in tools)]
    return _listed(f"wanted no call of {', '.join(tools)}", found)


def check_no_errors(made: Iterable[ActualCall]) -> str:
    """ "" unless a call failed for good: refused, bad, timed out, raised, or of an outcome that nobody knows."""
    return _listed(
        "wanted no failed call", [call for call in made if call.status.startswith("failed")]
    )


def check_approvals_asked(made: Iterable[ActualCall], *tools: str) -> str:
    """ "" if a person was asked to approve calls of these tools, names or globs, and of no others; none named: none."""
    asked = [call for call in made if call.asked_approval]
    names = dict.fromkeys(call.name for call in asked)
    fit = {(name, tool) for name in names for tool in tools if fnmatchcase(name, tool)}
    if {name for name, _ in fit} == names.keys() and {tool for _, tool in fit} == set(tools):
        return ""
    wanted = f"wanted approvals to be asked for {', '.join(tools) or 'nothing'}"
    return (
        _listed(f"{wanted}; they were for {', '.join(names) or 'nothing'}", asked)
        or f"{wanted}; there were none"
    )


def _listed(head: str, calls: Sequence[ActualCall]) -> str:
    lines = [
        f"  + {_called(call.name, call.arguments)}{_status(call)}{_told(call)}" for call in calls
    ]
    return "\n".join([f"{head}; there were {len(calls)}", *lines]) if calls else ""


def _told(call: ActualCall) -> str:
    return (
        f": {shorten(call.result, MAX_VALUE * 2)}"
        if call.status.startswith("failed") and call.result
        else ""
    )
