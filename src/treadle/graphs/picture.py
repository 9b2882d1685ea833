"""What a picture of a graph shows: its places, the arrows between them, and the way that was taken.

Pure. mermaid.py writes it as text, the page draws it. Of a flow, whose code says no edges, the
records alone tell what came after what.
"""

from collections.abc import Iterator, Sequence

import msgspec

from ..core import events as e
from .nodes import END, START, Choice, Each, Edge, Edges, Join, Node
from .trace import GraphTrace, place_of, trace_run

MAX_FLOW_PLACES = 60
"""Steps of a flow that are drawn at most; those that come again are one."""


class Place(msgspec.Struct, frozen=True):
    """A box of the picture."""

    id: str
    label: str
    kind: str = "node"
    """`start`, `end`, `node` or `choice`."""
    status: str = ""
    """`done`, `working`, `waiting` or `failed`; "" for what hasn't run."""
    runs: int = 0
    failed: bool = False
    seconds: float = 0.0
    cost_usd: float = 0.0


class Arrow(msgspec.Struct, frozen=True):
    """A way from one place to another."""

    source: str
    target: str
    label: str = ""
    times: int = 0
    """How often it was taken."""


class Picture(msgspec.Struct, frozen=True):
    """All places and arrows, in the order in which they were written down."""

    places: tuple[Place, ...] = ()
    arrows: tuple[Arrow, ...] = ()
    ended: str = ""
    """How the run has ended; "" where it hasn't."""
    ran: bool = False
    """Whether it shows a run."""


def draw_graph(
    nodes: Sequence[Node], edges: Sequence[Edges], records: Sequence[e.Record] = ()
) -> Picture:
    """The picture of a graph; with records, that of a run."""
    trace = trace_run(records)
    places = [Place(START, "start", "start", "done" if records else ""), _end(trace)]
    places += [_draw_place(node.name, node.name, "node", trace) for node in nodes]
    arrows: list[Arrow] = []
    for edge in edges:
        if isinstance(edge, Choice):
            place = f"{edge.source}.choice"
            label = getattr(edge.by, "__name__", "choose")
            places.append(_draw_place(place, label, "choice", trace))
        arrows += _draw_arrows(edge, trace)
    return Picture(tuple(places), tuple(arrows), trace.ended, bool(records))


def draw_flow(records: Sequence[e.Record]) -> Picture:
    """The picture of a flow's run: each step after those that had ended when it was asked for.

    Steps of one name are one place. Where there are very many, the first ones are drawn.
    """
    trace = trace_run(records)
    names = list(trace.runs)[:MAX_FLOW_PLACES]
    places = [Place(START, "start", "start", "done"), _end(trace)]
    places += [_draw_place(name, name, "node", trace) for name in names]
    times: dict[tuple[str, str], int] = {}
    for way in _ways(records):
        times[way] = times.get(way, 0) + 1
    if not trace.ended:
        times = {way: count for way, count in times.items() if way[1] != END}
    drawn = {START, END, *names}
    arrows = [
        Arrow(source, target, "", count)
        for (source, target), count in times.items()
        if source in drawn and target in drawn
    ]
    return Picture(tuple(places), tuple(arrows), trace.ended, True)


def _ways(records: Sequence[e.Record]) -> Iterator[tuple[str, str]]:
    """From each step to those that were asked for next, once it had ended."""
    front: list[str] = [START]  # the places that the next step comes after
    open_calls: dict[str, str] = {}
    ended: list[str] = []
    for record in records:
        match record.event:
            case e.StepAsked(call=call):
                if ended:
                    front, ended = ended, []
                place = place_of(call.id)
                open_calls[call.id] = place
                yield from ((source, place) for source in dict.fromkeys(front))
            case (
                e.ToolReturned(call_id=call_id)
                | e.ToolFailed(call_id=call_id, retry_after_s=None)
                | e.OutcomeDecided(call_id=call_id, outcome="ran" | "tell")
                | e.UserSaid(in_call=False, answers=call_id)
            ) if call_id in open_calls:
                ended.append(open_calls.pop(call_id))
    yield from ((source, END) for source in dict.fromkeys(ended or front))


def _end(trace: GraphTrace) -> Place:
    status = {"": "", "answered": "done"}.get(trace.ended, "failed")
    return Place(END, "end", "end", status)


def _draw_place(id: str, label: str, kind: str, trace: GraphTrace) -> Place:
    runs = trace.runs[id]
    status = "done" if runs else ""
    if trace.failed[id]:
        status = "failed"
    if trace.waits[id] > 0 and not trace.ended:
        status = "waiting"
    elif trace.at_work[id] and not trace.ended:
        status = "working"
    failed = bool(trace.failed[id])
    return Place(id, label, kind, status, runs, failed, trace.seconds[id], trace.cost_usd[id])


def _draw_arrows(edge: Edges, trace: GraphTrace) -> Iterator[Arrow]:
    match edge:
        case Edge(source, target):
            times = trace.done[source]
            if source == START:
                times = 1
            yield Arrow(source, target, "", times)
        case Each(source, target, over, item):
            yield Arrow(source, target, f"each {item} of {over}", trace.runs[target])
        case Join(sources, target, need):
            label = {"all": "all", "any": "the first"}.get(str(need), f"the first {need}")
            if need == "all" and len(sources) > 1:
                label = ""
            for source in sources:
                yield Arrow(source, target, label, trace.done[source])
        case Choice(source=source, to=to):
            place = f"{source}.choice"
            yield Arrow(source, place, "", trace.runs[place])
            for way, target in to.items():
                label = way
                if (source, way) in trace.reasons:
                    label += f": {trace.reasons[source, way]}"
                yield Arrow(place, target, label, trace.ways[source, way])
