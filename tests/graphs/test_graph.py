"""Graphs: what runs and in which order, joins, choices, approvals; and the picture."""

import asyncio
import inspect
import json
import operator
from dataclasses import dataclass, field
from typing import Annotated, Any, TypedDict

import pytest
from pydantic import BaseModel

from fakes import found, live, world
from treadle import (
    Agent,
    Flow,
    Limits,
    MemoryStore,
    Record,
    ScriptedModel,
    TurnFailed,
    UsageError,
    approve,
    flow,
    step,
    tool,
)
from treadle.core import events as e
from treadle.graphs import END, START, Choice, Each, Edge, Graph, Join, Node, append
from treadle.graphs.trace import trace_run
from treadle.models.scripted import says


@dataclass
class Article:
    topic: str = ""
    subjects: list[str] = field(default_factory=list)
    notes: Annotated[list[str], append] = field(default_factory=list)
    draft: str = ""
    score: int = 0


def graph(nodes, edges, state: Any = Article, **settings) -> Graph:
    return Graph(state, nodes, edges, **{"store": MemoryStore(), "world": world(), **settings})


def split(topic: str) -> list[str]:
    return topic.split()


async def search(subject: str) -> str:
    await asyncio.sleep(len(subject))
    return f"on {subject}"


def facts(topic: str) -> str:
    return f"facts of {topic}"


def write(notes: list[str]) -> str:
    return "; ".join(notes)


def grade(score: int) -> int:
    return score + 2


def judge(score: int) -> tuple[str, str]:
    return ("good", f"{score} will do") if score > 3 else ("again", f"{score} is too low")


def line(*names):
    return [Edge(*pair) for pair in zip((START, *names), (*names, END), strict=True)]


def test_nodes_read_fields_by_their_parameters_and_write_what_they_say():
    result = live(
        graph([Node(split, "subjects"), Node(facts, "notes")], line("split", "facts")).run(
            topic="a b"
        )
    )
    assert result.output == Article("a b", ["a", "b"], ["facts of a b"])
    assert [event.call.arguments for event in found(result, e.StepAsked)] == ['{"topic":"a b"}'] * 2


def test_a_node_may_give_several_fields_and_must_give_only_those():
    def both() -> dict[str, Any]:
        return {"draft": "x", "score": 3}

    assert live(graph([Node(both, ("draft", "score"))], line("both")).run()).output.score == 3
    with pytest.raises(TurnFailed, match="both gives a dict with draft, not"):
        live(graph([Node(both, ("draft",))], line("both")).run())


class Model(BaseModel):
    total: Annotated[int, operator.add] = 1


class Typed(TypedDict, total=False):
    total: Annotated[int, operator.add]


@pytest.mark.parametrize(("state", "output"), [(Model, Model(total=11)), (Typed, {"total": 10})])
def test_a_state_is_a_dataclass_a_model_or_a_typed_dict_and_rules_merge(state, output):
    def one() -> int:
        return 3

    def two() -> int:
        return 7

    edges = [Edge(START, "one"), Edge(START, "two"), Join(["one", "two"], "three")]
    nodes = [Node(one, "total"), Node(two, "total"), Node(lambda total: None, name="three")]
    assert live(graph(nodes, [*edges, Edge("three", END)], state).run()).output == output


def fan(need: Any = "all", **settings) -> Graph:
    return graph(
        [
            Node(split, "subjects"),
            Node(search, "notes"),
            Node(facts, "notes"),
            Node(write, "draft"),
        ],
        [
            Edge(START, "split"),
            Each("split", "search", over="subjects", item="subject"),
            Edge("split", "facts"),
            Join(["search", "facts"], "write", need),
            Edge("write", END),
        ],
        **settings,
    )


def test_a_fan_out_runs_side_by_side_and_a_join_waits_for_all():
    result = live(fan().run(topic="ccc b aa"))
    assert result.output.draft == "facts of ccc b aa; on b; on aa; on ccc"
    assert result.seconds == 3
    assert live(fan().run(topic="")).output.draft == "facts of "


