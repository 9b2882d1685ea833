"""Writes the parts of the documentation that repeat what the code says: `just docs`.

docs/reference/events.md as a whole, and the tables of lines in ARCHITECTURE.md, each between two
marks. tests/docs/test_generated.py fails where a page isn't what this gives.
"""

import ast
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import get_args

from public_names import stable_page

from treadle.core import events as e
from treadle.core.call import LEGAL_STATUSES, CallState, CallStatus
from treadle.core.errors import IllegalEvent
from treadle.core.phases import LEGAL_PHASES, Phase
from treadle.core.state import State, apply

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src" / "treadle"

ABOUT = """\
Written by docs/generate.py from `core/events.py`, the values beside it and the tables of what may
come when in `core/phases.py` and `core/call.py`; `just docs` writes it again. The words are
explained in the [glossary](../glossary.md).

An event is a fact in the past tense. Each stands in a [record](#record) of a thread's log. An
event that can't follow those before it raises `IllegalEvent`, and nothing is written."""
ABOUT_STATUSES = """\
`ThreadClaimed` and `ThreadForked` are drawn where they change a call: a new driver, or a fork,
finds what was under way. Which of two ways they take depends on whether the call runs as a child.
A failure that is to be retried is drawn from `started` alone: only an attempt is retried.
A call that has its result is no longer among the turn's open calls: that is the end of its way."""
PHASES: dict[Phase, str] = {
    "empty": "there is no record yet",
    "idle": "no turn is open: a message may open one",
    "ready": "a turn is open and nothing is under way: the model is asked next, or the turn ends",
    "calling": "a request is on its way to the model, and no reply is in the log yet",
    "acting": "calls were asked for, by a reply or a flow's code, and one has no result yet",
}
STATUSES: dict[CallStatus, str] = {
    "asked": "the model, or the code of a flow, has asked for it",
    "waiting": "it waits for a person's approval",
    "question": "it is a question, and waits for a person's answer",
    "allowed": "it may run",
    "denied": "a person has refused it; the model is told next",
    "started": "an attempt runs",
    "pending": "its work goes on elsewhere: a post, a poll or its time ends it",
    "retrying": "an attempt failed, and another one comes later",
    "child": "it runs as a child, and the child waits for people",
    "unknown": "it had started when its process was lost: nobody knows whether it had its effect",
}
ROOMS: dict[str, str] = {
    "core": "what a log means: events, state, `decide`, the prompt. No files, network or clock",
    "models": "language models: three APIs over HTTP, the embedded model, scripts for tests",
    "stores": "where logs are kept: in memory, in SQLite, in PostgreSQL",
    "engines": "what brings threads to workers: Temporal, or the process itself",
    "runtime": "what makes things happen: the log, the loop, one model call, one tool call, agents",
    "tools": "the tools that ship: calculator, dates, files, tables, web, documents, questions",
    "flows": "async functions whose steps are in the log",
    "notes": "facts that outlive a thread: kept, found by words and meaning, recalled",
    "patterns": "recipes for several agents, in plain Python",
    "observe": "readers of logs: traces, costs, statistics, `explain`, differences",
    "graphs": "nodes and edges on top of flows, checked before they run",
    "evals": "datasets, checks, reports and baselines",
    "testing": "assertions, the pytest plugin, recorded threads as tests",
    "mcp": "tools of MCP servers, and an agent as an MCP server",
    "workers": "processes that resume what is due, on one machine or many",
    "serve": "agents over HTTP: the API, OpenAI's two APIs, the page",
    "cli": "the `treadle` command",
}
READING = [
    (["core/events.py"], "the events: every fact that a log can hold"),
    (
        ["core/state.py", "core/turn.py", "core/call.py"],
        "what is true after a log, and which event may come when",
    ),
    (["core/decide.py"], "what to do next: every rule of the loop"),
    (["core/prompt.py"], "what the model gets to see"),
    (["core/window.py"], "what the prompt leaves out, so that it fits"),
    (["runtime/loop.py"], "the loop: decide, act, append"),
    (
        ["runtime/settings.py", "runtime/request.py"],
        "an agent's settings, resolved, and how the next request is built",
    ),
    (["runtime/agent.py"], "the settings, and the ways to set a thread going"),
]

