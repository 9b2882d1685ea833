"""Graphs: what runs and in which order, joins, choices, approvals; and the picture."""

import asyncio
import operator
from dataclasses import dataclass, field
from typing import Annotated, Any, TypedDict

import pytest
from pydantic import BaseModel

from fakes import found, live, world
from treadle import (
    Agent,
    MemoryStore,
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


def test_a_join_that_a_branch_has_gone_round_says_what_never_came():
    nodes = [
        Node(split, "subjects"),
        Node(facts, "notes"),
        Node(grade, "score"),
        Node(write, "draft"),
    ]
    edges = [
        *(
            Edge(START, "split"),
            Edge(START, "facts"),
            Choice("split", lambda: "end", {"end": END, "on": "grade"}),
        ),
        *(Join(["grade", "facts"], "write"), Edge("write", END)),
    ]
    with pytest.raises(
        TurnFailed, match="the join before write has had 1 of 2, and nothing more comes"
    ):
        live(graph(nodes, edges).run(topic="x"))


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
        live(one.run(topic="aaaaaaaaa", thread="t"))
    assert live(one.resume("t")).seconds < 1


def test_a_person_allows_a_node_before_it_runs_or_what_it_gave():
    one = graph(
        [Node(facts, "notes", approve="before"), Node(write, "draft", approve="after")],
        line("facts", "write"),
    )
    [held] = live(one.run(topic="x", thread="t")).waiting
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


def test_agents_flows_and_tools_are_nodes_and_keep_their_threads():
    writer = Agent(
        name="writer",
        model=ScriptedModel([lambda request: says(request.messages[-1].text.upper())]),
    )

    async def inner(draft: str) -> str:
        return await step(lambda: draft[::-1], id="turned")

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
    result = live(one.run(topic="lamps", thread="t"))
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
    [held] = live(one.run(thread="t")).waiting
    live(one.post("t", e.ApprovalGiven(held.id, True, "ann")))
    assert live(one.resume("t")).output.score == 2
    assert turns == [2]


@pytest.mark.parametrize(
    "made", [lambda store: fan(store=store), lambda store: fan("any", store=store)]
)
def test_a_graph_cut_at_any_record_comes_to_the_same_end(made):
    first = made(MemoryStore())
    whole = live(first.run(topic="ccc b aa", thread="t")).output
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
    [held] = live(one.run(thread="t")).waiting
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
    result = live(made.run(topic="a b", thread="t"))
    summary = live(made.summary("t"))
    assert (summary.agent, summary.status, summary.children) == (
        "graph",
        "answered",
        {"answered": 1},
    )
    assert summary.tools["split"].successes == 1
    assert summary.tokens == result.usage.total_tokens > 0