@pytest.mark.parametrize(
    ("need", "draft"), [("any", "facts of ccc b aa"), (2, "facts of ccc b aa; on b"), (9, None)]
)
def test_a_join_of_the_first_stops_the_others(need, draft):
    result = live(fan(need).run(topic="ccc b aa"))
    assert result.output.draft == (draft or "facts of ccc b aa; on b; on aa; on ccc")
    stopped = [event.call_id for event in found(result, e.ToolFailed) if event.kind == "cancelled"]
    assert len(stopped) == {"any": 3, 2: 2, 9: 0}[need]


def cycle(**settings) -> Graph:
    return graph(
        [Node(grade, "score", most=4), Node(facts, "notes")],
        [
            Edge(START, "grade"),
            Choice("grade", judge, {"good": "facts", "again": "grade"}),
            Edge("facts", END),
        ],
        **settings,
    )


def test_a_choice_is_recorded_with_why_and_a_cycle_has_a_limit():
    result = live(cycle().run(topic="x"))
    assert result.output.score == 4
    decided = [
        event.content for event in found(result, e.ToolReturned) if ".choice" in event.call_id
    ]
    assert decided == [
        '{"way":"again","to":"grade","why":"2 is too low"}',
        '{"way":"good","to":"facts","why":"4 will do"}',
    ]
    asked = [event.call for event in found(result, e.StepAsked) if ".choice" in event.call.id]
    assert asked[0] == e.Call("grade.choice", "judge", '{"score":2}')
    over = live(cycle().run(topic="x", score=-20))
    assert (over.status, over.reason) == ("limit", "runs of grade")
    assert over.output.score == -12
    assert found(over, e.LimitReached) == [e.LimitReached("runs of grade", 5, 4)]


def test_copies_side_by_side_count_once_against_a_node_s_limit():
    assert len(live(fan().run(topic=" ".join("abcdefghij" * 4))).output.notes) == 41


def test_a_choice_may_be_an_async_function():
    async def later() -> str:
        await asyncio.sleep(1)
        return "on"

    one = graph([Node(facts, "notes")], [Edge(START, "facts"), Choice("facts", later, {"on": END})])
    assert live(one.run(topic="x")).seconds == 1


def test_a_choice_that_leads_nowhere_fails_and_says_so():
    one = graph(
        [Node(facts, "notes")], [Edge(START, "facts"), Choice("facts", lambda: "up", {"down": END})]
    )
    with pytest.raises(TurnFailed, match="it said 'up', which leads nowhere; there are: down"):
        live(one.run(topic="x"))


@dataclass
class Trail:
    ran: Annotated[list[str], append] = field(default_factory=list)
    urgent: bool = False
    broken: str = ""


def mark(name: str, seconds: float = 0.0) -> Node:
    """A node that takes so long, and fails if the state says so."""

    async def work(broken: str) -> str:
        await asyncio.sleep(seconds)
        if name in broken:
            raise ValueError(f"no {name}")
        return name

    return Node(tool(work, name=name, idempotent=True), "ran")


def trail(nodes: str, *edges: Any, **settings: Any) -> Graph:
    marks = [mark(name, number) for number, name in enumerate(nodes)]
    return graph(marks, [*edges, Edge(nodes[-1], END)], Trail, **settings)


def test_joins_are_chained():
    edges = [Edge(START, "s"), Edge("s", "a"), Edge("s", "b"), Edge("s", "c")]
    one = trail("sabcmz", *edges, Join(["a", "b"], "m"), Join(["m", "c"], "z"))
    assert live(one.run()).output.ran == ["s", "a", "b", "c", "m", "z"]


def optional(urgent: bool) -> str:
    return "yes" if urgent else "no"


@pytest.mark.parametrize(
    ("urgent", "ran"), [(True, ["a", "b", "x", "z"]), (False, ["a", "b", "z"])]
)
def test_a_join_does_not_wait_for_a_branch_that_a_choice_has_left_out(urgent, ran):
    edges = [Edge(START, "a"), Edge(START, "b"), Choice("a", optional, {"yes": "x", "no": END})]
    one = trail("abxz", *edges, Join(["x", "b"], "z"))
    assert live(one.run(urgent=urgent)).output.ran == ran