CALL = e.Call("c1", "look", "{}")
OTHER_CALL = e.Call("c2", "look", "{}")
PENDING = e.PendingDecision("child", "c9", "pay", "{}", "waiting")
SAMPLES: list[tuple[str, e.Event]] = [
    ("ThreadStarted", e.ThreadStarted("agent", "key")),
    ("ThreadClaimed", e.ThreadClaimed("claim")),
    ("ThreadForked", e.ThreadForked("parent", 1, "key")),
    ("TrustChanged", e.TrustChanged(False, "ann")),
    ("AgentDescribed", e.AgentDescribed("agent", "model", "")),
    ("UserSaid", e.UserSaid("Hello.")),
    ("UserSaid that answers", e.UserSaid("Blue.", answers="c1")),
    ("UserSaid that steers", e.UserSaid("Also blue.", steers=True)),
    ("NotesRecalled", e.NotesRecalled((), "")),
    ("ModelCalled", e.ModelCalled("model", "hash", 1, 1)),
    ("ModelReplied", e.ModelReplied("Hello.", e.Usage(), 0.0)),
    ("ModelReplied with calls", e.ModelReplied((CALL,), e.Usage(), 0.0)),
    ("ModelReplied with calls", e.ModelReplied((CALL, OTHER_CALL), e.Usage(), 0.0)),
    ("ModelFailed", e.ModelFailed("unavailable", "busy")),
    ("ToolStarted", e.ToolStarted("c1", "key")),
    ("CallNoted", e.CallNoted("c1", '"job"')),
    ("CallNoted, pending", e.CallNoted("c1", '"job"', True)),
    ("ToolDeferred", e.ToolDeferred("c1", "It isn't over.")),
    ("ToolReturned", e.ToolReturned("c1", "17", 0.0)),
    ("ToolFailed", e.ToolFailed("c1", "raised", "no")),
    ("ToolFailed, to be retried", e.ToolFailed("c1", "raised", "no", retry_after_s=1.0)),
    (
        "ToolFailed, to be verified",
        e.ToolFailed("c1", "timeout", "no", retry_after_s=0.0, unknown=True),
    ),
    ("StepAsked", e.StepAsked(CALL)),
    ("ChildStarted", e.ChildStarted("c1", "child")),
    ("ChildWaits", e.ChildWaits("c1", (PENDING,))),
    ("ChildWaits for nothing", e.ChildWaits("c1", ())),
    ("HandedOff", e.HandedOff("c1", "other")),
    ("ApprovalAsked", e.ApprovalAsked("c1")),
    ("ApprovalGiven", e.ApprovalGiven("c1", True, "ann")),
    ("ApprovalGiven, a refusal", e.ApprovalGiven("c1", False, "ann")),
    ("QuestionAsked", e.QuestionAsked("c1", "Which?")),
    ("OutcomeDecided", e.OutcomeDecided("c1", "ran", "ann")),
    ("OutcomeDecided, not run", e.OutcomeDecided("c1", "not_run", "ann")),
    ("OutcomeDecided, unclear", e.OutcomeDecided("c1", "unclear", "verify")),
    ("ContextCompacted", e.ContextCompacted(1)),
    ("Checked, a message", e.Checked("message", "allow", said_seq=3)),
    ("Checked, a call", e.Checked("call", "pass", call_id="c1")),
    ("Checked, the answer", e.Checked("answer", "allow")),
    ("AnswerRejected", e.AnswerRejected("no")),
    ("LimitReached", e.LimitReached("steps", 1, 1)),
    ("LimitRaised", e.LimitRaised("ann", tokens=1)),
    ("TurnEnded", e.TurnEnded("answered")),
    ("FeedbackGiven", e.FeedbackGiven(True, "ann", turn_seq=2)),
]
"""One event of each type, more where one type leads to several places: found by trying these."""

Edges = dict[tuple[str, str], list[str]]
"""From and to, and the events that lead there."""


