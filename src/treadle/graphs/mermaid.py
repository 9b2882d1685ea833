"""A graph as Mermaid draws it; with a thread's records, the way that was taken, with times and cost. Pure.

Names and reasons come from models too: all text is made safe for Mermaid's quoted labels.
"""

import json
import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from ..core import events as e
from .nodes import END, START, Choice, Each, Edge, Edges, Join, Node

MAX_REASON_CHARS = 60
"""Characters of a reason in the picture."""


@dataclass
class GraphTrace:
    """What a thread's records say of one graph's run."""

    runs: Counter[str] = field(default_factory=Counter)
    done: Counter[str] = field(default_factory=Counter)
    failed: Counter[str] = field(default_factory=Counter)
    waits: Counter[str] = field(default_factory=Counter)
    seconds: defaultdict[str, float] = field(default_factory=lambda: defaultdict(float))
    cost_usd: defaultdict[str, float] = field(default_factory=lambda: defaultdict(float))
    ways: Counter[tuple[str, str]] = field(default_factory=Counter)
    """How often a choice after a node went each way."""
    reasons: dict[tuple[str, str], str] = field(default_factory=dict)
    """The last reason for it."""
    ended: str = ""


def trace_run(records: Sequence[e.Record]) -> GraphTrace:
    """Read them: those of the graph's own thread."""
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
            ):
                found.waits[_node(call_id)] += 1
            case e.ApprovalGiven(call_id=call_id) | e.UserSaid(answers=call_id) if call_id:
                found.waits[_node(call_id)] -= 1
            case e.ToolStarted(call_id=call_id):
                began.setdefault(call_id, record.at)
                found.waits[_node(call_id)] = 0
            case (
                e.ToolReturned(call_id=call_id)
                | e.ToolFailed(call_id=call_id, retry_after_s=None) as came
            ):
                found.seconds[_node(call_id)] += record.at - began.get(call_id, record.at)
                found.cost_usd[_node(call_id)] += came.cost_usd or 0.0
                _came(found, call_id, came)
            case e.TurnEnded(status=status):
                found.ended = status
    return found


def mermaid(nodes: Sequence[Node], edges: Sequence[Edges], records: Sequence[e.Record] = ()) -> str:
    """The picture's text. What was taken is thick, what wasn't is dotted."""
    way = trace_run(records) if records else None
    lines = ["flowchart TD", f"    {_id(START)}([start])", f'    {_id(END)}(["{_end(way)}"])']
    lines += [f'    {_id(node.name)}["{_label(node.name, way)}"]' for node in nodes]
    lines += [line for edge in edges for line in _edge(edge, way)]
    if way:
        lines.append("    classDef taken stroke-width:3px")
        ran = [_id(node.name) for node in nodes if way.runs[node.name]]
        lines += [f"    class {','.join(ran)} taken"] if ran else []
    return "\n".join(lines) + "\n"


def _edge(edge: Edges, way: GraphTrace | None) -> Iterator[str]:
    match edge:
        case Edge(source, target):
            yield _arrow(
                source, target, "", (1 if source == START else way.done[source]) if way else None
            )
        case Each(source, target, over, item):
            yield _arrow(
                source, target, f"each {item} of {over}", way.runs[target] if way else None
            )
        case Join(sources, target, need):
            label = {"all": "all", "any": "the first"}.get(str(need), f"the first {need}")
            for source in sources:
                yield _arrow(
                    source,
                    target,
                    label if len(sources) == 1 or need != "all" else "",
                    way.done[source] if way else None,
                )
        case Choice(source, by, to):
            place, name = f"{source}.choice", _safe(getattr(by, "__name__", "choose"))
            yield f'    {_id(place)}{{"{name}"}}'
            yield _arrow(source, place, "", way.runs[f"{source}.choice"] if way else None)
            for said, target in to.items():
                why = way.reasons.get((source, said), "") if way else ""
                label = said + (f": {why}" if why else "")
                yield _arrow(place, target, label, way.ways[source, said] if way else None)


def _arrow(source: str, target: str, label: str, times: int | None) -> str:
    line = "-->" if times is None else "==>" if times else "-.->"
    text = " ".join(filter(None, (label, f"({_times(times)})" if times else "")))
    return f"    {_id(source)} {line}" + (f'|"{_safe(text)}"| ' if text else " ") + _id(target)


def _label(name: str, way: GraphTrace | None) -> str:
    if not way or not (way.runs[name] or way.waits[name]):
        return name
    parts = [_times(way.runs[name]), f"{way.seconds[name]:.2f} s"] if way.runs[name] else []
    parts += [f"${way.cost_usd[name]:.4f}"] if way.cost_usd[name] else []
    parts += ["failed"] if way.failed[name] else []
    parts += ["waits for a person"] if way.waits[name] > 0 and not way.ended else []
    return f"{name}<br/>{', '.join(parts)}"


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"


def _id(name: str) -> str:
    """As Mermaid takes it, which has words of its own, `end` among them."""
    return f"n_{name.replace('.', '_')}"


def _end(way: GraphTrace | None) -> str:
    return "end" if not way else f"end: {way.ended}" if way.ended else "end: not yet"


def _came(found: GraphTrace, call_id: str, came: e.ToolReturned | e.ToolFailed) -> None:
    place = _place(call_id)
    if isinstance(came, e.ToolFailed):
        found.failed[_node(call_id)] += came.kind != "cancelled"
        return
    found.done[place] += 1
    source, _, kind = place.rpartition(".")
    if kind == "choice":
        said = json.loads(came.content)
        found.ways[source, said["way"]] += 1
        if said["why"]:
            found.reasons[source, said["way"]] = said["why"]


def _place(call_id: str) -> str:
    """The id without its number: `review.choice` of `review.choice-2`."""
    return re.sub(r"-\d+(?=$|\.)", "", call_id)


def _node(call_id: str) -> str:
    """Whose step it is: approvals before and after a node are its own."""
    return _place(call_id).removesuffix(".before").removesuffix(".after")


def _safe(text: str) -> str:
    line = " ".join(text.split())
    line = line if len(line) <= MAX_REASON_CHARS else f"{line[: MAX_REASON_CHARS - 1]}…"
    return re.sub(r"[^\w .,:;…()'/+*=%$€-]", lambda found: f"#{ord(found.group())};", line)