def test_a_join_after_branches_of_which_none_comes_is_left_out_too():
    edges = [Edge(START, "a"), Choice("a", optional, {"yes": "b", "no": END})]
    one = trail("abcz", *edges, Edge("b", "c"), Join(["c"], "z"))
    assert live(one.run()).output.ran == ["a"]


PARALLEL = [Edge(START, name) for name in "abc"]


@pytest.mark.parametrize(
    ("need", "broken", "ran"),
    [
        (2, "a", ["b", "c", "z"]),
        (2, "", ["a", "b", "z"]),
        ("any", "ab", ["c", "z"]),
        (2, "ab", None),
        ("any", "abc", None),
        ("all", "c", None),
        (3, "c", None),
    ],
)
def test_a_join_that_needs_some_does_without_a_branch_that_fails(need, broken, ran):
    one = trail("abcz", *PARALLEL, Join(list("abc"), "z", need))
    if ran:
        assert live(one.run(broken=broken)).output.ran == ran
        return
    with pytest.raises(TurnFailed, match="ValueError: no "):
        live(one.options(thread="t").run(broken=broken))


def test_too_few_are_left_for_a_join_and_the_rest_is_not_waited_for():
    one = trail("abcz", *PARALLEL, Join(list("abc"), "z", 2))
    with pytest.raises(TurnFailed, match="the join before z needs 2, and 1 can come; ValueError"):
        live(one.options(thread="t").run(broken="ab"))
    assert live(one.resume("t")).seconds == 1


def test_what_would_only_lead_to_a_join_that_a_failure_has_closed_is_stopped():
    edges = [*PARALLEL, Edge(START, "d"), Join(["a", "d"], "m"), Join(["m", "b", "c"], "z", 2)]
    one = trail("abcdmz", *edges)
    result = live(one.run(broken="a"))
    assert result.output.ran == ["b", "c", "z"]
    stopped = [event.call_id for event in found(result, e.ToolFailed) if event.kind == "cancelled"]
    assert stopped == ["d"]
    assert result.seconds == 7


def test_a_join_in_a_loop_waits_anew_each_time():
    def again(ran: list[str]) -> str:
        return "yes" if len(ran) < 8 else "no"

    edges = [Edge(START, "s"), Edge("s", "a"), Edge("s", "b"), Edge("s", "c")]
    joins = [Join(["a", "b"], "m"), Join(["m", "c"], "z", 1)]
    marks = [mark(name, number) for number, name in enumerate("sabcmz")]
    one = graph(marks, [*edges, *joins, Choice("z", again, {"yes": "s", "no": END})], Trail)
    assert live(one.run(broken="a")).output.ran == ["s", "c", "z"] * 3
    assert live(one.run()).output.ran == ["s", "a", "b", "c", "z"] * 2


def test_so_many_items_run_at_once_as_the_fan_out_says():
    running, most = 0, 0

    async def search(subject: str) -> str:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(1)
        running -= 1
        return subject

    def fan_out(**settings: Any) -> Graph:
        edges = [Edge(START, "split"), Each("split", "search", "subjects", "subject", **settings)]
        return graph(
            [Node(split, "subjects"), Node(search, "notes"), Node(write, "draft")],
            [*edges, Join("search", "write"), Edge("write", END)],
        )

    topic = " ".join(map(str, range(25)))
    result = live(fan_out().run(topic=topic))
    assert (most, result.seconds, len(result.output.notes)) == (10, 3, 25)
    most = 0
    assert live(fan_out(at_once=25).run(topic=topic)).seconds == 1
    assert most == 25
    with pytest.raises(UsageError, match="Each"):
        fan_out(at_once=0)


@pytest.mark.parametrize("given", [None, "abc", 3])
def test_a_fan_out_over_what_has_no_items_says_so(given):
    def split() -> Any:
        return given

    one = graph(
        [
            Node(split, "subjects"),
            Node(lambda subject: subject, "notes", name="search"),
            Node(lambda: None, name="last"),
        ],
        [
            Edge(START, "split"),
            Each("split", "search", "subjects", "subject"),
            Join("search", "last"),
            Edge("last", END),
        ],
    )
    with pytest.raises(TurnFailed, match=f"subjects has no items .*: {given!r}"):
        live(one.run())