def find_ways() -> tuple[Edges, Edges]:
    """How the phases of a thread and the statuses of a call follow each other.

    Found by trying every sample in every kind of state, from the empty log on.
    """
    phases: Edges = {}
    statuses: Edges = {}
    seen: set[object] = set()
    waiting = [State()]
    while waiting:
        state = waiting.pop(0)
        if (key := _shape(state)) in seen:
            continue
        seen.add(key)
        for label, event in SAMPLES:
            try:
                after = apply(state, e.Record("thread", state.seq + 1, 0.0, event))
            except IllegalEvent:
                continue
            _add(phases, state.phase, after.phase, label)
            if move := _call_move(state, after, event):
                _add(statuses, *move, label)
            waiting.append(after)
    return _sorted(phases), _sorted(statuses)


def _sorted(edges: Edges) -> Edges:
    order = [label for label, _ in SAMPLES]
    return {way: sorted(labels, key=order.index) for way, labels in edges.items()}


def _shape(state: State) -> object:
    """What decides where a state can go next."""
    turn = state.turn
    calls = turn.calls.values() if turn else ()
    return (
        state.phase,
        turn is not None,
        tuple((one.status, one.step, bool(one.child), one.deferred) for one in calls),
    )


def _call_move(state: State, after: State, event: e.Event) -> tuple[str, str] | None:
    """From which status to which the event takes the call; None where it doesn't speak of it."""
    was, now = _call(state), _call(after)
    if was is None:
        return ("[*]", now.status) if now else None
    if isinstance(event, e.ThreadClaimed | e.ThreadForked):
        return (was.status, now.status) if now and now.status != was.status else None
    if type(event) in LEGAL_STATUSES:
        return was.status, now.status if now else "[*]"
    return None


def _call(state: State) -> CallState | None:
    """The call c1 of the open round."""
    if state.phase != "acting" or not state.turn:
        return None
    return state.turn.calls.get(CALL.id)


def _add(edges: Edges, start: str, end: str, label: str) -> None:
    labels = edges.setdefault((start, end), [])
    if label not in labels:
        labels.append(label)


def events_page() -> str:
    """docs/reference/events.md."""
    phases, statuses = find_ways()
    core = SOURCE / "core"
    modules = [core / "events.py", *sorted(core.glob("*_events.py"))]
    tree = ast.parse("\n".join(path.read_text("utf8") for path in modules))
    modules = [core / "values.py", core / "description_values.py"]
    values = ast.parse("\n".join(path.read_text("utf8") for path in modules))
    events = [kind.__name__ for kind in get_args(e.Event)]
    parts = [
        "# Events",
        ABOUT,
        "## Phases of a thread",
        _diagram({way: names for way, names in phases.items() if way[0] != way[1]}),
        "Events that leave the phase as it is aren't drawn; the table below has all of them.",
        _table(("phase", "meaning"), [(f"`{name}`", PHASES[name]) for name in get_args(Phase)]),
        "## Statuses of a call",
        _diagram({way: names for way, names in statuses.items() if _is_drawn(way)}),
        ABOUT_STATUSES,
        _table(
            ("status", "meaning"), [(f"`{name}`", STATUSES[name]) for name in get_args(CallStatus)]
        ),
        "## What may come when",
        _legality(phases, events),
        "## Each event",
        *_structs(tree, lambda name: name in events),
        "## Record",
        *_structs(tree, lambda name: name == "Record", heading=""),
        "## Values in events",
        *_structs(values, lambda name: True),
    ]
    return "\n\n".join(parts) + "\n"


def _is_drawn(way: tuple[str, str]) -> bool:
    start, end = way
    return end != "retrying" or start == "started"


def _diagram(edges: Edges) -> str:
    lines = [f"    {start} --> {end}{_label(names)}" for (start, end), names in edges.items()]
    return "\n".join(["```mermaid", "stateDiagram-v2", *lines, "```"])


def _label(names: list[str]) -> str:
    return f": {'<br/>'.join(names)}" if names else ""


