"""Draws a graph as Mermaid text; with records, also the way that was taken, with times. Pure.

Models write names and reasons too, so all text is escaped for Mermaid's quoted labels.
"""

import json
import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from ..core import events as e
from ..observe.amounts import format_cost, format_seconds
from .nodes import END, START, Choice, Each, Edge, Edges, Join, Node

MAX_REASON_CHARS = 60
"""How many characters of a reason are drawn."""


@dataclass
class GraphTrace:
    """What the records of a thread say about one run of a graph."""

    runs: Counter[str] = field(default_factory=Counter)
    done: Counter[str] = field(default_factory=Counter)
    failed: Counter[str] = field(default_factory=Counter)
    waits: Counter[str] = field(default_factory=Counter)
    seconds: defaultdict[str, float] = field(default_factory=lambda: defaultdict(float))
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
    for record in records:
        match record.event:
            case e.StepAsked(call=call):
                found.runs[_place(call.id)] += 1
            case (
                e.ApprovalAsked(call_id=call_id)
                | e.QuestionAsked(call_id=call_id)
                | e.ChildWaits(call_id=call_id)
                | e.CallNoted(call_id=call_id, pending=True)
            ):
                found.waits[_node(call_id)] += 1
            case e.ApprovalGiven(call_id=call_id) | e.UserSaid(answers=call_id) if call_id:
                found.waits[_node(call_id)] = max(0, found.waits[_node(call_id)] - 1)
            case e.ToolStarted(call_id=call_id):
                began.setdefault(call_id, record.at)
                found.waits[_node(call_id)] = 0
            case (
                e.ToolReturned(call_id=call_id)
                | e.ToolFailed(call_id=call_id, retry_after_s=None) as result
            ):
                found.seconds[_node(call_id)] += record.at - began.get(call_id, record.at)
                found.cost_usd[_node(call_id)] += result.cost_usd or 0.0
                _add_result(found, call_id, result)
            case e.TurnEnded(status=status):
                found.ended = status
            case e.ThreadClaimed(reopens=True):
                found.ended = ""
                found.failed.clear()
    return found


def mermaid(nodes: Sequence[Node], edges: Sequence[Edges], records: Sequence[e.Record] = ()) -> str:
    """The Mermaid text. With records, the way that was taken is thick and the rest is dotted."""
    trace = trace_run(records) if records else None
    lines = [
        "flowchart TD",
        f"    {_id(START)}([start])",
        f'    {_id(END)}(["{_end_label(trace)}"])',
    ]
    for node in nodes:
        lines.append(f'    {_id(node.name)}["{_node_label(node.name, trace)}"]')
    for edge in edges:
        lines += _edge_lines(edge, trace)
    if trace:
        lines.append("    classDef taken stroke-width:3px")
        ran = [_id(node.name) for node in nodes if trace.runs[node.name]]
        if ran:
            lines.append(f"    class {','.join(ran)} taken")
    return "\n".join(lines) + "\n"


def _edge_lines(edge: Edges, trace: GraphTrace | None) -> Iterator[str]:
    """The lines of one edge; without a trace, no arrow says how often it was taken."""
    ran = trace is not None
    trace = trace or GraphTrace()
    match edge:
        case Edge(source, target):
            times = trace.done[source]
            if source == START:
                times = 1
            yield _arrow(source, target, "", times, ran)
        case Each(source, target, over, item):
            yield _arrow(source, target, f"each {item} of {over}", trace.runs[target], ran)
        case Join(sources, target, need):
            label = {"all": "all", "any": "the first"}.get(str(need), f"the first {need}")
            if need == "all" and len(sources) > 1:
                label = ""
            for source in sources:
                yield _arrow(source, target, label, trace.done[source], ran)
        case Choice(source, by, to):
            place = f"{source}.choice"
            name = _escape(getattr(by, "__name__", "choose"))
            yield f'    {_id(place)}{{"{name}"}}'
            yield _arrow(source, place, "", trace.runs[place], ran)
            for way, target in to.items():
                label = way
                if (source, way) in trace.reasons:
                    label += f": {trace.reasons[source, way]}"
                yield _arrow(place, target, label, trace.ways[source, way], ran)


def _arrow(source: str, target: str, label: str, times: int, ran: bool) -> str:
    line = "-->"
    if ran and times:
        line = "==>"
        label = f"{label} ({_times(times)})".lstrip()
    elif ran:
        line = "-.->"
    if label:
        line += f'|"{_escape(label)}"|'
    return f"    {_id(source)} {line} {_id(target)}"


def _node_label(name: str, trace: GraphTrace | None) -> str:
    if not trace or not (trace.runs[name] or trace.waits[name]):
        return name
    parts = []
    if trace.runs[name]:
        parts += [_times(trace.runs[name]), format_seconds(trace.seconds[name])]
    if trace.cost_usd[name]:
        parts.append(format_cost(trace.cost_usd[name]))
    if trace.failed[name]:
        parts.append("failed")
    if trace.waits[name] > 0 and not trace.ended:
        parts.append("waits for a person")
    return f"{name}<br/>{', '.join(parts)}"


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"


def _id(name: str) -> str:
    """An id for Mermaid. The prefix keeps it apart from Mermaid's own words, such as `end`."""
    return f"n_{name.replace('.', '_')}"


def _end_label(trace: GraphTrace | None) -> str:
    if not trace:
        return "end"
    return f"end: {trace.ended or 'not yet'}"


def _add_result(trace: GraphTrace, call_id: str, result: e.ToolReturned | e.ToolFailed) -> None:
    place = _place(call_id)
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


def _place(call_id: str) -> str:
    """The step's id without its number: `review.choice` of `review.choice-2`."""
    return re.sub(r"-\d+(?=$|\.)", "", call_id)


def _node(call_id: str) -> str:
    """The node that a step belongs to; approvals before and after a node belong to it."""
    return _place(call_id).removesuffix(".before").removesuffix(".after")


def _escape(text: str) -> str:
    line = " ".join(text.split())
    if len(line) > MAX_REASON_CHARS:
        line = f"{line[: MAX_REASON_CHARS - 1]}…"
    return re.sub(r"[^\w .,:;…()'/+*=%$€-]", lambda found: f"#{ord(found.group())};", line)