def test_a_fan_out_does_without_items_that_fail_while_enough_come():
    async def search(subject: str) -> str:
        if subject in "bd":
            raise ValueError(f"no {subject}")
        return subject

    def fan_out(need: int) -> Graph:
        return graph(
            [Node(split, "subjects"), Node(search, "notes"), Node(write, "draft")],
            [
                Edge(START, "split"),
                Each("split", "search", "subjects", "subject", at_once=2),
                Join("search", "write", need),
                Edge("write", END),
            ],
        )

    assert live(fan_out(3).run(topic="a b c d e")).output.draft == "a; c; e"
    with pytest.raises(TurnFailed, match="the join before write needs 4, and 3 can come"):
        live(fan_out(4).run(topic="a b c d e"))


def test_a_graph_is_a_node_and_gives_the_fields_that_are_taken_from_its_state():
    inner = fan(name="inner", store=None)
    one = graph([Node(inner, ("draft", "subjects")), Node(grade, "score")], line("inner", "grade"))
    result = live(one.options(thread="t").run(topic="b a"))
    assert result.output.draft == "facts of b a; on b; on a"
    assert (result.output.subjects, result.output.notes) == (["b", "a"], [])
    assert [child.thread_id for child in found(result, e.ChildStarted)] == ["t.inner"]
    with pytest.raises(UsageError, match="node inner takes 'mood', which is no field of the graph"):
        graph([Node(inner, "mood")], line("inner"), TypedDict("T", {"mood": str, "topic": str}))


@pytest.mark.parametrize("how", ["limit", "failed", "inner flow"])
def test_a_join_does_without_an_agent_or_a_flow_that_gives_no_answer(how):
    async def breaks() -> str:
        raise ValueError("no")

    script = [says(" ")] * 3 if how == "failed" else [says("x")]
    limits = Limits(tokens=1, last_word=False) if how == "limit" else Limits()
    lost = Agent(name="lost", model=ScriptedModel(script), limits=limits)
    first = Node(lost, "draft", said="go")
    if how == "inner flow":
        first = Node(flow(breaks, name="lost"), "draft")
    nodes = [first, Node(facts, "notes"), Node(split, "subjects"), Node(write, "draft")]
    edges = [Edge(START, "lost"), Edge(START, "facts"), Edge(START, "split")]
    one = graph(nodes, [*edges, Join(["lost", "facts", "split"], "write", 2), Edge("write", END)])
    result = live(one.options(thread="t").run(topic="x"))
    assert result.output.draft == "facts of x"
    assert live(one.replay("t")) is None


def test_a_graph_runs_for_each_item():
    inner = graph([Node(facts, "draft")], line("facts"), name="inner", store=None)
    edges = [Edge(START, "split"), Each("split", "inner", "subjects", "topic")]
    one = graph(
        [Node(split, "subjects"), Node(inner, "draft"), Node(write, "text")],
        [*edges, Join("inner", "write"), Edge("write", END)],
        TypedDict(
            "Many",
            {
                "topic": str,
                "subjects": list[str],
                "draft": Annotated[list[str], append],
                "notes": list[str],
                "text": str,
            },
            total=False,
        ),
    )
    result = live(one.run(topic="a b", notes=[]))
    assert sorted(result.output["draft"]) == ["facts of a", "facts of b"]


def put(old: dict[str, str], new: dict[str, str]) -> dict[str, str]:
    """A rule that changes the old value in place."""
    old.update(new)
    return old


@dataclass(eq=False)
class Known:
    """A default that no dataclass refuses, with something in it that can change."""

    names: list[str] = field(default_factory=list)


@dataclass
class Plain:
    topic: str = ""
    known: Annotated[dict[str, str], put] = field(default_factory=dict)


class Checked(BaseModel):
    topic: str = ""
    known: Annotated[dict[str, str], put] = {}


@pytest.mark.parametrize("state", [Plain, Checked])
def test_each_run_has_a_state_of_its_own_though_a_rule_changes_it_in_place(state):
    def learn(topic: str) -> dict[str, str]:
        return {topic: "x"}

    one = graph([Node(learn, "known")], line("learn"), state)
    assert live(one.run(topic="a")).output.known == {"a": "x"}
    assert live(one.run(topic="b")).output.known == {"b": "x"}


