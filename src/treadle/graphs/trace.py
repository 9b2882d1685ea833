"""What the records of a thread say about one run of a graph or flow. Pure."""

import json
import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

from ..core import events as e


@dataclass
class GraphTrace:
    """What the records of a thread say about one run of a graph."""

    runs: Counter[str] = field(default_factory=Counter)
    done: Counter[str] = field(default_factory=Counter)
    failed: Counter[str] = field(default_factory=Counter)
    at_work: Counter[str] = field(default_factory=Counter)
    """Steps that were asked for and have no result yet."""
    waits: Counter[str] = field(default_factory=Counter)
    """Those of a node that wait for somebody."""
    seconds: defaultdict[str, float] = field(default_factory=lambda: defaultdict(float))
    """Of all tries; not the time between them."""
    cost_usd: defaultdict[str, float] = field(default_factory=lambda: defaultdict(float))
    ways: Counter[tuple[str, str]] = field(default_factory=Counter)
    """How often the choice after a node went each way."""
    reasons: dict[tuple[str, str], str] = field(default_factory=dict)
    """The last reason for going that way."""
    ended: str = ""


def trace_run(records: Sequence[e.Record]) -> GraphTrace:
    """The run that the records of the graph's own thread tell of."""
    found = GraphTrace()
    began: dict[str, float] = {}
    at_work: set[str] = set()
    waiting: set[str] = set()
    for record in records:
        match record.event:
            case e.StepAsked(call=call):
                found.runs[place_of(call.id)] += 1
                at_work.add(call.id)
            case e.ChildWaits(call_id=call_id, waiting=()):
                waiting.discard(call_id)
            case (
                e.ApprovalAsked(call_id=call_id)
                | e.QuestionAsked(call_id=call_id)
                | e.ChildWaits(call_id=call_id)
                | e.CallNoted(call_id=call_id, pending=True)
            ):
                waiting.add(call_id)
            case e.ApprovalGiven(call_id=call_id) | e.UserSaid(answers=call_id) if call_id:
                waiting.discard(call_id)
                if isinstance(record.event, e.UserSaid) and not record.event.in_call:
                    found.done[place_of(call_id)] += 1
                    at_work.discard(call_id)
            case e.OutcomeDecided(call_id=call_id, outcome="ran" | "tell"):
                found.done[place_of(call_id)] += 1
                at_work.discard(call_id)
                waiting.discard(call_id)
            case e.ToolStarted(call_id=call_id):
                began[call_id] = record.at
                waiting.discard(call_id)
            case e.ToolReturned(call_id=call_id) | e.ToolFailed(call_id=call_id) as result:
                found.seconds[_node(call_id)] += record.at - began.pop(call_id, record.at)
                found.cost_usd[_node(call_id)] += result.cost_usd or 0.0
                if getattr(result, "retry_after_s", None) is None:
                    _add_result(found, call_id, result)
                    at_work.discard(call_id)
                    waiting.discard(call_id)
            case e.TurnEnded(status=status):
                found.ended = status
            case e.ThreadClaimed(reopens=True):
                found.ended = ""
                found.failed.clear()
    found.at_work.update(place_of(call_id) for call_id in at_work)
    found.waits.update(_node(call_id) for call_id in waiting)
    return found


def _add_result(trace: GraphTrace, call_id: str, result: e.ToolReturned | e.ToolFailed) -> None:
    place = place_of(call_id)
    if isinstance(result, e.ToolFailed):
        trace.failed[_node(call_id)] += result.kind != "cancelled"
        return
    trace.done[place] += 1
    source, _, kind = place.rpartition(".")
    if kind == "choice":
        choice = json.loads(result.content)
        trace.ways[source, choice["way"]] += 1
        if choice["why"]:
            trace.reasons[source, choice["way"]] = choice["why"]


def place_of(call_id: str) -> str:
    """The step's id without its number: `review.choice` of `review.choice-2`."""
    return re.sub(r"-\d+(?=$|\.)", "", call_id)


def _node(call_id: str) -> str:
    """The node that a step belongs to; approvals before and after a node belong to it."""
    return place_of(call_id).removesuffix(".before").removesuffix(".after")
