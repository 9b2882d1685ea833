"""The calls that an agent made, and whether they are the ones that were wanted. Pure."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from .. import events as e

Order = Literal["strict", "in_order", "unordered", "subset", "superset"]
"""The same calls in the same order; these in this order among others; the same in any order; none but these; at least
these."""
Arguments = Literal["exact", "subset", "ignored"]


@dataclass(frozen=True)
class Wanted:
    """A call that should be made."""

    name: str
    arguments: Mapping[str, Any] | None = None
    """None: any arguments."""


@dataclass(frozen=True)
class Made:
    """A call that was made, and what became of it."""

    call_id: str
    name: str
    arguments: str
    """JSON text: the model's own, or what a person put in its place."""
    status: str
    """`returned`, `failed:KIND`, `waiting` for a person, or `unanswered`."""
    asked_approval: bool
    seq: int
    """Of the reply that asked for it."""


def made(records: Iterable[e.Record]) -> tuple[Made, ...]:
    """Every call in these records, in the order in which they were asked for."""
    calls: dict[str, dict[str, Any]] = {}
    for record in records:
        match record.event:
            case e.ModelReplied(calls=asked):
                for call in asked:
                    calls[call.id] = {"name": call.name, "arguments": call.arguments, "seq": record.seq}
            case e.ApprovalAsked(call_id=call_id) | e.QuestionAsked(call_id=call_id):
                asks = isinstance(record.event, e.ApprovalAsked)
                calls[call_id] |= {"status": "waiting", "asked_approval": asks}
            case e.ApprovalGiven(call_id=call_id, arguments=arguments):
                calls[call_id] |= {"status": "unanswered"} | ({"arguments": arguments} if arguments else {})
            case e.ToolReturned(call_id=call_id) | e.OutcomeDecided(call_id=call_id, outcome="ran"):
                calls[call_id]["status"] = "returned"
            case e.UserSaid(answers=call_id) if call_id:
                calls[call_id]["status"] = "returned"
            case e.ToolFailed(call_id=call_id, kind=kind, retry_after_s=None):
                calls[call_id]["status"] = f"failed:{kind}"
    blank: dict[str, Any] = {"status": "unanswered", "asked_approval": False}
    return tuple(Made(call_id, **(blank | facts)) for call_id, facts in calls.items())


def compared(
    made: Sequence[Made], wanted: Sequence[Wanted], order: Order = "strict", arguments: Arguments = "exact"
) -> str:
    """ "" where the calls are as wanted, else what differs, in lines."""
    fits = [[_fits(one, want, arguments) for want in wanted] for one in made]
    if order in ("strict", "in_order"):
        done = 0
        for row in fits:
            done += done < len(wanted) and row[done]
        found = done == len(wanted) and (order == "in_order" or len(made) == len(wanted))
    else:
        pairs = _paired(fits, len(wanted))
        found = (order == "subset" or pairs == len(wanted)) and (order == "superset" or pairs == len(made))
    if found:
        return ""
    listed = [f"wanted ({order.replace('_', ' ')}):", *(f"  {_shown(want)}" for want in wanted)]
    listed += ["made:", *(f"  {one.name}({one.arguments})" for one in made)]
    return "\n".join(listed + ([] if made else ["  nothing"]))


def _paired(fits: list[list[bool]], count: int) -> int:
    """The most calls that can have a wanted one each."""
    holder: dict[int, int] = {}

    def placed(one: int, tried: set[int]) -> bool:
        for want in range(count):
            if fits[one][want] and want not in tried:
                tried.add(want)
                if want not in holder or placed(holder[want], tried):
                    holder[want] = one
                    return True
        return False

    return sum(placed(one, set()) for one in range(len(fits)))


def _fits(made: Made, wanted: Wanted, arguments: Arguments) -> bool:
    if made.name != wanted.name:
        return False
    if wanted.arguments is None or arguments == "ignored":
        return True
    try:
        given = json.loads(made.arguments or "{}")
    except (ValueError, RecursionError):
        return False
    return _holds(given, dict(wanted.arguments), arguments == "subset")


def _holds(given: Any, wanted: Any, part: bool) -> bool:
    if isinstance(given, dict) and isinstance(wanted, dict):
        keys = wanted.keys() <= given.keys() if part else wanted.keys() == given.keys()
        return keys and all(_holds(given[key], value, part) for key, value in wanted.items())
    return bool(given == wanted) and isinstance(given, bool) == isinstance(wanted, bool)


def _shown(wanted: Wanted) -> str:
    return f"{wanted.name}({'…' if wanted.arguments is None else json.dumps(wanted.arguments, ensure_ascii=False)})"