def test_a_default_that_is_a_value_is_each_run_s_own_too():
    def rule(old: Known, new: str) -> Known:
        old.names.append(new)
        return old

    @dataclass
    class Held:
        topic: str = ""
        known: Annotated[Known, rule] = Known()
        count: int = 0

    def count(known: Known) -> int:
        return len(known.names)

    one = graph([Node(facts, "known"), Node(count, "count")], line("facts", "count"), Held)
    assert [live(one.run(topic=name)).output.count for name in "ab"] == [1, 1]


def test_the_first_node_that_fails_stops_the_others():
    def broken() -> str:
        raise ValueError("no")

    nodes = [
        Node(split, "subjects"),
        Node(search, "notes"),
        Node(broken, "notes"),
        Node(write, "draft"),
    ]
    edges = [
        *(
            Edge(START, "split"),
            Each("split", "search", "subjects", "subject"),
            Edge(START, "broken"),
        ),
        *(Join(["search", "broken"], "write"), Edge("write", END)),
    ]
    one = graph(nodes, edges)
    with pytest.raises(TurnFailed, match=r"^step broken: ValueError: no"):
        live(one.options(thread="t").run(topic="aaaaaaaaa"))
    assert live(one.resume("t")).seconds < 1


def test_a_person_allows_a_node_before_it_runs_or_what_it_gave():
    one = graph(
        [Node(facts, "notes", approve="before"), Node(write, "draft", approve="after")],
        line("facts", "write"),
    )
    [held] = live(one.options(thread="t").run(topic="x")).waiting
    assert (held.id, held.final_arguments) == ("facts.before", '{"what":"run facts","topic":"x"}')
    assert "waits for a person" in one.mermaid(live(one.resume("t")).records)
    live(one.post("t", e.ApprovalGiven(held.id, True, "ann")))
    [held] = live(one.resume("t")).waiting
    assert (held.id, held.final_arguments) == (
        "write.after",
        '{"what":"go on with what write gave","gave":"facts of x"}',
    )
    live(one.post("t", e.ApprovalGiven(held.id, False, "ann", "too short")))
    with pytest.raises(
        TurnFailed, match="ann doesn't allow to go on with what write gave: too short"
    ):
        live(one.resume("t"))


class Ticket(TypedDict):
    id: str
    what: str
    within: int
    context: str
    done: str


def test_a_person_is_shown_the_fields_of_a_state_whatever_their_names():
    def use(id: str, what: str, within: int, context: str) -> str:
        return f"{id} {what} {within} {context}"

    one = graph([Node(use, "done", approve="before")], line("use"), Ticket)
    fields = {"id": "T1", "what": "lamp", "within": 2, "context": "shop"}
    [held] = live(one.options(thread="t").run(**fields)).waiting
    assert json.loads(held.final_arguments) == {"what?": "run use", **fields}
    edit = json.dumps({"what?": "run use", **fields, "what": "desk"})
    live(one.post("t", e.ApprovalGiven(held.id, True, "ann", arguments=edit)))
    assert live(one.resume("t")).output["done"] == "T1 desk 2 shop"
    assert live(one.replay("t")) is None


def test_agents_flows_and_tools_are_nodes_and_keep_their_threads():
    writer = Agent(
        name="writer",
        model=ScriptedModel([lambda request: says(request.messages[-1].text.upper())]),
    )

    async def inner(draft: str) -> str:
        return await step.options(id="turned")(lambda: draft[::-1])

    @tool(idempotent=True)
    def count(draft: str) -> int:
        return len(draft)

    one = graph(
        [
            Node(writer, "draft", said="on {topic}"),
            Node(flow(inner), "draft"),
            Node(count, "score"),
        ],
        line("writer", "inner", "count"),
    )
    result = live(one.options(thread="t").run(topic="lamps"))
    assert (result.output.draft, result.output.score) == ("SPMAL NO", 8)
    assert [child.thread_id for child in found(result, e.ChildStarted)] == ["t.writer", "t.inner"]


def test_an_agent_without_an_answer_fails_its_node():
    lost = Agent(name="lost", model=ScriptedModel([says(" ")] * 3))
    with pytest.raises(
        TurnFailed, match=r"3 replies in a row.* \(in thread .*\.lost, which has it all\)"
    ):
        live(graph([Node(lost, "draft", said="go")], line("lost")).run())