def _legality(phases: Edges, events: Iterable[str]) -> str:
    kinds = {kind.__name__: kind for kind in LEGAL_PHASES}
    rows = []
    for name in sorted(events, key=list(kinds).index):
        ends = [
            way[1]
            for way, labels in phases.items()
            if any(label.split()[0].strip(",") == name for label in labels)
        ]
        statuses = LEGAL_STATUSES.get(kinds[name], frozenset())
        rows.append(
            (
                f"[{name}](#{name.lower()})",
                _in_order(LEGAL_PHASES[kinds[name]], get_args(Phase)),
                _in_order(statuses, get_args(CallStatus)),
                _in_order(ends, get_args(Phase)),
            )
        )
    return _table(("event", "in phases", "the call is", "phase after it"), rows)


def _in_order(names: Iterable[str], order: tuple[str, ...]) -> str:
    return ", ".join(f"`{name}`" for name in order if name in set(names))


def _structs(
    tree: ast.Module, wanted: Callable[[str], bool], heading: str = "### "
) -> Iterator[str]:
    for node in tree.body:
        if not isinstance(node, ast.ClassDef) or not wanted(node.name):
            continue
        if heading:
            yield f"{heading}{node.name}"
        if about := ast.get_docstring(node):
            yield re.sub(r"\s+", " ", about)
        yield _table(("field", "type", "default", ""), _fields(node))


def _fields(node: ast.ClassDef) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = []
    for index, field in enumerate(node.body):
        if not isinstance(field, ast.AnnAssign):
            continue
        follows = node.body[index + 1] if index + 1 < len(node.body) else None
        about = ""
        if isinstance(follows, ast.Expr) and isinstance(follows.value, ast.Constant):
            about = re.sub(r"\s+", " ", str(follows.value.value)).strip()
        default = f"`{ast.unparse(field.value)}`" if field.value else ""
        name = ast.unparse(field.target)
        kind = ast.unparse(field.annotation).replace("v.Count", "int").replace("Count", "int")
        rows.append((f"`{name}`", f"`{kind}`", default, about))
    return rows


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [head, tuple("---" for _ in head)]
    lines += [tuple(cell.replace("|", "\\|") for cell in row) for row in rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def reading_table() -> str:
    """The files in the order to read them, with their lines to the nearest ten."""
    rows = []
    for paths, about in READING:
        links = [f"[{Path(path).name}](src/treadle/{path})" for path in paths]
        count = sum(_lines(SOURCE / path) for path in paths)
        rows.append((", ".join(links), str(round(count, -1)), about))
    return _table(("to read", "lines", "what it is"), rows)


def rooms_table() -> str:
    """The folders, from the top down, with their lines to the nearest hundred."""
    rows = []
    for room, about in reversed(ROOMS.items()):
        count = sum(map(_lines, (SOURCE / room).rglob("*.py")))
        rows.append((f"[{room}/](src/treadle/{room})", str(round(count, -2)), about))
    return _table(("room", "lines", "what is in it"), rows)


def _lines(path: Path) -> int:
    return len(path.read_text("utf8").splitlines())


def _filled(path: Path) -> str:
    """The page with its tables written anew, each between `<!-- name … -->` and `<!-- end -->`."""
    tables = {"reading": reading_table(), "rooms": rooms_table()}
    return re.sub(
        r"(<!-- (reading|rooms)\b.*? -->\n).*?(<!-- end -->)",
        lambda found: f"{found[1]}{tables[found[2]]}\n{found[3]}",
        path.read_text("utf8"),
        flags=re.S,
    )


def _architecture() -> str:
    return _filled(ROOT / "ARCHITECTURE.md")


def _stable() -> str:
    return stable_page((ROOT / "docs" / "stable.md").read_text("utf8"))


PAGES: Mapping[Path, Callable[[], str]] = {
    ROOT / "ARCHITECTURE.md": _architecture,
    ROOT / "docs" / "reference" / "events.md": events_page,
    ROOT / "docs" / "stable.md": _stable,
}
"""Every page that this writes, with what gives its text."""


if __name__ == "__main__":
    for path, text_of in PAGES.items():
        path.write_text(text_of(), "utf8")