def test_what_a_node_reads_must_have_been_written():
    class Bare(TypedDict, total=False):
        draft: str
        score: int

    def count(draft: str) -> int:
        return len(draft)

    one = graph([Node(count, "score")], line("count"), Bare)
    with pytest.raises(
        TurnFailed, match="step count: it reads draft, which nothing has written yet"
    ):
        live(one.run())
    assert live(one.run(draft="abc")).output == {"draft": "abc", "score": 3}
    with pytest.raises(UsageError):
        live(one.run(topic="x"))


def test_a_resumed_graph_goes_the_way_that_its_log_has():
    turns = []

    def fickle(score: int) -> str:
        turns.append(score)
        return "good" if len(turns) == 1 else "again"

    nodes = [Node(grade, "score"), Node(write, "draft", approve="before")]
    edges = [
        Edge(START, "grade"),
        Choice("grade", fickle, {"good": "write", "again": "grade"}),
        Edge("write", END),
    ]
    one = graph(nodes, edges)
    [held] = live(one.options(thread="t").run()).waiting
    live(one.post("t", e.ApprovalGiven(held.id, True, "ann")))
    assert live(one.resume("t")).output.score == 2
    assert turns == [2]


@pytest.mark.parametrize(
    "made", [lambda store: fan(store=store), lambda store: fan("any", store=store)]
)
def test_a_graph_cut_at_any_record_comes_to_the_same_end(made):
    first = made(MemoryStore())
    whole = live(first.options(thread="t").run(topic="ccc b aa")).output
    rows = live(first.store.read("t"))
    for end in range(3, len(rows)):
        store = MemoryStore()
        live(store.append("t", rows[:end]))
        one = made(store)
        done = live(one.resume("t"))
        for _ in range(5):
            for held in done.waiting:
                live(one.post("t", e.OutcomeDecided(held.id, "not_run", "ann")))
            done = live(one.resume("t")) if done.waiting else done
        assert done.status == "answered"
        assert len(done.output.notes) == len(whole.notes)


def test_a_node_that_asks_by_itself_is_a_flow():
    async def person(draft: str) -> str:
        return "yes" if await approve("publish", draft=draft) else "no"

    one = graph([Node(flow(person), "draft")], line("person"))
    [held] = live(one.options(thread="t").run()).waiting
    assert held.thread_id == "t.person"
    live(one.post(held.thread_id, e.ApprovalGiven(held.id, True, "ann")))
    assert live(one.resume("t")).output.draft == "yes"


PICTURE = """\
flowchart TD
    n_start([start])
    n_end(["end: answered"])
    n_grade["grade<br/>2 times, 0 s"]
    n_facts["facts<br/>once, 0 s"]
    n_start ==>|"(once)"| n_grade
    n_grade_choice{"judge"}
    n_grade ==>|"(2 times)"| n_grade_choice
    n_grade_choice ==>|"good: 4 will do (once)"| n_facts
    n_grade_choice ==>|"again: 2 is too low (once)"| n_grade
    n_facts ==>|"(once)"| n_end
    classDef taken stroke-width:3px
    class n_grade,n_facts taken
"""


def test_the_picture_shows_where_it_branched_and_why():
    one = cycle()
    assert one.mermaid(live(one.run(topic="x")).records) == PICTURE
    plain = one.mermaid()
    assert '    n_grade_choice -->|"again"| n_grade\n' in plain
    assert "==>" not in plain


def test_the_picture_shows_time_cost_and_what_was_not_taken():
    writer = Agent(name="writer", model=ScriptedModel([says("x")], price_usd=(0.01, 0.01)))
    nodes = [Node(writer, "draft", said="go"), Node(facts, "notes"), Node(search, "notes")]
    edges = [
        *(Edge(START, "writer"), Choice("writer", lambda: "on", {"on": "search", "off": "facts"})),
        *(Edge("facts", END), Edge("search", END)),
    ]
    nodes[2] = Node(tool(lambda topic: facts(topic), name="search"), "notes")
    result = live(graph(nodes, edges).run(topic="x"))
    picture = graph(nodes, edges).mermaid(result.records)
    assert '"writer<br/>once, 0 s, $0.' in picture
    assert '-.->|"off"| n_facts' in picture


def records(*events: tuple[float, e.Event]) -> list[Record]:
    return [Record("t", seq, at, event) for seq, (at, event) in enumerate(events, 1)]


def asked(name: str) -> e.StepAsked:
    return e.StepAsked(e.Call(name, name, "{}"))


def test_the_picture_counts_the_time_of_each_try_and_not_the_time_between_them():
    told = records(
        (0.0, asked("pay")),
        (0.0, e.ToolStarted("pay", "k")),
        (1.0, e.ToolFailed("pay", "raised", "x", 1.0, retry_after_s=60.0)),
        (61.0, e.ToolStarted("pay", "k")),
        (63.0, e.ToolFailed("pay", "raised", "x", 2.0)),
        (63.0, e.TurnEnded("failed")),
        (86400.0, e.ThreadClaimed("c", reopens=True)),
        (86400.0, asked("pay")),
        (86400.0, e.ToolStarted("pay", "k")),
        (90000.0, e.ThreadClaimed("d")),  # after a crash
        (90000.0, e.ToolStarted("pay", "k")),
        (90002.0, e.ToolReturned("pay", "1", 2.0)),
        (90002.0, asked("next")),
    )
    found = trace_run(told)
    assert found.seconds == {"pay": 5.0}
    pay = graph([Node(facts, "notes", name="pay"), Node(write, "draft")], line("pay", "write"))
    assert [each.status for each in pay.draw(told).places if each.id == "pay"] == ["done"]


def test_the_picture_shows_who_waits_until_each_of_them_is_done():
    told = [(0.0, each) for name in ("ask", "ask-2") for each in waits_for_a_person(name)]
    assert trace_run(records(*told)).waits == {"ask": 2}
    told.append((1.0, e.ApprovalGiven("ask", True, "ann")))
    told.append((1.0, e.ToolStarted("ask", "k")))
    assert trace_run(records(*told)).waits == {"ask": 1}
    told.append((1.0, e.ToolFailed("ask-2", "cancelled", "x")))
    assert trace_run(records(*told)).waits == {}
    child = e.ChildWaits("sub", (e.PendingDecision("t.a", "a", "a", "{}", "waiting"),))
    assert trace_run(records((0.0, asked("sub")), (0.0, child))).waits == {"sub": 1}
    told = records((0.0, asked("sub")), (0.0, child), (1.0, e.ChildWaits("sub", ())))
    assert trace_run(told).waits == {}


def waits_for_a_person(name: str) -> list[e.Event]:
    return [asked(name), e.ApprovalAsked(name, "this needs approval")]


def test_reasons_in_the_picture_cannot_leave_their_labels():
    bad = 'x"]; click n_a "javascript:alert(1)" <b>&`\n#'
    one = graph(
        [Node(facts, "notes")],
        [Edge(START, "facts"), Choice("facts", lambda: ("on", bad), {"on": END})],
    )
    picture = one.mermaid(live(one.run(topic="x")).records)
    [label] = [row for row in picture.splitlines() if "on:" in row]
    assert label.count('"') == 2
    assert not {"<", "`", "&"} & set(label)


def test_a_graph_s_summary_adds_up_its_nodes_and_agents():
    clerk = Agent("Write.", name="clerk", model=ScriptedModel([says("a draft")]), world=world())
    nodes = [Node(split, "subjects"), Node(clerk, "draft", said="go")]
    made = graph(nodes, line("split", "clerk"))
    result = live(made.options(thread="t").run(topic="a b"))
    summary = live(made.summary("t"))
    assert (summary.agent, summary.status, summary.children) == (
        "graph",
        "answered",
        {"answered": 1},
    )
    assert summary.tools["split"].successes == 1
    assert summary.tokens == result.usage.total_tokens > 0


def test_what_a_flow_s_run_may_be_given_a_graph_s_may_be_given_too():
    given = [inspect.signature(kind.options).parameters for kind in (Flow, Graph)]
    assert [(each.name, each.kind) for each in given[0].values()] == [
        (each.name, each.kind) for each in given[1].values()
    ]
